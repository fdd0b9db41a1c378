-- The calling user, known by the claim sub of their session.

create function public.push_user_id()
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  v_sub text := coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  );
begin
  if v_sub !~* '^([0-9a-f]{4}-?){7}[0-9a-f]{4}$' then
    -- Not push.refuse(): this is called with the rights of clients, who may not use schema push.
    raise exception using errcode = 'PT403', detail = 'user_id_not_uuid',
      message = 'The session names its user by something that is no uuid.',
      hint = 'Have your provider put the id of auth.users into the claim sub of its tokens.';
  end if;
  return v_sub::uuid;
end;
$$;
comment on function public.push_user_id() is
  'The calling user: auth.uid(), null without a session; refuses a claim sub that is no uuid, which other providers give, instead of failing.';

revoke all on function public.push_user_id() from public, anon, authenticated;
grant execute on function public.push_user_id() to authenticated, service_role;
