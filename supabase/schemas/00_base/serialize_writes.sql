-- Writers of one user's rows take turns, so that they are never in each other's way in another order.

create function push.serialize_user_writes()
returns trigger
language plpgsql
-- Definer: looks into auth.users, which users may not.
security definer
set search_path = ''
as $$
begin
  if public.push_user_id() is not null then
    -- Two statements of one user, from two tabs, would lock the same rows in another order, and wait in a circle.
    perform pg_advisory_xact_lock(hashtextextended('supapush.user_writes.' || public.push_user_id()::text, 0));
    -- Before any other row: who is being deleted would wait for those, and their foreign keys for that. A session outlives
    -- its account by up to an hour.
    perform from auth.users as u where u.id = public.push_user_id() for key share;
    if not found then
      perform push.refuse(401, 'user_unknown', 'The account of this session no longer exists.', 'Sign in again.');
    end if;
  end if;
  return null;
end;
$$;
comment on function push.serialize_user_writes() is
  'For statements of a client itself: has those of one user come one after the other, and refuses a user whose account is gone.';
