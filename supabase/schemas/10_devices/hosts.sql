-- The push services that may be called, and the checks of what a browser sends us.
--
-- An endpoint is a URL that a client sends, possibly an attacker, and that our servers will call. Only push services that
-- are listed here are ever called.

create table push.hosts (
  origin text not null,
  channel text not null default 'webpush',
  max_in_flight integer not null default 10000,
  paused_at timestamptz,
  probe_at timestamptz,
  probed_users uuid[] not null default '{}',
  resumed_at timestamptz,
  pace real,
  paced_at timestamptz,
  evidence text,
  evidence_since timestamptz,
  evidence_count integer not null default 0,
  evidence_users uuid[] not null default '{}',
  known_users uuid[] not null default '{}',
  gone_since timestamptz,
  gone_count integer not null default 0,
  last_success_at timestamptz,
  last_error_at timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  constraint hosts_pkey primary key (origin),
  -- http is for a push service on this machine's loopback alone, as local development has it.
  constraint hosts_origin check (case channel
    when 'webpush' then
      -- An international name ends in xn--…, as URLs have it.
      (
        origin ~ '^https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+([a-z]{2,}|xn--[a-z0-9-]*[a-z0-9])(:[1-9][0-9]{0,4})?$'
        and origin !~ ':443$'
      )
      or origin ~ '^https://\*\.([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+([a-z]{2,}|xn--[a-z0-9-]*[a-z0-9])$'
      or origin ~ '^http://127\.0\.0\.1:[0-9]{1,5}$'
    -- With its path: Google serves web push from the same name, and the two are paused and limited apart.
    when 'fcm' then origin = 'https://fcm.googleapis.com/v1' or origin ~ '^http://127\.0\.0\.1:[0-9]{1,5}/v1$'
    else false
  end and push.has_usable_host(origin)),
  -- Below these an attacker can register a name, which would then be called. No list of them is complete, and only the
  -- database owner writes wildcards: this catches those that look like one organisation's and are not.
  constraint hosts_wildcard check (
    origin !~ '^https://\*\.(ac|asn|asso|biz|co|com|csiro|ed|edu|firm|gen|go|gob|gos|gouv|gov|govt|gub|gv|id|in|ind|info|k12|kr|lg|ltd|me|mil|mod|muni|ne|net|nhs|nic|nom|or|org|plc|police|pro|res|sch|school|web)\.[a-z]{2}$'
    and origin !~ '^https://\*\.(amazonaws|appspot|azurewebsites|cloudapp|cloudfront|duckdns|firebaseapp|fly|github|githubusercontent|gitlab|glitch|herokuapp|netlify|ngrok|ngrok-free|onrender|pages|railway|run|supabase|vercel|web|workers)\.(app|co|com|dev|io|me|net|org)$'
  ),
  constraint hosts_max_in_flight check (max_in_flight > 0),
  constraint hosts_pace check (pace > 0 and (pace is null) = (paced_at is null)),
  constraint hosts_evidence check (evidence in ('refused', 'throttled', 'unreachable')),
  constraint hosts_paused check ((paused_at is null) = (probe_at is null))
);
comment on table push.hosts is 'Push services that may be called, one a row, with their state. For the database owner.';
comment on column push.hosts.origin is 'Where it is called. Web push: the origin of its endpoints, or https://*.suffix. FCM: the base URL of its HTTP v1 API.';
comment on column push.hosts.channel is 'What it speaks: webpush, or fcm, of which there is at most one.';
comment on column push.hosts.max_in_flight is 'Deliveries that all dispatchers together may hold for this service at one time: a ceiling, below which each finds out how many the service takes.';
comment on column push.hosts.paused_at is 'Since when only probes are handed out for this service; null while it is not paused.';
comment on column push.hosts.probe_at is 'While paused: when the next probes may be handed out.';
comment on column push.hosts.probed_users is 'While paused: the last hundred users that were probes.';
comment on column push.hosts.resumed_at is 'When the last pause ended. What failed before says nothing of a device.';
comment on column push.hosts.pace is 'What the service accepted of one dispatcher per second when it last throttled: where dispatchers that come begin.';
comment on column push.hosts.paced_at is 'When a dispatcher last said so; a minute later it counts no more.';
comment on column push.hosts.evidence is
  'What speaks against the service since it last accepted a message: refused (our key or account), throttled or unreachable.';
comment on column push.hosts.evidence_since is 'When the first of these answers came.';
comment on column push.hosts.evidence_count is 'How many such answers there were.';
comment on column push.hosts.evidence_users is 'The users whose devices got them, two of them at most.';
comment on column push.hosts.known_users is 'Up to ten users for whom the service has accepted a message.';
comment on column push.hosts.gone_since is 'Since when gone_count counts: ten minutes at most.';
comment on column push.hosts.gone_count is 'Devices that worked in the last week and that the service calls dead; of one user two at most in a batch of reports.';

-- Nothing in an FCM token says where it is to be sent.
create unique index hosts_one_fcm on push.hosts (channel) where channel = 'fcm';

alter table push.hosts enable row level security;
create policy hosts_nobody on push.hosts for all to public using (false);

insert into push.hosts (origin) values
  ('https://fcm.googleapis.com'),
  ('https://jmt17.google.com'),
  ('https://android.googleapis.com'),
  ('https://updates.push.services.mozilla.com'),
  ('https://*.notify.windows.com'),
  ('https://*.push.apple.com');
insert into push.hosts (origin, channel) values ('https://fcm.googleapis.com/v1', 'fcm');

comment on constraint hosts_origin on push.hosts is
  'For channel webpush: https:// and a host name in lower case (an international one as xn--…), with a port from 1 to 65535 unless it is 443, or '
  'https://*. and a domain; without path or slash at the end. For fcm: https://fcm.googleapis.com/v1.';
comment on constraint hosts_wildcard on push.hosts is
  'A wildcard below which names belong to one organisation. Below *.co.uk or *.github.io any person can register one: list the push service''s own name.';

create trigger hosts_explain before insert or update of origin, channel, max_in_flight on push.hosts
for each row execute function push.explain_constraints();
-- With cascade, it would take all devices along.
create trigger hosts_keep_all before truncate on push.hosts
for each statement execute function push.keep_rows();

create function push.end_host_alarms()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- A fault that goes on under the new name is raised again under that name.
  update push.alarms as a set resolved_at = clock_timestamp() where a.subject = old.origin and a.resolved_at is null;
  return null;
end;
$$;
comment on function push.end_host_alarms() is 'Ends the alarms of a push service that is gone or renamed.';

create trigger hosts_end_alarms after delete or update of origin on push.hosts
for each row execute function push.end_host_alarms();

create function push.host_of(p_endpoint text)
returns text
language sql
stable
set search_path = ''
as $$
  -- The authority ends at the first '/'; only [a-z0-9.-] and one numeric port are accepted in it, so that userinfo,
  -- IPv6 brackets, backslashes, percent escapes and upper case never reach the comparison.
  with parts as (
    select regexp_match(p_endpoint, '^(https?)://([a-z0-9.-]+)(:[0-9]{1,5})?(/[!-~]*)$') as part
  ), origins as (
    select part[1] || '://' || part[2] || coalesce(part[3], '') as origin,
           part[1] as scheme, part[2] as name, part[3] as port
    from parts
    where part is not null and strpos(part[4], '\') = 0 and strpos(part[4], '#') = 0
      -- Dot segments: a URL parser takes them out, and calls another path than the one looked at here.
      and part[4] !~* '/(\.|%2e){1,2}([/?]|$)'
      -- The FCM API is spoken to by its own channel alone, with our account; no endpoint leads there.
      and not exists (
        select from push.hosts as f where f.channel = 'fcm' and starts_with(p_endpoint, f.origin || '/')
      )
  )
  select h.origin
  from origins as o
  join push.hosts as h
    on h.origin = o.origin
    or (
      o.scheme = 'https' and o.port is null and h.origin like 'https://*.%'
      -- Exactly "<labels>.suffix": labels of letters, digits and inner hyphens.
      and right(o.name, length(h.origin) - 9) = substr(h.origin, 10)
      and left(o.name, greatest(length(o.name) - (length(h.origin) - 9), 0))
        ~ '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$'
    )
  order by h.origin
  limit 1;
$$;
comment on function push.host_of(text) is
  'The row of push.hosts a web push endpoint belongs to, or null when that endpoint may not be called.';

alter table push.settings add constraint settings_vapid_public_key check (
  vapid_public_key is null or push.is_p256_point(push.decode_base64url(vapid_public_key))
);
comment on constraint settings_vapid_public_key on push.settings is
  'The VAPID_PUBLIC_KEY of push-dispatch: an uncompressed P-256 point, base64url without padding. push.connect() notes it.';
