-- Supapush: the private schema, its settings, its errors and its alarms.
--
-- Schema `push` is never exposed by the Data API. Tables that clients use live in `public` with the prefix `push_`.

create schema push;
comment on schema push is 'Supapush: queue, rules and settings. Private: not exposed by the Data API, no access for API roles.';
revoke all on schema push from public;

create function push.require_extensions()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Looked for first: "if not exists" gives a notice of each that is there.
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_net') then
    -- It names no schema of its own: without one its entry would stand in public.
    create extension pg_net with schema extensions;
  end if;
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_cron') then
    create extension pg_cron;
  end if;
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'supabase_vault') then
    create extension supabase_vault;
  end if;
end;
$$;
comment on function push.require_extensions() is
  'Makes the extensions that are missing: at the first migration, and by push.connect() after a restore that left them out.';

select push.require_extensions();

-- settings -----------------------------------------------------------------------------------------------------

create function push.has_usable_host(p_url text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select p_url ~ '^https?://([^/?#:@%.[:space:]]+\.)*[^/?#:@%.[:space:]]+\.?(:[0-9]{1,5})?([/?#]|$)'
    and coalesce(substring(p_url from '^https?://[^/?#]*:([0-9]{1,5})(?:[/?#]|$)'), '443')::integer between 1 and 65535;
$$;
comment on function push.has_usable_host(text) is
  'Whether a URL names a host without empty parts (https://a..b) and without userinfo, and no port but 1 to 65535.';

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
  -- What is longer stops messages for as long: a dispatcher that died would count as live for years.
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
comment on table push.settings is 'Limits and intervals of this project: one row, changed by the database owner.';
comment on column push.settings.max_subscriptions_per_user is 'Devices one user may register.';
comment on column push.settings.default_ttl is 'Seconds a push service keeps an undelivered message (RFC 8030 TTL) when the notification says nothing else.';
comment on column push.settings.max_attempts is 'Attempts before a delivery that keeps failing is given up.';
comment on column push.settings.max_unanswered is
  'How often a message is sent whose push service does not answer in time: it was probably taken, and each repeat may reach its device.';
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
  'Refusals (401, 403, 429) of several users without an acceptance in between that pause a push service.';
comment on column push.settings.circuit_failures is
  'Requests of several users without a useful answer, and without an acceptance in between, that pause a push service.';
comment on column push.settings.max_dispatchers is 'Dispatchers that may be at work at one time.';
comment on column push.settings.backlog_per_dispatcher is 'Waiting deliveries for each dispatcher at work before another one is called.';
comment on column push.settings.vapid_public_key is 'The key that new subscriptions are made with; noted by push.connect(), remembered by each subscription.';
comment on column push.settings.app_url is
  'The app''s origin, https://app.example.com, without a slash at its end: paths of notifications become whole URLs of it on their way to '
  'browsers, as Declarative Web Push wants them. Null: paths stay paths.';

insert into push.settings default values;

alter table push.settings enable row level security;
create policy settings_nobody on push.settings for all to public using (false);

-- errors -------------------------------------------------------------------------------------------------------

create function push.refuse(p_status integer, p_code text, p_message text, p_hint text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- SQLSTATE PTnnn makes PostgREST answer with that HTTP status and pass message, detail and hint through.
  raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code, hint = p_hint;
end;
$$;
comment on function push.refuse(integer, text, text, text) is
  'Raises a client-facing error: HTTP status, machine code (detail), message, and what to do (hint).';

create function push.explain_constraints()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_check record;
  v_holds boolean;
  v_given text;
begin
  -- Postgres names the constraint and shows the whole row; who changes one column wants to know what that may be.
  for v_check in
    select pg_catalog.pg_get_expr(c.conbin, c.conrelid) as expression, c.conkey,
      pg_catalog.obj_description(c.oid, 'pg_constraint') as hint
    from pg_catalog.pg_constraint as c
    where c.conrelid = tg_relid and c.contype = 'c'
    order by c.conname
  loop
    execute pg_catalog.format('select (%s) is not false from (select ($1).*) as given', v_check.expression) into v_holds using new;
    if not v_holds then
      select string_agg(pg_catalog.format('%s = %s', a.attname, coalesce(to_jsonb(new) ->> a.attname, 'null')), ', ') into v_given
      from pg_catalog.pg_attribute as a
      where a.attrelid = tg_relid and a.attnum = any (v_check.conkey)
        and (tg_op = 'INSERT' or to_jsonb(new) -> a.attname is distinct from to_jsonb(old) -> a.attname);
      raise exception using errcode = 'check_violation', detail = 'value_refused',
        message = pg_catalog.format('%I.%I does not accept %s.', tg_table_schema, tg_table_name, left(v_given, 300)),
        hint = coalesce(v_check.hint, 'It must satisfy: ' || v_check.expression);
    end if;
  end loop;
  return new;
end;
$$;
comment on function push.explain_constraints() is
  'Says which value of a row is refused, and what it may be: the comment of the check constraint, or its condition.';

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

-- users ---------------------------------------------------------------------------------------------------------

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
  'Who calls: auth.uid(), null without a session; refuses a claim sub that is no uuid, which other providers give, instead of failing.';

revoke all on function public.push_user_id() from public, anon, authenticated;
grant execute on function public.push_user_id() to authenticated, service_role;

-- turns --------------------------------------------------------------------------------------------------------

create function push.take_turns()
returns trigger
language plpgsql
-- Definer: looks into auth.users, which users may not.
security definer
set search_path = ''
as $$
begin
  if public.push_user_id() is not null then
    -- Two statements of one user, from two tabs, would lock the same rows in another order, and wait in a circle.
    perform pg_advisory_xact_lock(hashtextextended('supapush.turn.' || public.push_user_id()::text, 0));
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
comment on function push.take_turns() is
  'For statements of a client itself: has those of one user come one after the other, and refuses a user whose account is gone.';

-- alarms -------------------------------------------------------------------------------------------------------

create table push.alarms (
  code text not null,
  subject text not null,
  message text not null,
  raised_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz,
  constraint alarms_pkey primary key (code, subject)
);
comment on table push.alarms is 'What an operator has to look at: one row per kind and subject, resolved when it went away by itself.';

alter table push.alarms enable row level security;
create policy alarms_nobody on push.alarms for all to public using (false);

create function push.raise_alarm(p_code text, p_subject text, p_message text, p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Raised from application transactions: its row must never become a lock that they queue for. A fresh alarm is left
  -- alone, and while one open transaction writes it, the others go on without.
  if not pg_try_advisory_xact_lock(hashtextextended('supapush.alarm.' || p_code || '.' || p_subject, 0)) or exists (
    select from push.alarms as a
    where a.code = p_code and a.subject = p_subject and a.resolved_at is null
      and a.last_seen_at > p_now - interval '1 minute'
  ) then
    return;
  end if;
  insert into push.alarms as a (code, subject, message, raised_at, last_seen_at)
  values (p_code, p_subject, p_message, p_now, p_now)
  on conflict (code, subject) do update
  set message = excluded.message,
      raised_at = case when a.resolved_at is null then a.raised_at else excluded.raised_at end,
      last_seen_at = excluded.last_seen_at,
      resolved_at = null;
exception when serialization_failure or lock_not_available or deadlock_detected then
  -- An alarm is not worth failing the write that noticed it; whoever notices next raises it.
  return;
end;
$$;
comment on function push.raise_alarm(text, text, text, timestamptz) is
  'Notes a condition that needs an operator; repeated calls within a minute cost one index look-up.';

create function push.resolve_alarm(p_code text, p_subject text, p_now timestamptz default clock_timestamp())
returns void
language sql
set search_path = ''
as $$
  update push.alarms set resolved_at = p_now
  where code = p_code and subject = p_subject and resolved_at is null;
$$;
comment on function push.resolve_alarm(text, text, timestamptz) is 'Marks an alarm as gone.';

revoke all on all functions in schema push from public;
