-- Buckets are counted, and hours and days made of them.

create type push.counted_bucket as (every text, bucket timestamptz, named push.named_statistic[]);
comment on type push.counted_bucket is 'A minute, or an hour, as it was just counted from the log.';

create type push.counting as (buckets push.counted_bucket[], counted_until timestamptz, deliveries bigint, recounts bigint[]);
comment on type push.counting is
  'What was counted in one step of push.roll_up(): until when, how many deliveries, and which push.statistics_recounts are done with.';

create function push.bucket_of(p_every text, p_at timestamptz)
returns timestamptz
language sql
immutable
set search_path = ''
as $$ select date_trunc(p_every, p_at, 'UTC'); $$;
comment on function push.bucket_of(text, timestamptz) is 'When the minute, hour or day (UTC) of a moment begins.';

create function push.count_bucket(p_every text, p_bucket timestamptz)
returns push.counted_bucket
language sql
volatile
set search_path = ''
as $$
  select row(p_every, p_bucket, array(
    select c from push.count_log(p_bucket, p_bucket + ('1 ' || p_every)::interval) as c
  ))::push.counted_bucket;
$$;
comment on function push.count_bucket(text, timestamptz) is 'Counts a minute or an hour from the log.';

create function push.deliveries_in(p_counted push.counted_bucket)
returns bigint
language sql
immutable
set search_path = ''
as $$
  select coalesce(sum(n.deliveries), 0)::bigint from unnest((p_counted).named) as n where n.cube = 'services';
$$;
comment on function push.deliveries_in(push.counted_bucket) is 'How many deliveries a bucket has.';

create function push.count_onwards(
  p_from timestamptz, p_until timestamptz, p_minutes_from timestamptz, p_frozen_until timestamptz, p_limit bigint
)
returns push.counting
language plpgsql
set search_path = ''
-- The next row by index, however small the planner believes the log to be.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  -- A run keeps what it has counted in memory, until it writes it.
  c_most_buckets constant integer := 500;
  v_done push.counting := row('{}', p_from, 0, '{}')::push.counting;
  v_bucket push.counted_bucket;
  v_every text;
  v_next timestamptz;
begin
  loop
    -- Minutes in which nothing ended cost nothing.
    select l.finished_at into v_next from push.delivery_log as l
    where l.finished_at >= v_done.counted_until and l.finished_at < p_until
    order by l.finished_at
    limit 1;
    if not found then
      v_done.counted_until := greatest(v_done.counted_until, p_until);
      exit;
    end if;
    v_every := case when v_next < p_minutes_from then 'hour' else 'minute' end;
    v_next := push.bucket_of(v_every, v_next);
    if v_done.deliveries >= p_limit or cardinality(v_done.buckets) >= c_most_buckets then
      v_done.counted_until := greatest(v_done.counted_until, v_next);
      exit;
    end if;
    if v_next > p_frozen_until then
      v_bucket := push.count_bucket(v_every, v_next);
      v_done.buckets := v_done.buckets || v_bucket;
      v_done.deliveries := v_done.deliveries + push.deliveries_in(v_bucket);
    end if;
    -- What is behind the end of the range stays to be counted, also where its hour was.
    v_done.counted_until := least(v_next + ('1 ' || v_every)::interval, p_until);
  end loop;
  return v_done;
end;
$$;
comment on function push.count_onwards(timestamptz, timestamptz, timestamptz, timestamptz, bigint) is
  'Counts minute after minute (before p_minutes_from hour after hour) in which something ended, until p_until or until it has counted p_limit '
  'deliveries. What is frozen is passed over.';

create function push.count_again(p_progress push.statistics_progress, p_minutes_from timestamptz, p_limit bigint, p_now timestamptz)
returns push.counting
language plpgsql
set search_path = ''
as $$
declare
  -- A bucket of a million is not counted for each receipt: it waits two seconds for every thousand.
  c_patience constant interval := interval '2 milliseconds';
  v_done push.counting := row('{}', null, 0, '{}')::push.counting;
  v_marked record;
  v_counted push.counted_bucket;
begin
  for v_marked in
    select u.every, u.bucket, min(u.marked_at) as marked_at, array_agg(u.id order by u.id) as ids, (
      select sum(c.deliveries)
      from push.statistics as s cross join unnest(s.cells) as c join push.statistic_labels as l on l.id = c.label_id
      where s.every = u.every and s.bucket = u.bucket and l.cube = 'services'
    ) as deliveries
    from (
      select r.id, r.marked_at, b.every, push.bucket_of(b.every, r.bucket) as bucket
      from (select w.* from push.statistics_recounts as w order by w.id limit 100000) as r
      cross join lateral (select case when r.bucket < p_minutes_from then 'hour' else 'minute' end as every) as b
    ) as u
    group by u.every, u.bucket
    order by min(u.marked_at)
  loop
    if v_marked.bucket >= p_progress.counted_until or v_marked.bucket <= p_progress.frozen_until
      or v_marked.bucket < p_progress.hours_from then
      -- It was not counted yet; or is not counted any more.
      v_done.recounts := v_done.recounts || v_marked.ids;
    elsif v_marked.marked_at + c_patience * coalesce(v_marked.deliveries, 0) > p_now and v_marked.marked_at <= p_now then
      -- The oldest says since when it waits.
      v_done.recounts := v_done.recounts || v_marked.ids[2:];
    elsif v_done.deliveries < p_limit then
      v_counted := push.count_bucket(v_marked.every, v_marked.bucket);
      v_done.buckets := v_done.buckets || v_counted;
      v_done.deliveries := v_done.deliveries + push.deliveries_in(v_counted);
      v_done.recounts := v_done.recounts || v_marked.ids;
    end if;
  end loop;
  return v_done;
end;
$$;
comment on function push.count_again(push.statistics_progress, timestamptz, bigint, timestamptz) is
  'Counts the buckets again that have changed since, those first that have waited longest, until it has counted p_limit deliveries.';

create function push.store_statistics(p_every text, p_bucket timestamptz, p_cells push.statistic[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_cells = '{}' then
    delete from push.statistics as s where s.every = p_every and s.bucket = p_bucket;
    return;
  end if;
  insert into push.statistics as s (every, bucket, cells, counted_at)
  values (p_every, p_bucket, p_cells, p_now)
  on conflict on constraint statistics_pkey do update set cells = excluded.cells, counted_at = excluded.counted_at
  where s.cells is distinct from excluded.cells;
end;
$$;
comment on function push.store_statistics(text, timestamptz, push.statistic[], timestamptz) is 'Puts a bucket in the place of what it was.';

create function push.sum_statistics(p_every text, p_bucket timestamptz, p_of text, p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  select push.store_statistics(p_every, p_bucket, array(
    select row(
      c.label_id, sum(c.deliveries), sum(c.attempted), sum(c.displayed), sum(c.clicked), sum(c.clicked_displayed), sum(c.dismissed),
      sum(c.acted)
    )::push.statistic
    from push.statistics as s
    cross join unnest(s.cells) as c
    where s.every = p_of and s.bucket >= p_bucket and s.bucket < p_bucket + ('1 ' || p_every)::interval
    group by c.label_id
    order by c.label_id
  ), p_now);
$$;
comment on function push.sum_statistics(text, timestamptz, text, timestamptz) is 'Makes an hour of its minutes, or a day of its hours.';
