-- Supapush 4/8: notifications, one message to one user. Written by the service, by rules, or by push.notify().

create table public.push_notifications (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  title text not null,
  body text,
  url text,
  params jsonb not null default '{}',
  category text,
  urgency text not null default 'normal',
  ttl integer,
  topic text,
  send_at timestamptz not null default now(),
  expires_at timestamptz,
  idempotency_key text,
  rule text,
  status text not null default 'queued',
  read_at timestamptz,
  created_at timestamptz not null default now(),
  constraint push_notifications_pkey primary key (id),
  constraint push_notifications_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_notifications_idempotency_key unique (user_id, idempotency_key),
  constraint push_notifications_urgency check (urgency in ('very-low', 'low', 'normal', 'high')),
  constraint push_notifications_ttl check (ttl between 0 and 2419200),
  constraint push_notifications_topic check (topic ~ '^[A-Za-z0-9_-]{1,32}$'),
  constraint push_notifications_category check (octet_length(category) <= 100),
  constraint push_notifications_idempotency_key_length check (octet_length(idempotency_key) <= 200),
  constraint push_notifications_params check (jsonb_typeof(params) = 'object'),
  constraint push_notifications_status check (status in ('scheduled', 'queued', 'cancelled'))
);
comment on table public.push_notifications is 'One message to one user: what it says, when it is sent, when it stops mattering, and whether it was read.';
comment on column public.push_notifications.url is 'Where a click leads: a path of the app, or an https URL.';
comment on column public.push_notifications.params is 'Values that travel with the message; the device gets them as `data`.';
comment on column public.push_notifications.category is 'What a user can mute, hierarchical: alerts, alerts:DAX.';
comment on column public.push_notifications.ttl is 'Seconds a push service keeps the message for a device that is away (RFC 8030).';
comment on column public.push_notifications.topic is 'A later message of the same topic replaces one that waits at the push service (RFC 8030).';
comment on column public.push_notifications.expires_at is 'No attempt is made after this moment; by default send_at plus the TTL.';
comment on column public.push_notifications.idempotency_key is 'A second message of the same user and key is not created.';
comment on column public.push_notifications.rule is 'The rule that made it, if one did.';
comment on column public.push_notifications.status is 'scheduled (waits for send_at), queued (deliveries were made), cancelled.';

create index push_notifications_inbox_idx on public.push_notifications (user_id, created_at desc, id desc);
create index push_notifications_scheduled_idx on public.push_notifications (send_at, id) where status = 'scheduled';

create function push.check_notification()
returns trigger
language plpgsql
-- Definer: reads push.settings, which the service role that inserts may not.
security definer
set search_path = ''
as $$
declare
  v_settings push.settings;
  v_bytes integer;
begin
  select s.* into v_settings from push.settings as s;
  if coalesce(btrim(new.title), '') = '' then
    perform push.refuse(400, 'title_missing', 'A notification needs a title.', 'Give a title that is not empty.');
  end if;
  if new.urgency is null or new.urgency not in ('very-low', 'low', 'normal', 'high') then
    perform push.refuse(400, 'urgency_unknown', 'This urgency is not known.', 'Use very-low, low, normal or high (RFC 8030).');
  end if;
  if new.ttl not between 0 and 2419200 then
    perform push.refuse(400, 'ttl_out_of_range', 'ttl is in seconds, from 0 to 2419200 (28 days).', 'Give a ttl in that range.');
  end if;
  if new.topic !~ '^[A-Za-z0-9_-]{1,32}$' then
    perform push.refuse(400, 'topic_malformed', 'A topic has 1 to 32 characters of A-Z a-z 0-9 _ -.', 'Shorten or hash the topic (RFC 8030).');
  end if;
  -- A path of the app, or https. Anything else (javascript:, data:, //other.host) has no business behind a click.
  -- No control characters, spaces or backslashes anywhere: a browser drops or turns them, and another URL is left.
  if new.url !~ '^(/([^/].*)?|https://[^/].*)$' or new.url ~ '[[:cntrl:][:space:]\\]' or octet_length(new.url) > 2048 then
    perform push.refuse(400, 'url_malformed', 'The url must be a path that starts with / or an https URL of at most 2048 bytes.', 'Correct the url.');
  end if;
  if octet_length(new.category) > 100 then
    perform push.refuse(400, 'category_too_long', 'A category has at most 100 bytes.', 'Shorten it, such as alerts:DAX.');
  end if;
  if octet_length(new.idempotency_key) > 200 then
    perform push.refuse(400, 'idempotency_key_too_long', 'An idempotency key has at most 200 bytes.', 'Shorten or hash it.');
  end if;
  if jsonb_typeof(new.params) is distinct from 'object' then
    perform push.refuse(400, 'params_malformed', 'params must be a JSON object.', 'Give an object, {} when there is nothing to say.');
  end if;
  v_bytes := octet_length(jsonb_build_object(
    'title', new.title, 'body', new.body, 'url', new.url, 'params', new.params, 'category', new.category
  )::text);
  if v_bytes > v_settings.max_notification_bytes then
    perform push.refuse(413, 'notification_too_large',
      format('The notification has %s bytes, %s are possible (title %s, body %s, url %s, params %s).',
        v_bytes, v_settings.max_notification_bytes, octet_length(new.title), coalesce(octet_length(new.body), 0),
        coalesce(octet_length(new.url), 0), octet_length(new.params::text)),
      'Shorten it: send an id and let the device load the rest.');
  end if;
  new.send_at := coalesce(new.send_at, now());
  -- A TTL of 0 means "now or never" at the push service; we still try for a minute to reach that service.
  new.expires_at := coalesce(new.expires_at,
    new.send_at + make_interval(secs => greatest(coalesce(new.ttl, v_settings.default_ttl), 60)));
  if new.expires_at <= new.send_at then
    perform push.refuse(400, 'expires_before_sent', 'expires_at must be after send_at.', 'Correct expires_at or leave it out.');
  end if;
  if tg_op = 'INSERT' then
    new.status := case when new.send_at > now() then 'scheduled' else 'queued' end;
  end if;
  return new;
end;
$$;
comment on function push.check_notification() is 'Refuses a notification that no device could be sent, and sets what was left open.';

create trigger push_notifications_check
before insert or update of title, body, url, params, category, urgency, ttl, topic, send_at, expires_at, idempotency_key
on public.push_notifications
for each row execute function push.check_notification();

alter table public.push_notifications enable row level security;

create policy push_notifications_select on public.push_notifications
for select to authenticated using ((select auth.uid()) = user_id);
create policy push_notifications_update on public.push_notifications
for update to authenticated using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);

revoke all on public.push_notifications from anon, authenticated, service_role;
grant select on public.push_notifications to authenticated;
-- Reading is all a user may change about a message.
grant update (read_at) on public.push_notifications to authenticated;
grant select, insert, update, delete on public.push_notifications to service_role;

revoke all on all functions in schema push from public;
