-- How pauses park, return and discard queued deliveries, in chunks.
--
-- A paused project or push service costs nothing, however much waits for it: the claim does not read it. A category stands
-- in the same queues as all others, so what is due of it is parked: `due_at` becomes infinity, which is behind everything that
-- a claim reads, and `parked_due_at` keeps the moment. New deliveries are parked as they are made, older ones in chunks when
-- they come to the front of a queue. After the pause, chunks return what is parked, and cancel what is to be discarded.

create function push.is_parked(p_delivery_id bigint)
returns boolean
language plpgsql
stable
set search_path = ''
-- A look-up by key, however empty the planner believes the table to be.
set enable_seqscan = off
as $$
begin
  return exists (select from push.queue as d where d.id = p_delivery_id and d.parked_by is not null);
end;
$$;
comment on function push.is_parked(bigint) is 'Whether the pause of a category has put this delivery aside.';

create function push.park(p_delivery_id bigint, p_notification_id uuid)
returns void
language plpgsql
set search_path = ''
-- A look-up by key, however empty the planner believes the table to be.
set enable_seqscan = off
as $$
declare
  v_category text;
begin
  select n.category into v_category from public.push_notifications as n where n.id = p_notification_id;
  if push.is_category_paused(v_category) then
    update push.queue as d
    set due_at = 'infinity',
        parked_by = push.pause_on(d.host, v_category, d.due_at, d.created_at),
        parked_due_at = d.due_at,
        last_code = 'paused'
    -- The pause may have ended since the look: then nothing would return it.
    where d.id = p_delivery_id and push.pause_on(d.host, v_category, d.due_at, d.created_at) is not null;
  end if;
end;
$$;
comment on function push.park(bigint, uuid) is 'Puts a delivery that has just been made aside if its category is paused.';

create function push.sift_queue(p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- See push_claim; and a look-up by key for each, as everywhere.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- The first few of a queue stand for those behind them. So a claim that meets nothing of a paused category pays for a look
  -- at these, and one that meets a backlog of it puts as much aside as it can.
  c_sample constant integer := 20;
  v_sifted constant text[] := push.sifted_categories();
  v_lane record;
  v_hits integer;
  v_left integer := p_limit;
  v_discarded bigint[];
begin
  if v_sifted = '{}' then
    return;
  end if;
  for v_lane in
    select l.* from push.queue_lanes(p_now) as l
    where exists (
      select from push.queue as d
      where d.host = l.host and d.lane = l.lane and d.lease_until is null and d.due_at >= '-infinity' and d.due_at >= l.due_from
        and d.due_at <= p_now
      -- Not as a join, which would read all that is due.
      offset 0
    )
  loop
    select count(*) into v_hits
    from (
      select d.notification_id, d.due_at, d.created_at from push.queue as d
      where d.host = v_lane.host and d.lane = v_lane.lane and d.lease_until is null and d.due_at >= '-infinity'
        and d.due_at >= v_lane.due_from and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit c_sample
    ) as f
    join public.push_notifications as n on n.id = f.notification_id
    where coalesce(n.category, '') like any (v_sifted)
      and push.pause_on(v_lane.host, n.category, f.due_at, f.created_at) is not null;
    continue when v_hits = 0;

    with front as (
      select d.id, d.notification_id, d.due_at, d.created_at from push.queue as d
      where d.host = v_lane.host and d.lane = v_lane.lane and d.lease_until is null and d.due_at >= '-infinity'
        and d.due_at >= v_lane.due_from and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit greatest(v_hits * v_left / c_sample, 1)
      for update skip locked
    ), found as (
      select f.id, push.pause_on(v_lane.host, n.category, f.due_at, f.created_at) as pause_id
      from front as f
      join public.push_notifications as n on n.id = f.notification_id
      where coalesce(n.category, '') like any (v_sifted)
      offset 0
    ), sifted as (
      select f.id, f.pause_id, p.resumed_at is not null as is_discarded
      from found as f
      join push.pauses as p on p.id = f.pause_id
    ), parked as (
      update push.queue as d
      set due_at = 'infinity',
          parked_by = s.pause_id,
          parked_due_at = d.due_at,
          -- The dispatcher that lost it may still report that it was sent, which counts by this code.
          last_code = case when d.last_code = 'lease_lost' then d.last_code else 'paused' end
      from sifted as s
      where d.id = any (array[s.id]) and not s.is_discarded
    ), counted as (
      update push.pauses as p set discarded = p.discarded + c.n
      from (select s.pause_id, count(*) as n from sifted as s where s.is_discarded group by s.pause_id) as c
      where p.id = c.pause_id
    )
    select v_left - count(*), array_agg(s.id) filter (where s.is_discarded) into v_left, v_discarded from sifted as s;
    perform push.end_deliveries(v_discarded, 'cancelled', 'discarded', p_now);
    exit when v_left <= 0;
  end loop;
end;
$$;
comment on function push.sift_queue(integer, timestamptz) is
  'Takes from the front of the queues what is not to be handed out: parks what is due of paused categories, cancels what was discarded at '
  'the end of a pause.';

create function push.pause_to_return()
returns bigint
language sql
stable
set search_path = ''
set enable_bitmapscan = off
set enable_seqscan = off
as $$
  -- One look-up for each pause that has something parked, in the order of the index, and not one for each delivery.
  with recursive parked (id) as (
    (
      select d.parked_by from push.queue as d
      where d.lease_until is null and d.parked_by is not null
      order by d.parked_by
      limit 1
    )
    union all
    select (
      select d.parked_by from push.queue as d
      where d.lease_until is null and d.parked_by > k.id
      order by d.parked_by
      limit 1
    )
    from parked as k
    where k.id is not null
  )
  select k.id from parked as k
  where k.id is not null and not exists (select from push.pauses as p where p.id = k.id and p.resumed_at is null)
  limit 1;
$$;
comment on function push.pause_to_return() is 'A pause that is over and still has deliveries parked; null when there is none.';

create function push.return_parked(p_pause_id bigint, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_discarded bigint[];
begin
  with parked as (
    select d.id, d.parked_due_at < p.discard_before as is_discarded
    from push.queue as d
    left join push.pauses as p on p.id = p_pause_id
    where d.lease_until is null and d.parked_by = p_pause_id
    order by d.parked_due_at, d.id
    limit p_limit
    for update of d skip locked
  ), returned as (
    update push.queue as d
    set due_at = d.parked_due_at, parked_by = null, parked_due_at = null, last_code = nullif(d.last_code, 'paused')
    from parked as k
    where d.id = any (array[k.id]) and k.is_discarded is not true
  )
  select array_agg(k.id) filter (where k.is_discarded) into v_discarded from parked as k;
  perform push.forget_starts();
  update push.pauses as p set discarded = p.discarded + cardinality(v_discarded) where p.id = p_pause_id and v_discarded is not null;
  perform push.end_deliveries(v_discarded, 'cancelled', 'discarded', p_now);
end;
$$;
comment on function push.return_parked(bigint, integer, timestamptz) is
  'Puts the oldest of what a pause parked back to where it stood, or cancels it where that was too long ago.';

create function push.note_cleared_pauses(p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
begin
  update push.pauses as p set cleared_at = p_now
  where p.resumed_at is not null and p.cleared_at is null
    and not exists (
      select from push.queue as d
      where d.lease_until is null and d.parked_by = p.id and d.parked_due_at < p.discard_before
    )
    and not exists (
      select from push.queue_lanes(p_now) as l
      cross join lateral (
        select from push.queue as d
        where d.host = l.host and d.lane = l.lane and d.lease_until is null and d.due_at >= '-infinity' and d.due_at < p.discard_before
          and d.expires_at > p_now and d.created_at <= p.resumed_at
        order by d.due_at, d.id
        limit 1
      ) as w
      where p.host is null or p.host = l.host
    );
end;
$$;
comment on function push.note_cleared_pauses(timestamptz) is 'Notes which pauses that are over have nothing left to discard.';

create function push.advance_pauses(p_limit integer default 5000, p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_ended bigint;
begin
  -- A project that never paused pays for this question alone.
  if not exists (select from push.pauses)
    -- One at a time, and without waiting: a tick may take long, and a claim must not.
    or not pg_try_advisory_xact_lock(hashtextextended('supapush.pauses', 0))
  then
    return;
  end if;
  perform push.sift_queue(p_limit, p_now);
  v_ended := push.pause_to_return();
  if v_ended is not null then
    perform push.return_parked(v_ended, p_limit, p_now);
  end if;
  perform push.note_cleared_pauses(p_now);
end;
$$;
comment on function push.advance_pauses(integer, timestamptz) is
  'One chunk of what pauses have to do with what waits: park, return, discard. Run by claims, by the tick, and where a pause begins or '
  'ends.';
