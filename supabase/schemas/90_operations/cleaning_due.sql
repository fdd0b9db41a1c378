-- What the cleaning has left: how long the oldest of each kind should have been gone, and the alarm when that is too long.

create function push.log_due(p_keep interval, p_now timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = ''
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_part timestamptz;
  v_due timestamptz;
begin
  for v_number in 0..7 loop
    -- As push.clean_log() takes them: all of a part, or row by row what a part should have lost long ago.
    execute format('
      select case when w.newest <= $1 then w.newest when w.oldest <= $1 - interval ''8 days'' then w.oldest + interval ''8 days'' end
      from (select
        (select l.finished_at from push.delivery_log_%1$s as l order by l.finished_at limit 1) as oldest,
        (select l.finished_at from push.delivery_log_%1$s as l order by l.finished_at desc limit 1) as newest
      ) as w', v_number)
    into v_part using p_now - p_keep;
    v_due := least(v_due, v_part + p_keep);
  end loop;
  return v_due;
end;
$$;
comment on function push.log_due(interval, timestamptz) is
  'Since when the oldest deliveries should have left the log; null where none should.';

create function push.cleaning_due(p_now timestamptz default clock_timestamp())
returns table (kind text, due_since timestamptz, tolerated interval)
language sql
stable
set search_path = ''
-- By index, however small the planner believes these tables to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_sort = off
set enable_seqscan = off
set jit = off
as $$
  select w.kind, w.due_since, w.tolerated
  from push.settings as s
  cross join push.cleaning as c
  cross join lateral (
    select 'notifications', (
      -- What still has deliveries is not due. Where it is kept for as long as they are, it waits for their part of the log.
      select o.ends_at + s.keep_notifications
      from (
        select n.id, greatest(n.created_at, n.expires_at) as ends_at from public.push_notifications as n
        where greatest(n.created_at, n.expires_at) <= p_now - s.keep_notifications
        order by greatest(n.created_at, n.expires_at)
        limit 1000
      ) as o
      where not exists (select from push.queue as d where d.notification_id = o.id)
        and not exists (select from push.delivery_log as d where d.notification_id = o.id)
      limit 1
    ), interval '1 day' + greatest(s.keep_deliveries + interval '9 days' - s.keep_notifications, interval '0')
    union all
    select 'deliveries', push.log_due(s.keep_deliveries, p_now), interval '1 day'
    union all
    select 'receipts', (
      select r.recorded_at + s.keep_deliveries from push.receipts as r order by r.delivery_id, r.event limit 1
    -- They stay as long as their delivery is in the log.
    ), interval '9 days'
    union all
    -- A device may be late by one round through the table. Nothing else says when one should have gone.
    select 'subscriptions', case when d.late >= interval '12 hours' then p_now - d.late end, interval '1 day'
    from (select greatest(p_now - c.devices_since, c.devices_took) as late) as d
    union all
    select 'removed_devices', (
      select r.removed_at + interval '400 days' from push.removed_devices as r order by r.removed_at limit 1
    ), interval '1 day'
    union all
    select 'rule_errors', (select e.occurred_at + s.keep_errors from push.rule_errors as e order by e.id limit 1), interval '1 day'
    union all
    select 'reminder_errors', (
      select e.occurred_at + s.keep_errors from push.reminder_errors as e order by e.id limit 1
    ), interval '1 day'
    union all
    select 'reminder_moments', (
      select m.ended_at + s.keep_deliveries from push.reminder_moments as m where m.ended_at is not null order by m.ended_at limit 1
    ), interval '1 day'
    union all
    select 'alarms', (select min(a.resolved_at) + s.keep_errors from push.alarms as a), interval '1 day'
    union all
    select 'limits', least(
      (select d.closed_at + s.keep_deliveries from push.digests as d where d.closed_at is not null order by d.closed_at limit 1),
      (select l.done_at from push.throttle_log as l order by l.done_at limit 1),
      (select (d.day + 2) at time zone 'UTC' from push.daily_pushes as d order by d.day limit 1)
    ), interval '1 day'
    union all
    select 'lists', (
      select f.finished_at + s.keep_notifications from push.fan_outs as f
      where f.message is not null and f.finished_at is not null
      order by f.finished_at
      limit 1
    ), interval '1 day'
    union all
    -- Runs of other jobs stay, so that only the next ones are looked at.
    select 'cron_runs', (
      select min(r.ended_at) + s.keep_cron_runs
      from (
        select r.command, coalesce(r.end_time, r.start_time, '-infinity') as ended_at
        from cron.job_run_details as r where r.runid > c.last_cron_run order by r.runid limit 1000
      ) as r
      where r.command in (select j.command from push.jobs() as j)
    ), interval '1 day'
  ) as w (kind, due_since, tolerated)
  where w.due_since <= p_now;
$$;
comment on function push.cleaning_due(timestamptz) is
  'Of each kind of which something should be gone by now: since when the oldest should be, and how late it may be before that is an alarm. '
  'For the database owner.';

create function push.check_cleaning(p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- A restore or a pause of the jobs leaves much at once, which a few runs take away.
  c_patience constant interval := interval '1 hour';
  v_late record;
  v_since timestamptz;
  v_kinds text[] := '{}'::text[];
begin
  select least(c.behind_since, p_now) into v_since from push.cleaning as c;
  for v_late in
    select d.kind, d.due_since from push.cleaning_due(p_now) as d where d.due_since < p_now - d.tolerated order by d.kind
  loop
    v_kinds := v_kinds || v_late.kind;
    if v_since <= p_now - c_patience then
      perform push.raise_alarm('cleaning_behind', v_late.kind, format(
        'Old rows (%s) are not deleted as fast as they come: the oldest should have been gone since %s. Look in pg_stat_activity for a '
        || 'transaction that has been open for long. Where there is none, clean more often: select cron.alter_job(jobid, '
        || 'schedule => ''10 seconds'') from cron.job where jobname = ''supapush-clean''.',
        v_late.kind, to_char(v_late.due_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
      ), p_now);
    end if;
  end loop;
  perform push.resolve_alarm('cleaning_behind', a.subject, p_now) from push.alarms as a
  where a.code = 'cleaning_behind' and a.resolved_at is null and a.subject <> all (v_kinds);
  update push.cleaning as c set behind_since = case when cardinality(v_kinds) > 0 then coalesce(v_since, p_now) end
  where c.behind_since is distinct from (case when cardinality(v_kinds) > 0 then coalesce(v_since, p_now) end);
end;
$$;
comment on function push.check_cleaning(timestamptz) is
  'Raises the alarm cleaning_behind for each kind of row of which something should have been gone for more than a day, once that has lasted '
  'for an hour of cleaning; resolves it when it is over.';
