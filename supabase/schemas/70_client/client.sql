-- What a frontend asks besides its tables: the key to subscribe with, whether its device was removed on purpose, and
-- a message to try a device with.

alter table push.settings
  add column test_limit integer not null default 10,
  add constraint settings_test_limit check (test_limit >= 0);
comment on column push.settings.test_limit is 'How many test messages a user may send themselves within any hour.';

create function public.push_vapid_key()
returns text
language sql
stable
-- Definer: reads one public value out of the settings, which API roles may not read.
security definer
set search_path = ''
as $$
  select s.vapid_public_key from push.settings as s;
$$;
comment on function public.push_vapid_key() is
  'The public VAPID key that browsers subscribe with, base64url; null until push.connect() was called.';

-- A browser whose row is gone registers anew by itself, since rows get lost. A device that its user removed must stay removed.
create table push.removed_devices (
  -- A digest, so that a reader of this table learns no endpoint.
  address_digest bytea not null,
  user_id uuid not null,
  removed_at timestamptz not null default clock_timestamp(),
  constraint removed_devices_pkey primary key (address_digest),
  constraint removed_devices_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table push.removed_devices is
  'Devices that their users have removed, until they register them again: of each user the last ones, five times as many as they may have.';
comment on column push.removed_devices.address_digest is 'SHA-256 of the endpoint or FCM token.';

create index removed_devices_removed_at_idx on push.removed_devices (removed_at);
create index removed_devices_user_id_idx on push.removed_devices (user_id, removed_at);

alter table push.removed_devices enable row level security;
create policy removed_devices_nobody on push.removed_devices for all to public using (false);

create function push.address_digest(p_address text)
returns bytea
language sql
immutable
set search_path = ''
as $$
  select sha256(convert_to(p_address, 'UTF8'));
$$;
comment on function push.address_digest(text) is 'What push.removed_devices knows an endpoint or an FCM token by.';

create function push.note_removed_devices()
returns trigger
language plpgsql
-- Definer: users may not use schema push.
security definer
set search_path = ''
-- A user's own by index, however few the planner believes there are.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
begin
  insert into push.removed_devices as r (address_digest, user_id)
  select push.address_digest(coalesce(d.endpoint, d.fcm_token)), d.user_id
  from push_deleted_subscriptions as d
  -- Deleting an account deletes its devices; then there is no user left to remember them for.
  where d.user_id = public.push_user_id() and exists (select from auth.users as u where u.id = d.user_id)
  on conflict (address_digest) do update set user_id = excluded.user_id, removed_at = excluded.removed_at;
  if found then
    -- A user who registers and deletes devices again and again would otherwise leave a row of each for 400 days.
    delete from push.removed_devices as r
    where r.address_digest in (
      select o.address_digest
      from (
        select k.address_digest from push.removed_devices as k
        where k.user_id = public.push_user_id()
        order by k.removed_at desc
        offset (select s.max_subscriptions_per_user * 5 from push.settings as s)
      ) as beyond
      join push.removed_devices as o on o.address_digest = beyond.address_digest
      for update of o skip locked
    );
  end if;
  return null;
end;
$$;
comment on function push.note_removed_devices() is
  'Notes what users delete of their own. What housekeeping, push services or a hand-over take away may come back by itself.';

create trigger push_subscriptions_note_removed
after delete on public.push_subscriptions
referencing old table as push_deleted_subscriptions
for each statement execute function push.note_removed_devices();

create function push.welcome_devices()
returns trigger
language plpgsql
-- Definer: as push.note_removed_devices().
security definer
set search_path = ''
as $$
begin
  delete from push.removed_devices as r
  using push_new_subscriptions as n
  where r.address_digest = push.address_digest(coalesce(n.endpoint, n.fcm_token));
  return null;
end;
$$;
comment on function push.welcome_devices() is 'A device that is registered again is no longer a removed one.';

create trigger push_subscriptions_welcome
after insert on public.push_subscriptions
referencing new table as push_new_subscriptions
for each statement execute function push.welcome_devices();

create function push.welcome_moved_device()
returns trigger
language plpgsql
-- Definer: as push.note_removed_devices().
security definer
set search_path = ''
as $$
begin
  delete from push.removed_devices as r where r.address_digest = push.address_digest(coalesce(new.endpoint, new.fcm_token));
  return null;
end;
$$;
comment on function push.welcome_moved_device() is 'A row that takes an address over registers the device of that address again.';

create trigger push_subscriptions_welcome_moved
after update of endpoint, fcm_token on public.push_subscriptions
for each row when ((old.endpoint, old.fcm_token) is distinct from (new.endpoint, new.fcm_token))
execute function push.welcome_moved_device();

create function public.push_device_removed(p_address text)
returns boolean
language sql
stable
-- Definer: users may not use schema push; the answer is only about their own devices.
security definer
set search_path = ''
as $$
  select exists (
    select from push.removed_devices as r
    where r.address_digest = push.address_digest(p_address) and r.user_id = public.push_user_id()
  );
$$;
comment on function public.push_device_removed(text) is
  'Whether the caller has removed the device with this endpoint or FCM token: then it shall not register again by itself.';

create function push.send_test(p_user_id uuid, p_subscription_id uuid, p_now timestamptz default clock_timestamp())
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  -- No category has a space in its key, so no limit of a category counts these.
  c_counted_as constant text := 'a test';
  v_template text := (select t.key from public.push_templates as t where t.key = 'push_test' limit 1);
  v_message push.message;
  v_limit integer;
  v_sent integer;
  v_id uuid;
  v_rings boolean;
  v_blocked text;
begin
  if not exists (
    select from public.push_subscriptions as s
    where s.user_id = p_user_id and (p_subscription_id is null or s.id = p_subscription_id)
  ) then
    perform push.refuse(404, 'subscription_unknown', 'This user has no such device.', 'Register the device first: subscribe().');
  end if;

  -- Its row is locked until the commit, so that calls at the same time are counted one after the other. What is refused is
  -- not counted: the refusal rolls it back.
  insert into push.throttle_log as l (user_id, category, moments, done_at)
  values (p_user_id, c_counted_as, array[p_now], p_now + interval '1 hour')
  on conflict (user_id, category) do update
  set moments = array(
        select m.moment from unnest(l.moments) as m (moment)
        where m.moment > p_now - interval '1 hour' and m.moment <= p_now + interval '1 minute'
      ) || p_now,
      done_at = excluded.done_at
  returning cardinality(l.moments) into v_sent;
  select s.test_limit into v_limit from push.settings as s;
  if v_sent > v_limit then
    perform push.refuse(429, 'too_many_tests', format('At most %s test messages can be sent in an hour.', v_limit), 'Try again later.');
  end if;

  v_message.template := v_template;
  if v_template is null then
    v_message.title := 'Notifications work';
    v_message.body := 'This is a test.';
  end if;
  v_message.urgency := 'high';
  v_message.ttl := 600;
  v_message.tag := 'push_test';
  v_id := push.send_message(p_user_id, null, v_message, p_inbox => false);

  if p_subscription_id is not null then
    -- No dispatcher has seen them yet.
    delete from push.queue as d where d.notification_id = v_id and d.subscription_id <> p_subscription_id;
    delete from push.delivery_log as d where d.notification_id = v_id and d.subscription_id <> p_subscription_id;
  end if;
  select coalesce(bool_or(d.state = 'queued' and d.last_code is null), false),
    max(d.last_code) filter (where d.last_code in ('user_banned', 'user_deleted'))
  into v_rings, v_blocked
  from push.deliveries as d where d.notification_id = v_id;
  if v_blocked = 'user_banned' then
    perform push.refuse(403, 'user_banned', 'Nothing is sent to this account: it is banned.', 'Lift the ban (auth.users.banned_until).');
  end if;
  if v_blocked = 'user_deleted' then
    perform push.refuse(403, 'user_deleted', 'Nothing is sent to this account: it was deleted.', 'Sign in with another account.');
  end if;
  if not v_rings then
    perform push.refuse(409, 'test_held_back', 'Preferences or limits currently hold back messages to this device.',
      'Check the quiet hours, and whether notifications are on, for the user and for the device.');
  end if;
  return v_id;
end;
$$;
comment on function push.send_test(uuid, uuid, timestamptz) is
  'Sends a user a test message, to one device or to all, that is not in the inbox (p_now is when it counts as sent); in the words of the template push_test, if there is one.';

create function public.push_send_test(p_subscription_id uuid default null)
returns uuid
language sql
-- Definer: users may not write notifications. They choose neither the recipient nor the time by which calls are counted.
security definer
set search_path = ''
as $$
  select push.send_test(public.push_user_id(), p_subscription_id);
$$;
comment on function public.push_send_test(uuid) is
  'Sends the caller a test message, to one device of theirs or to all; returns the notification''s id.';

revoke all on function public.push_vapid_key() from public, anon, authenticated;
revoke all on function public.push_device_removed(text) from public, anon, authenticated;
revoke all on function public.push_send_test(uuid) from public, anon, authenticated;
-- Anon as well: the key is public, and an app may want to subscribe before its user has signed in.
grant execute on function public.push_vapid_key() to anon, authenticated;
grant execute on function public.push_device_removed(text) to authenticated;
grant execute on function public.push_send_test(uuid) to authenticated;
