-- Supapush: subscriptions, one row per device, inserted by the frontend under RLS.

create table public.push_subscriptions (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null default public.push_user_id(),
  channel text not null default 'webpush',
  -- Compared byte by byte: that is what a URL is, and a look-up costs a fraction of one that knows a language's rules.
  endpoint text collate "C",
  p256dh text,
  auth text,
  vapid_key text,
  fcm_token text collate "C",
  device_type text not null default 'unknown',
  user_agent text,
  device_name text,
  expires_at timestamptz,
  -- The default is never stored: the trigger below sets the host. It makes the column optional in generated types.
  host text not null default '',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_used_at timestamptz,
  failures integer not null default 0,
  failed_at timestamptz,
  retry_at timestamptz,
  gone_at timestamptz,
  constraint push_subscriptions_pkey primary key (id),
  constraint push_subscriptions_endpoint_key unique (endpoint),
  constraint push_subscriptions_fcm_token_key unique (fcm_token),
  constraint push_subscriptions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_subscriptions_host_fkey foreign key (host) references push.hosts (origin) on update cascade,
  constraint push_subscriptions_channel check (case channel
    when 'webpush' then num_nulls(endpoint, p256dh, auth) = 0 and fcm_token is null
    when 'fcm' then fcm_token is not null and num_nonnulls(endpoint, p256dh, auth, vapid_key) = 0
    else false
  end),
  constraint push_subscriptions_endpoint check (octet_length(endpoint) <= 2048),
  constraint push_subscriptions_keys check (length(p256dh) = 87 and length(auth) = 22),
  constraint push_subscriptions_fcm_token check (octet_length(fcm_token) between 20 and 4096),
  constraint push_subscriptions_device_type check (device_type in ('desktop', 'mobile', 'tablet', 'unknown')),
  constraint push_subscriptions_user_agent check (octet_length(user_agent) <= 1024),
  constraint push_subscriptions_device_name check (octet_length(device_name) <= 200)
)
-- Room on every page: setting last_used_at after a push then touches none of the indexes.
with (fillfactor = 60);
comment on table public.push_subscriptions is 'One device of one user. Insert what PushManager.subscribe() gave, or an app''s FCM token; the row deletes itself when the device is gone.';
comment on column public.push_subscriptions.channel is 'How the device is reached: webpush (endpoint, p256dh, auth and perhaps vapid_key) or fcm (fcm_token).';
comment on column public.push_subscriptions.endpoint is 'The URL of the push service, exactly as the browser gave it.';
comment on column public.push_subscriptions.p256dh is 'The device''s public key: 65 bytes, base64url without padding.';
comment on column public.push_subscriptions.auth is 'The device''s authentication secret: 16 bytes, base64url without padding.';
comment on column public.push_subscriptions.vapid_key is 'The public VAPID key the browser subscribed with; when left out, the one that push.connect() noted.';
comment on column public.push_subscriptions.fcm_token is 'The registration token of an app''s installation, exactly as Firebase gave it.';
comment on column public.push_subscriptions.device_type is 'desktop, mobile, tablet or unknown.';
comment on column public.push_subscriptions.device_name is 'What its user knows the device by, such as Firefox (Linux).';
comment on column public.push_subscriptions.expires_at is 'When the push service lets the subscription lapse, if it said so.';
comment on column public.push_subscriptions.host is 'The row of push.hosts through which the device is reached; set by the database.';
comment on column public.push_subscriptions.last_used_at is 'When a push service last accepted a notification for this device.';
comment on column public.push_subscriptions.failures is 'Attempts in a row that the push service refused or did not answer for this device.';
comment on column public.push_subscriptions.failed_at is 'When the last of them failed.';
comment on column public.push_subscriptions.retry_at is 'No message is sent to this device before then: its own backoff.';
comment on column public.push_subscriptions.gone_at is
  'When the push service first called this device dead, which had worked shortly before. A second such answer deletes it.';

create index push_subscriptions_user_id_idx on public.push_subscriptions (user_id);
create index push_subscriptions_host_idx on public.push_subscriptions (host);

create function push.check_address(p_row public.push_subscriptions)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_mistake record;
begin
  if p_row.channel = 'fcm' then
    if num_nonnulls(p_row.endpoint, p_row.p256dh, p_row.auth, p_row.vapid_key) > 0 then
      perform push.refuse(400, 'address_ambiguous', 'A device of channel fcm has an fcm_token and no web push columns.',
        'Leave out endpoint, p256dh, auth and vapid_key, or use channel "webpush".');
    end if;
    select m.* into v_mistake from push.mistaken_address('fcm_token', p_row.fcm_token) as m;
    if found then
      perform push.refuse(400, 'fcm_token_malformed', format('The fcm_token %s.', v_mistake.what), v_mistake.hint);
    end if;
    -- Real ones have about 160 characters; Google promises no length.
    if p_row.fcm_token is null or length(p_row.fcm_token) not between 20 and 4096 or p_row.fcm_token !~ '^[!-~]+$' then
      perform push.refuse(400, 'fcm_token_malformed',
        'The fcm_token must be 20 to 4096 printable ASCII characters without spaces.',
        'Insert the registration token unchanged.');
    end if;
    return;
  end if;

  if p_row.fcm_token is not null then
    perform push.refuse(400, 'address_ambiguous', 'A device of channel webpush has no fcm_token.',
      'Leave it out, or use channel "fcm".');
  end if;
  select m.* into v_mistake from push.mistaken_address('endpoint', p_row.endpoint) as m;
  if found then
    perform push.refuse(400, 'endpoint_malformed', format('The endpoint %s.', v_mistake.what), v_mistake.hint);
  end if;
  if p_row.endpoint is null or octet_length(p_row.endpoint) > 2048 or p_row.endpoint !~ '^[!-~]+$' then
    perform push.refuse(400, 'endpoint_malformed',
      'The endpoint must be a URL of at most 2048 printable ASCII characters.',
      'Insert subscription.endpoint unchanged.');
  end if;
  if push.is_p256_point(push.decode_base64url(p_row.p256dh)) is not true then
    if length(push.decode_base64url(p_row.p256dh)) = 16 and push.is_p256_point(push.decode_base64url(p_row.auth)) then
      perform push.refuse(400, 'p256dh_invalid', 'p256dh and auth are swapped: p256dh must be a P-256 public key.',
        'Insert subscription.toJSON().keys.p256dh as p256dh and keys.auth as auth.');
    end if;
    perform push.refuse(400, 'p256dh_invalid',
      'p256dh must be an uncompressed P-256 public key: 65 bytes, base64url without padding.',
      'Insert subscription.toJSON().keys.p256dh unchanged.');
  end if;
  -- Nobody could read what is encrypted for it.
  if p_row.p256dh = coalesce(p_row.vapid_key, (select s.vapid_public_key from push.settings as s)) then
    perform push.refuse(400, 'p256dh_invalid', 'p256dh is the VAPID key, not the P-256 public key of the device.',
      'Insert subscription.toJSON().keys.p256dh as p256dh.');
  end if;
  if length(push.decode_base64url(p_row.auth)) is distinct from 16 then
    perform push.refuse(400, 'auth_invalid',
      'auth must be 16 bytes, base64url without padding.',
      'Insert subscription.toJSON().keys.auth unchanged.');
  end if;
  if p_row.vapid_key is not null and push.is_p256_point(push.decode_base64url(p_row.vapid_key)) is not true then
    perform push.refuse(400, 'vapid_key_invalid',
      'vapid_key must be an uncompressed P-256 public key: 65 bytes, base64url without padding.',
      case when length(push.decode_base64url(p_row.vapid_key)) = 32
        then 'This looks like a private key, which must never reach a browser. Insert the public key, or leave it out.'
        else 'Insert the applicationServerKey that you passed to PushManager.subscribe(), or leave it out.'
      end);
  end if;
end;
$$;
comment on function push.check_address(public.push_subscriptions) is
  'Refuses a device that lacks what its channel needs to reach it, has it malformed, or has what belongs to another channel.';

create function push.check_subscription()
returns trigger
language plpgsql
-- Definer: reads the allow-list and the settings, and must see a row of the same device that belongs to another user.
security definer
set search_path = ''
as $$
declare
  v_limit integer;
begin
  -- Row-level security looks after this trigger has run. What it would refuse is refused here first, so that nobody
  -- learns from the other answers below how many devices a stranger has.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_subscriptions"';
  end if;

  if new.channel is null or new.channel not in ('webpush', 'fcm') then
    perform push.refuse(400, 'channel_unknown', 'Unknown channel.', 'Use channel "webpush" or "fcm".');
  end if;
  -- One spelling for each key: they are compared as text, here and by the function that proves a device.
  new.p256dh := push.as_base64url(new.p256dh);
  new.auth := push.as_base64url(new.auth);
  new.vapid_key := push.as_base64url(new.vapid_key);
  perform push.check_address(new);
  if tg_op = 'INSERT'
    or (new.channel, new.endpoint, new.fcm_token) is distinct from (old.channel, old.endpoint, old.fcm_token) then
    new.host := case new.channel
      when 'webpush' then push.host_of(new.endpoint)
      else (select h.origin from push.hosts as h where h.channel = 'fcm')
    end;
    if new.host is null and new.channel = 'webpush' then
      perform push.refuse(400, 'endpoint_not_allowed',
        'The endpoint is not an https URL of a known push service.',
        'Insert subscription.endpoint unchanged. To allow another push service, add its origin to push.hosts.');
    elsif new.host is null then
      perform push.refuse(400, 'fcm_not_allowed',
        'FCM is not enabled in this project.',
        'Use web push. To enable FCM, add https://fcm.googleapis.com/v1 to push.hosts with channel fcm.');
    end if;
  end if;

  -- Remembered, so that the device is signed for with this key after the project has a newer one.
  if tg_op = 'INSERT' and new.channel = 'webpush' and new.vapid_key is null then
    select s.vapid_public_key into new.vapid_key from push.settings as s;
  end if;
  if new.device_type is null or new.device_type not in ('desktop', 'mobile', 'tablet', 'unknown') then
    perform push.refuse(400, 'device_type_unknown', 'Unknown device type.',
      'Use desktop, mobile, tablet or unknown, or leave it out.');
  end if;
  if octet_length(new.user_agent) > 1024 then
    perform push.refuse(400, 'user_agent_too_long', 'The user agent is longer than 1024 bytes.', 'Shorten it or leave it out.');
  end if;
  if octet_length(new.device_name) > 200 then
    perform push.refuse(400, 'device_name_too_long', 'The name of the device is longer than 200 bytes.', 'Shorten it or leave it out.');
  end if;

  if tg_op = 'UPDATE' then
    if (new.endpoint, new.p256dh, new.auth, new.vapid_key, new.fcm_token, new.user_id)
      is distinct from (old.endpoint, old.p256dh, old.auth, old.vapid_key, old.fcm_token, old.user_id) then
      new.updated_at := clock_timestamp();
      -- Another address or other keys: what is known of the old ones says nothing of these.
      new.failures := 0;
      new.failed_at := null;
      new.retry_at := null;
      new.gone_at := null;
    end if;
    if (new.endpoint, new.fcm_token) is distinct from (old.endpoint, old.fcm_token) then
      -- This row is locked already.
      perform push.lock_device(new, true);
      perform push.take_device(new, new.id);
    end if;
    return new;
  end if;

  perform push.lock_device(new, false);
  if not push.take_device(new, null) then
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
  'Refuses what may not be called or could not be encrypted for, and hands a shared device over to its new user.';

create trigger push_subscriptions_check
before insert or update of channel, endpoint, p256dh, auth, vapid_key, fcm_token, device_type, user_agent, device_name, user_id
on public.push_subscriptions
for each row execute function push.check_subscription();

alter table public.push_subscriptions enable row level security;

create policy push_subscriptions_select on public.push_subscriptions
for select to authenticated using ((select public.push_user_id()) = user_id);
create policy push_subscriptions_insert on public.push_subscriptions
for insert to authenticated with check ((select public.push_user_id()) = user_id);
create policy push_subscriptions_update on public.push_subscriptions
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
create policy push_subscriptions_delete on public.push_subscriptions
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_subscriptions from anon, authenticated, service_role;
grant select, delete on public.push_subscriptions to authenticated;
grant insert (user_id, channel, endpoint, p256dh, auth, vapid_key, fcm_token, device_type, user_agent, device_name, expires_at)
  on public.push_subscriptions to authenticated;
grant update (user_id, channel, endpoint, p256dh, auth, vapid_key, fcm_token, device_type, user_agent, device_name, expires_at)
  on public.push_subscriptions to authenticated;
grant select, insert, update, delete on public.push_subscriptions to service_role;

revoke all on all functions in schema push from public;
