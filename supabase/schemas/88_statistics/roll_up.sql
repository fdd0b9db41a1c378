-- The job that keeps statistics: what has ended since, what has settled, what has changed, and what is too old.
--
-- A minute is counted when it is over, and again when every transaction of its time has ended: until then one may still commit what
-- ended in it. From then on only receipts and deletions change it, and leave a mark. After 48 hours its hour is counted once more
-- from the log, because minutes go.

create function push.write_statistics(
  p_buckets push.counted_bucket[], p_minutes_from timestamptz, p_hours_from timestamptz, p_now timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_counted push.counted_bucket;
  v_bucket timestamptz;
begin
  foreach v_counted in array p_buckets loop
    perform push.store_statistics(v_counted.every, v_counted.bucket, push.label_statistics(v_counted.named), p_now);
  end loop;
  for v_bucket in
    select distinct push.bucket_of('hour', b.bucket) from unnest(p_buckets) as b where b.every = 'minute' order by 1
  loop
    -- One of those before was counted as a whole just now.
    if v_bucket >= p_minutes_from then
      perform push.sum_statistics('hour', v_bucket, 'minute', p_now);
    end if;
  end loop;
  for v_bucket in select distinct push.bucket_of('day', b.bucket) from unnest(p_buckets) as b order by 1 loop
    if v_bucket >= p_hours_from then
      perform push.sum_statistics('day', v_bucket, 'hour', p_now);
    end if;
  end loop;
end;
$$;
comment on function push.write_statistics(push.counted_bucket[], timestamptz, timestamptz, timestamptz) is
  'Stores what was counted, and the hours and days that it changes.';

create function push.clean_statistics(p_minutes_from timestamptz, p_hours_from timestamptz, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from push.statistics as s where s.every = 'minute' and s.bucket < p_minutes_from;
  delete from push.statistics as s where s.every = 'hour' and s.bucket < p_hours_from;
  delete from push.statistics as s using push.settings as t where s.every = 'day' and s.bucket < p_now - t.keep_statistics;
  if found then
    -- Once a day, then: makes room for the names of today.
    delete from push.statistic_labels as l
    where l.id not in (select c.label_id from push.statistics as s cross join unnest(s.cells) as c);
  end if;
end;
$$;
comment on function push.clean_statistics(timestamptz, timestamptz, timestamptz) is
  'Deletes minutes and hours that are summed up by now, days that are older than the settings keep them, and labels that nothing has.';

create function push.check_statistics(p_counted_until timestamptz, p_now timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  v_since timestamptz;
begin
  if p_counted_until >= p_now - interval '1 hour' then
    perform push.resolve_alarm('statistics_behind', 'statistics', p_now);
    return null;
  end if;
  select coalesce(least(p.behind_since, p_now), p_now) into v_since from push.statistics_progress as p;
  -- After a restore or a pause of the jobs much is left, which a few runs count.
  if v_since <= p_now - interval '1 hour' then
    perform push.raise_alarm('statistics_behind', 'statistics', format(
      'Statistics have only got to %s, and the log is kept up to a week longer for them. Count more often: select cron.alter_job(jobid, '
      || 'schedule => ''10 seconds'') from cron.job where jobname = ''supapush-statistics''.',
      to_char(p_counted_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
    ), p_now);
  end if;
  return v_since;
end;
$$;
comment on function push.check_statistics(timestamptz, timestamptz) is
  'Raises the alarm statistics_behind once runs have left something uncounted for an hour, and resolves it; returns since when they do.';

create function push.roll_up(p_limit bigint default 1000000, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  -- Longer than from the moment that a report or a receipt says to the first row that its transaction writes.
  c_grace constant interval := interval '2 minutes';
  v_minute constant timestamptz := push.bucket_of('minute', p_now);
  v_minutes_from constant timestamptz := push.bucket_of('hour', p_now - interval '48 hours');
  v_snapshot pg_snapshot;
  v_at push.statistics_progress;
  v_first push.counting;
  v_settled push.counting := row('{}', null, 0, '{}')::push.counting;
  v_hours push.counting;
  v_again push.counting;
  v_frozen_until timestamptz;
begin
  -- One at a time. Nothing is written until all is counted: claims wait for no transaction that takes long.
  if not pg_try_advisory_xact_lock(hashtextextended('supapush.statistics', 0)) then
    return jsonb_build_object();
  end if;
  v_snapshot := pg_current_snapshot();
  select p.* into v_at from push.statistics_progress as p;
  if v_at.counted_until > v_minute then
    -- The clock was set back: these minutes come again.
    v_at.counted_until := v_minute;
    v_at.settled_until := least(v_at.settled_until, v_minute);
    v_at.settling_until := null;
    v_at.settling_xid := null;
  end if;

  v_first := push.count_onwards(v_at.counted_until, v_minute, greatest(v_at.minutes_from, v_minutes_from), '-infinity', p_limit);
  -- One of the future is of another server: a dump was restored.
  if v_at.settling_xid <= pg_snapshot_xmin(v_snapshot)
    or v_at.settling_xid > greatest(pg_snapshot_xmax(v_snapshot), pg_current_xact_id_if_assigned()) then
    v_settled := push.count_onwards(
      v_at.settled_until, v_at.settling_until, greatest(v_at.minutes_from, v_minutes_from), v_at.frozen_until, p_limit - v_first.deliveries
    );
  end if;
  -- After the others: what is marked by now may have changed since they counted it.
  v_at.counted_until := v_first.counted_until;
  v_again := push.count_again(
    v_at, greatest(v_at.minutes_from, v_minutes_from), p_limit - v_first.deliveries - v_settled.deliveries, p_now
  );
  v_at.settled_until := coalesce(v_settled.counted_until, v_at.settled_until);
  v_hours := push.count_onwards(
    v_at.minutes_from, least(v_minutes_from, push.bucket_of('hour', v_at.settled_until)), 'infinity', v_at.frozen_until,
    p_limit - v_first.deliveries - v_settled.deliveries - v_again.deliveries
  );
  v_at.minutes_from := v_hours.counted_until;
  -- A day more than push.stats() answers from: days of other zones begin in the one before.
  v_at.hours_from := greatest(v_at.hours_from, least(
    push.bucket_of('day', p_now - interval '36 days'), push.bucket_of('day', v_at.minutes_from)
  ));
  if v_at.settling_until is null or v_at.settled_until >= v_at.settling_until then
    v_at.settling_until := least(v_at.counted_until, v_minute - c_grace);
    -- Greater than that of every transaction that has written something by now. One that goes on may have that of the snapshot's end.
    v_at.settling_xid := pg_current_xact_id();
  end if;

  -- The log may have lost something meanwhile, which was counted without it.
  select p.frozen_until into v_frozen_until from push.statistics_progress as p for update;
  perform push.write_statistics(
    v_first.buckets || array(
      select b from unnest(v_settled.buckets || v_again.buckets || v_hours.buckets) as b where b.bucket > v_frozen_until
    ), v_at.minutes_from, v_at.hours_from, p_now
  );
  delete from push.statistics_recounts as r where r.id = any (v_again.recounts);
  update push.statistics_progress as p
  set counted_until = v_at.counted_until, settled_until = v_at.settled_until, settling_until = v_at.settling_until,
      settling_xid = v_at.settling_xid, minutes_from = v_at.minutes_from, hours_from = v_at.hours_from,
      behind_since = push.check_statistics(v_at.counted_until, p_now)
  where p.id;
  perform push.clean_statistics(v_at.minutes_from, v_at.hours_from, p_now);
  return jsonb_build_object(
    'counted_until', v_at.counted_until,
    'deliveries', v_first.deliveries + v_settled.deliveries + v_again.deliveries + v_hours.deliveries
  );
end;
$$;
comment on function push.roll_up(bigint, timestamptz) is
  'Counts statistics on from where it stopped, and what has changed again, until it has counted p_limit deliveries; returns until when all is '
  'counted, and how many deliveries it has read. Run by pg_cron.';

create function push.settle_statistics(p_before timestamptz, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if not push.statistics_cover(p_before) then
    perform push.roll_up(p_now => p_now);
  end if;
exception when others then
  -- Nothing else waits for it: the log is kept a week longer, and the job itself fails where health sees it.
  return;
end;
$$;
comment on function push.settle_statistics(timestamptz, timestamptz) is
  'Has counted what the log is to lose, in case the job did not run. Called by push.clean().';
