-- push.notify(), for migrations, triggers and SQL of your own, and an RPC for servers.

create function push.send_to_user(p_user_id uuid, p_message push.message)
returns uuid
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from auth.users as u where u.id = p_user_id) then
    perform push.refuse(404, 'user_unknown', 'No user has this id.', 'Give the id of a row in auth.users.');
  end if;
  return push.send_message(p_user_id, null, p_message);
end;
$$;
comment on function push.send_to_user(uuid, push.message) is 'push.notify(), given a message.';

create function push.notify(
  p_user_id uuid,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_collapse_key text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_presentation jsonb default null,
  p_digest_key text default null
)
returns uuid
language plpgsql
set search_path = ''
as $$
begin
  return push.send_to_user(p_user_id, row(
    p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_collapse_key, p_tag,
    p_template, p_presentation, p_digest_key, p_send_at, p_expires_at, p_idempotency_key
  )::push.message);
end;
$$;
comment on function push.notify(
  uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'Notifies one user on all devices, now or at p_send_at; returns the notification''s id, the same one for a repeated idempotency key. For the database owner.

p_user_id: Whom it is for: an id of auth.users.';

create function public.push_notify(p_user_id uuid, p_message jsonb)
returns uuid
language sql
-- Definer: push.notify() stands in the private schema, which the service role may not use.
security definer
set search_path = ''
as $$
  select push.send_to_user(p_user_id, push.message_from(p_message));
$$;
comment on function public.push_notify(uuid, jsonb) is
  'push.notify() for servers: supabase.rpc(''push_notify'', { p_user_id, p_message: { title, … } }) with the secret key. Service role only.

p_message: What it says, {"title": "Hello", "url": "/"}: keys as the parameters of push.notify(), without their p_.';

revoke all on function public.push_notify(uuid, jsonb) from public, anon, authenticated;
grant execute on function public.push_notify(uuid, jsonb) to service_role;
