-- Subscriptions, one row per device, inserted by the frontend under RLS.

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
comment on column public.push_subscriptions.last_used_at is 'When a push service last accepted a notification for this device, to the hour.';
comment on column public.push_subscriptions.failures is 'Attempts in a row that the push service refused or did not answer for this device.';
comment on column public.push_subscriptions.failed_at is 'When the last of them failed.';
comment on column public.push_subscriptions.retry_at is 'No message is sent to this device before then: its own backoff.';
comment on column public.push_subscriptions.gone_at is
  'When the push service first called this device dead, which had worked shortly before. A second such answer deletes it.';

create index push_subscriptions_user_id_idx on public.push_subscriptions (user_id);
create index push_subscriptions_host_idx on public.push_subscriptions (host);

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
