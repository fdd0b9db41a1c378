-- Health, one look that tells an operator whether messages arrive, and if not, why.

alter table push.settings
  add column health_oldest_waiting interval not null default '5 minutes',
  add column health_success_rate numeric not null default 0.9,
  add constraint settings_health check (
    health_oldest_waiting > interval '0' and health_success_rate between 0 and 1
  );
comment on column push.settings.health_oldest_waiting is 'A delivery that is due for longer than this makes the project unhealthy.';
comment on column push.settings.health_success_rate is 'Less than this share of recent deliveries sent makes the project unhealthy.';

create function push.backlog_health(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_held constant text[] := push.held_hosts(p_now);
  v_waiting bigint;
  v_oldest numeric;
begin
  -- Counted up to a limit, along the index by which it is claimed.
  select count(*), extract(epoch from p_now - min(w.due_at) filter (where h.host <> all (v_held))) into v_waiting, v_oldest
  from push.queue_lanes(p_now) as h
  cross join lateral (
    select d.due_at from push.queue as d
    where d.host = h.host and d.lane = h.lane and d.lease_until is null and d.due_at >= '-infinity' and d.due_at >= h.due_from
      and d.due_at <= p_now and d.expires_at > p_now
    order by d.due_at, d.id
    limit 100000
  ) as w;
  return jsonb_build_object(
    'waiting', v_waiting,
    'oldest_waiting_seconds', round(coalesce(v_oldest, 0), 1),
    'sending', (
      select count(*) from push.queue_lanes(p_now, '{-1}') as l
      join push.queue as d on d.host = l.host and d.lease_until >= '-infinity' and d.lease_until >= l.due_from
    ),
    'dispatchers', (select count(*) from push.dispatchers as w where w.lease_until > p_now),
    'reasons', case
      when v_oldest > (select extract(epoch from s.health_oldest_waiting) from push.settings as s) then
        jsonb_build_array(jsonb_build_object('code', 'backlog_old',
          'message', format('The oldest delivery has been due for %s seconds.', round(v_oldest))))
      else '[]'
    end
  );
end;
$$;
comment on function push.backlog_health(timestamptz) is 'What waits and is under way, for how long, and whether that is too long.';

create function push.success_health(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  -- Enough to tell a rate by; the newest of them, so that a look costs the same however much was sent.
  c_sample constant integer := 10000;
  c_window constant interval := interval '15 minutes';
  v_least constant numeric := (select s.health_success_rate from push.settings as s);
  v_recent jsonb;
  v_errors jsonb;
  v_finished bigint;
  v_sent bigint;
  v_users_reached boolean;
begin
  with recent as (
    select d.state, d.last_code, d.host, d.subscription_id from push.delivery_log as d
    where d.finished_at > p_now - c_window and d.finished_at <= p_now
    order by d.finished_at desc
    limit c_sample
  ), tried as (
    -- A message that expired in its user's quiet hours, or in a pause, is not a failure.
    select r.state, r.last_code, r.host, r.subscription_id from recent as r
    where r.state in ('sent', 'failed')
      or (r.state = 'expired' and coalesce(r.last_code, '') not in ('quiet_hours', 'paused'))
  )
  select
    coalesce((select jsonb_object_agg(c.state, c.n) from (
      select r.state, count(*) as n from recent as r group by r.state) as c), '{}'),
    coalesce((select jsonb_agg(jsonb_build_object('code', e.last_code, 'host', e.host, 'count', e.n) order by e.n desc) from (
      select t.last_code, t.host, count(*) as n from tried as t
      where t.state <> 'sent' group by t.last_code, t.host order by n desc limit 10) as e), '[]'),
    (select count(*) from tried),
    (select count(*) from tried as t where t.state = 'sent'),
    (
      select count(*) filter (where u.reached) >= count(*) * v_least
      from (
        select bool_or(t.state = 'sent') as reached
        from tried as t
        join public.push_subscriptions as s on s.id = t.subscription_id
        group by s.user_id
      ) as u
    )
  into v_recent, v_errors, v_finished, v_sent, v_users_reached;
  return jsonb_build_object(
    'recent', v_recent,
    'success_rate', case when v_finished > 0 then round(v_sent::numeric / v_finished, 4) end,
    'errors', v_errors,
    'reasons', case
      -- The rate by user counts, too: a few users whose devices never answer are no fault of the project.
      when v_finished >= 20 and v_sent < v_finished * v_least and not coalesce(v_users_reached, false) then
        jsonb_build_array(jsonb_build_object('code', 'success_rate_low',
          'message', format('Of the last %s deliveries %s were sent.', v_finished, v_sent)))
      else '[]'
    end
  );
end;
$$;
comment on function push.success_health(timestamptz) is
  'What became of the newest deliveries of a quarter of an hour, which errors there were, and whether too few were sent.';

create function push.host_health()
returns jsonb
language sql
stable
set search_path = ''
as $$
  -- Push services that were never tried are left out.
  select coalesce(jsonb_agg(jsonb_build_object(
    'origin', h.origin,
    'circuit', case
      when h.paused_at is not null then 'open'
      when exists (select from push.paces(clock_timestamp()) as p where p.origin = h.origin) then 'slowed'
      else 'closed'
    end,
    'paused_at', h.paused_at,
    'last_success_at', h.last_success_at,
    'last_error_at', h.last_error_at,
    'last_error', h.last_error
  ) order by h.origin), '[]')
  from push.hosts as h
  where h.last_success_at is not null or h.last_error_at is not null;
$$;
comment on function push.host_health() is 'How each push service that was tried is doing.';

create function push.worker_health(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_workers jsonb;
  v_older text;
  v_newer text;
  v_reasons jsonb := '[]'::jsonb;
begin
  select
    coalesce(jsonb_agg(jsonb_build_object(
      'name', w.name, 'version', w.version, 'registered_at', w.registered_at, 'listens', w.backend_pid is not null,
      'dispatchers', (select count(*) from push.dispatchers as d where d.worker_id = w.id and d.lease_until > p_now)
    ) order by w.name, w.id), '[]'),
    string_agg(format('%s %s', w.name, w.version), ', ' order by w.name)
      filter (where w.version <> push.version() and push.is_earlier(w.version, push.version())),
    string_agg(format('%s %s', w.name, w.version), ', ' order by w.name)
      filter (where w.version <> push.version() and not push.is_earlier(w.version, push.version()))
  into v_workers, v_older, v_newer
  from push.workers as w
  where w.lease_until > p_now;
  if v_older is not null then
    v_reasons := v_reasons || jsonb_build_object('code', 'workers_outdated', 'message', format(
      'The database is of release %s, and these workers are older: %s. Start them with the package of that release.', push.version(), v_older));
  end if;
  if v_newer is not null then
    v_reasons := v_reasons || jsonb_build_object('code', 'database_outdated', 'message', format(
      'The database is of release %s, and these workers are newer: %s. Run: npx supabase db push', push.version(), v_newer));
  end if;
  return jsonb_build_object('workers', v_workers, 'reasons', v_reasons);
end;
$$;
comment on function push.worker_health(timestamptz) is 'The live workers, and which of them are of another release.';

create function push.alarm_health()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'code', a.code, 'subject', a.subject, 'message', a.message, 'raised_at', a.raised_at
  ) order by a.raised_at), '[]')
  from push.alarms as a
  where a.resolved_at is null;
$$;
comment on function push.alarm_health() is 'The alarms that are not resolved, the oldest first.';

create function public.push_health(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_backlog constant jsonb := push.backlog_health(p_now);
  v_success constant jsonb := push.success_health(p_now);
  v_alarms constant jsonb := push.alarm_health();
  v_reminders constant jsonb := push.reminder_health(p_now);
  v_pauses constant jsonb := push.pause_health(p_now);
  v_jobs constant jsonb := push.job_health(p_now);
  v_workers constant jsonb := push.worker_health(p_now);
  v_versions jsonb;
  v_bell constant record := push.read_bell();
  v_last_tick constant timestamptz := (v_jobs ->> 'last_tick_at')::timestamptz;
  v_reasons jsonb;
begin
  perform push.note_function(p_now);
  v_versions := push.version_health(p_now);
  select coalesce(jsonb_agg(jsonb_build_object('code', a.value ->> 'code', 'message', a.value ->> 'message')), '[]')
  into v_reasons
  from jsonb_array_elements(v_alarms) as a (value);
  v_reasons := v_reasons || coalesce((
    select jsonb_agg(jsonb_build_object('code', 'paused', 'message', format(
      'Paused since %s: %s (%s). %s deliveries wait. push.resume() ends it.', p.value ->> 'paused_at',
      coalesce('category ' || (p.value ->> 'category'), p.value ->> 'host', 'the whole project'),
      p.value ->> 'reason', p.value ->> 'waiting'
    )))
    from jsonb_array_elements(v_pauses) as p (value)
    where p.value ->> 'resumed_at' is null
  ), '[]');
  v_reasons := v_reasons || (v_backlog -> 'reasons') || (v_success -> 'reasons');
  if (v_reminders ->> 'overdue')::integer > 0 and v_last_tick >= p_now - interval '2 minutes' then
    v_reasons := v_reasons || jsonb_build_object('code', 'reminders_overdue',
      'message', format('%s reminders should have been sent more than a minute ago.', v_reminders ->> 'overdue'));
  end if;
  v_reasons := v_reasons || (v_jobs -> 'reasons') || (v_versions -> 'reasons') || (v_workers -> 'reasons');
  -- Before the first message finds it out.
  if v_bell.fault is not null and not jsonb_path_exists(v_reasons, '$[*] ? (@.code == $code)', jsonb_build_object('code', v_bell.fault)) then
    v_reasons := v_reasons || jsonb_build_object('code', v_bell.fault, 'message', v_bell.message);
  end if;

  return (v_backlog || v_success || v_versions) || jsonb_build_object(
    'healthy', v_reasons = '[]',
    'reasons', v_reasons,
    'rule_errors', push.rule_error_counts(p_now),
    'hosts', push.host_health(),
    'pauses', v_pauses,
    'reminders', v_reminders,
    'receipts', push.receipt_health(p_now),
    'alarms', v_alarms,
    'quote_sources', push.quote_source_health(p_now),
    'workers', v_workers -> 'workers',
    'last_tick_at', v_last_tick
  );
end;
$$;
comment on function public.push_health(timestamptz) is
  'Backlog, success rate and receipts of the last quarter of an hour, circuits, pauses, errors, errors of rules in the last hour, alarms, sources of quotes, live dispatchers and workers, the releases of database and functions, and the reasons why the project is not healthy. Service role only.';

revoke all on function public.push_health(timestamptz) from public, anon, authenticated;
grant execute on function public.push_health(timestamptz) to service_role;
