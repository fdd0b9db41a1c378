-- Settings: one row, which an operator updates. Each capability adds its own columns beside its functions.

create table push.settings (
  id boolean not null default true,
  max_subscriptions_per_user integer not null default 20,
  default_ttl integer not null default 86400,
  max_attempts smallint not null default 10,
  max_unanswered smallint not null default 4,
  backoff_base interval not null default '10 seconds',
  backoff_max interval not null default '1 hour',
  delivery_lease interval not null default '60 seconds',
  dispatcher_lease interval not null default '20 seconds',
  call_lease interval not null default '10 seconds',
  probe_every interval not null default '500 milliseconds',
  probe_backoff_max interval not null default '1 minute',
  retry_after_max interval not null default '15 minutes',
  gone_confirm interval not null default '1 hour',
  circuit_refusals integer not null default 3,
  circuit_failures integer not null default 10,
  max_dispatchers integer not null default 4,
  backlog_per_dispatcher integer not null default 5000,
  vapid_public_key text,
  app_url text,
  constraint settings_pkey primary key (id),
  constraint settings_one_row check (id),
  constraint settings_limits check (
    max_subscriptions_per_user > 0 and default_ttl between 0 and 2419200 and max_attempts between 1 and 100 and max_unanswered between 1 and 100
    and circuit_refusals > 0 and circuit_failures > 0 and max_dispatchers between 1 and 100 and backlog_per_dispatcher > 0
  ),
  -- Longer intervals would stop messages for as long: a dead dispatcher would count as live for years.
  constraint settings_intervals check (
    backoff_base > interval '0' and backoff_max between backoff_base and interval '1 day'
    and delivery_lease between interval '1 second' and interval '1 hour'
    and dispatcher_lease between interval '1 second' and interval '1 hour'
    and call_lease between interval '1 second' and interval '1 hour'
    and probe_every between interval '1 millisecond' and interval '1 hour'
    and probe_backoff_max > interval '0' and probe_backoff_max <= interval '1 day'
    and retry_after_max > interval '0' and retry_after_max <= interval '1 day'
    and gone_confirm > interval '0' and gone_confirm <= interval '7 days'
  ),
  -- http is for an app on this machine alone, as in development.
  constraint settings_app_url check (
    octet_length(app_url) <= 200
    and app_url ~ '^(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?$'
    and push.has_usable_host(app_url)
  )
);
comment on table push.settings is 'Limits and intervals of this project: one row. For the database owner.';
comment on column push.settings.max_subscriptions_per_user is 'Devices one user may register.';
comment on column push.settings.default_ttl is 'Seconds a push service keeps an undelivered message (RFC 8030 TTL) when the notification says nothing else.';
comment on column push.settings.max_attempts is 'Attempts before a delivery that keeps failing is given up.';
comment on column push.settings.max_unanswered is
  'How often a message is sent whose push service does not answer in time: it was probably taken, and each repeat may reach its device.';
comment on column push.settings.backoff_base is 'The first wait between attempts; it doubles with each, and has jitter.';
comment on column push.settings.backoff_max is 'The longest wait between attempts.';
comment on column push.settings.delivery_lease is 'How long a dispatcher may hold a delivery without a heartbeat before it is handed out again.';
comment on column push.settings.dispatcher_lease is 'How long after its last sign of life a dispatcher counts as live.';
comment on column push.settings.call_lease is 'How long a rung dispatcher has to appear before the bell may be rung again.';
comment on column push.settings.probe_every is 'A paused push service is asked this often, each time for a few users.';
comment on column push.settings.probe_backoff_max is
  'While its push service is paused, a device waits at most this long for its next attempt, so that a repair is noticed soon.';
comment on column push.settings.retry_after_max is
  'A Retry-After holds its delivery back as long as it says, and the other messages of that device at most this long.';
comment on column push.settings.gone_confirm is
  'A device that worked in the last week and answers 404 is deleted when it does so again after this time.';
comment on column push.settings.circuit_refusals is
  'How many answers that refuse our key (401, 403 and the like) or throttle (429, 503, 406) pause a push service: of two users, or the only '
  'one there is, without an acceptance in between.';
comment on column push.settings.circuit_failures is
  'How many requests without a useful answer pause a push service: of two users, or the only one there is, without an acceptance in between.';
comment on column push.settings.max_dispatchers is 'Dispatchers that may be at work at one time.';
comment on column push.settings.backlog_per_dispatcher is 'Waiting deliveries for each dispatcher at work before another one is called; with more than this, no message to many is fanned out further, even where they wait for a push service that throttles.';
comment on column push.settings.vapid_public_key is 'The key that new subscriptions are made with; noted by push.connect(), remembered by each subscription.';
comment on column push.settings.app_url is
  'The app''s origin, https://app.example.com, without a slash at its end: paths of notifications become whole URLs of it on their way to '
  'browsers, as Declarative Web Push wants them. Null: paths stay paths.';

insert into push.settings default values;

alter table push.settings enable row level security;
create policy settings_nobody on push.settings for all to public using (false);

create function push.keep_rows()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform push.refuse(409, 'row_needed', format('The rows of %I.%I cannot be deleted.', tg_table_schema, tg_table_name),
    'Change them with an update.');
  return null;
end;
$$;
comment on function push.keep_rows() is 'Keeps what everything reads from being deleted.';

create trigger settings_explain before insert or update on push.settings
for each row execute function push.explain_constraints();
create trigger settings_keep before delete on push.settings
for each row execute function push.keep_rows();
create trigger settings_keep_all before truncate on push.settings
for each statement execute function push.keep_rows();
comment on constraint settings_app_url on push.settings is
  'An origin without a slash at the end, such as https://app.example.com. Only localhost and 127.0.0.1 may use http.';
