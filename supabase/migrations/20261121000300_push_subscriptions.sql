-- Supapush 3/8: subscriptions, one row per device, inserted by the frontend under RLS.

create table public.push_subscriptions (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  channel text not null default 'webpush',
  -- Compared byte by byte: that is what a URL is, and a look-up costs a fraction of one that knows a language's rules.
  endpoint text collate "C" not null,
  p256dh text not null,
  auth text not null,
  vapid_key text,
  device_type text not null default 'unknown',
  user_agent text,
  expires_at timestamptz,
  -- The default is never stored: the trigger below sets the host. It makes the column optional in generated types.
  host text not null default '',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_used_at timestamptz,
  constraint push_subscriptions_pkey primary key (id),
  constraint push_subscriptions_endpoint_key unique (endpoint),
  constraint push_subscriptions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_subscriptions_host_fkey foreign key (host) references push.hosts (origin),
  constraint push_subscriptions_channel check (channel in ('webpush')),
  constraint push_subscriptions_endpoint check (octet_length(endpoint) <= 2048),
  constraint push_subscriptions_keys check (length(p256dh) = 87 and length(auth) = 22),
  constraint push_subscriptions_device_type check (device_type in ('desktop', 'mobile', 'tablet', 'unknown')),
  constraint push_subscriptions_user_agent check (octet_length(user_agent) <= 1024)
)
-- Room on every page: setting last_used_at after a push then touches none of the indexes.
with (fillfactor = 60);
comment on table public.push_subscriptions is 'One device of one user. Insert what PushManager.subscribe() gave; the row deletes itself when the device is gone.';
comment on column public.push_subscriptions.channel is 'How the device is reached.';
comment on column public.push_subscriptions.endpoint is 'The URL of the push service, exactly as the browser gave it.';
comment on column public.push_subscriptions.p256dh is 'The device''s public key: 65 bytes, base64url without padding.';
comment on column public.push_subscriptions.auth is 'The device''s authentication secret: 16 bytes, base64url without padding.';
comment on column public.push_subscriptions.vapid_key is 'The public VAPID key the browser subscribed with; null means the project''s current one.';
comment on column public.push_subscriptions.device_type is 'desktop, mobile, tablet or unknown.';
comment on column public.push_subscriptions.expires_at is 'When the push service lets the subscription lapse, if it said so.';
comment on column public.push_subscriptions.host is 'The row of push.hosts that allows the endpoint; set by the database.';
comment on column public.push_subscriptions.last_used_at is 'When a push service last accepted a notification for this device.';

create index push_subscriptions_user_id_idx on public.push_subscriptions (user_id);
create index push_subscriptions_host_idx on public.push_subscriptions (host);

create function push.check_subscription()
returns trigger
language plpgsql
-- Definer: reads the allow-list and the settings, and must see a row of the same endpoint that belongs to another user.
security definer
set search_path = ''
as $$
declare
  v_other public.push_subscriptions;
  v_limit integer;
begin
  -- Row-level security looks after this trigger has run. What it would refuse is refused here first, so that nobody
  -- learns from the other answers below how many devices a stranger has.
  if auth.uid() is not null and new.user_id is distinct from auth.uid() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_subscriptions"';
  end if;

  if new.channel is distinct from 'webpush' then
    perform push.refuse(400, 'channel_unknown', 'This channel is not known.', 'Use channel "webpush".');
  end if;

  if new.endpoint is null or octet_length(new.endpoint) > 2048 or new.endpoint !~ '^[!-~]+$' then
    perform push.refuse(400, 'endpoint_malformed',
      'The endpoint must be a URL of at most 2048 printable ASCII characters.',
      'Insert subscription.endpoint unchanged.');
  end if;
  if tg_op = 'INSERT' or new.endpoint is distinct from old.endpoint then
    new.host := push.host_of(new.endpoint);
    if new.host is null then
      perform push.refuse(400, 'endpoint_not_allowed',
        'The endpoint is not an https URL of a known push service.',
        'Insert subscription.endpoint unchanged. To allow another push service, its origin goes into push.hosts.');
    end if;
  end if;

  if push.is_p256_point(push.decode_base64url(new.p256dh)) is not true then
    perform push.refuse(400, 'p256dh_invalid',
      'p256dh must be an uncompressed P-256 public key: 65 bytes, base64url without padding.',
      'Insert subscription.toJSON().keys.p256dh unchanged.');
  end if;
  if length(push.decode_base64url(new.auth)) is distinct from 16 then
    perform push.refuse(400, 'auth_invalid',
      'auth must be 16 bytes, base64url without padding.',
      'Insert subscription.toJSON().keys.auth unchanged.');
  end if;
  if new.vapid_key is not null and push.is_p256_point(push.decode_base64url(new.vapid_key)) is not true then
    perform push.refuse(400, 'vapid_key_invalid',
      'vapid_key must be an uncompressed P-256 public key: 65 bytes, base64url without padding.',
      'Insert the applicationServerKey that was given to PushManager.subscribe(), or leave it out.');
  end if;
  if new.device_type is null or new.device_type not in ('desktop', 'mobile', 'tablet', 'unknown') then
    perform push.refuse(400, 'device_type_unknown', 'This device type is not known.',
      'Use desktop, mobile, tablet or unknown, or leave it out.');
  end if;
  if octet_length(new.user_agent) > 1024 then
    perform push.refuse(400, 'user_agent_too_long', 'The user agent is longer than 1024 bytes.', 'Shorten it or leave it out.');
  end if;

  if tg_op = 'UPDATE' then
    if (new.endpoint, new.p256dh, new.auth, new.vapid_key, new.user_id)
      is distinct from (old.endpoint, old.p256dh, old.auth, old.vapid_key, old.user_id) then
      new.updated_at := clock_timestamp();
    end if;
    return new;
  end if;

  -- One at a time per endpoint and per user: the hand-over and the count below must not race.
  perform pg_advisory_xact_lock(hashtextextended('supapush.endpoint.' || new.endpoint, 0));
  select s.* into v_other from public.push_subscriptions as s where s.endpoint = new.endpoint;
  if found and v_other.user_id is distinct from new.user_id then
    if v_other.p256dh <> new.p256dh or v_other.auth <> new.auth then
      perform push.refuse(409, 'endpoint_taken',
        'This endpoint is registered to another user with other keys.',
        'Unsubscribe in the browser and subscribe again: that gives a new endpoint.');
    end if;
    -- A shared browser changed hands. Its old owner's row goes, and with it every message still waiting for it.
    delete from public.push_subscriptions as s where s.id = v_other.id;
    v_other := null;
  end if;

  if v_other.id is null then
    perform pg_advisory_xact_lock(hashtextextended('supapush.user.' || new.user_id::text, 0));
    select s.max_subscriptions_per_user into v_limit from push.settings as s;
    if (select count(*) from public.push_subscriptions as s where s.user_id = new.user_id) >= v_limit then
      perform push.refuse(429, 'too_many_subscriptions',
        format('This user already has %s devices.', v_limit),
        'Delete a device that is no longer used, then subscribe again.');
    end if;
  end if;
  return new;
end;
$$;
comment on function push.check_subscription() is
  'Refuses what may not be called or could not be encrypted for, and hands a shared browser over to its new user.';

create trigger push_subscriptions_check
before insert or update of channel, endpoint, p256dh, auth, vapid_key, device_type, user_agent, user_id
on public.push_subscriptions
for each row execute function push.check_subscription();

alter table public.push_subscriptions enable row level security;

create policy push_subscriptions_select on public.push_subscriptions
for select to authenticated using ((select auth.uid()) = user_id);
create policy push_subscriptions_insert on public.push_subscriptions
for insert to authenticated with check ((select auth.uid()) = user_id);
create policy push_subscriptions_update on public.push_subscriptions
for update to authenticated using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy push_subscriptions_delete on public.push_subscriptions
for delete to authenticated using ((select auth.uid()) = user_id);

revoke all on public.push_subscriptions from anon, authenticated, service_role;
grant select, delete on public.push_subscriptions to authenticated;
grant insert (user_id, channel, endpoint, p256dh, auth, vapid_key, device_type, user_agent, expires_at)
  on public.push_subscriptions to authenticated;
grant update (user_id, channel, endpoint, p256dh, auth, vapid_key, device_type, user_agent, expires_at)
  on public.push_subscriptions to authenticated;
grant select, insert, update, delete on public.push_subscriptions to service_role;

revoke all on all functions in schema push from public;
