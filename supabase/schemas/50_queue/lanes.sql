-- Lanes, and where a claim begins to read them.
--
-- Lane 0 is for all. What one user has beyond a hundred of a statement, or thirty for a device, waits in one of fifteen side
-- lanes, which claims serve in turn with an eighth of their calls and with what lane 0 leaves: so thousands for one user delay
-- another's message by nothing, and cost the same to claim as a few.
--
-- What was handed out leaves dead entries in the index until the next vacuum, and for as long as a session holds an old
-- snapshot. A claim would walk all of them. So claims note the moment of the oldest delivery that they saw, where it has moved
-- on, and later ones read from there: nothing is made due in the past. What a transaction queued that had begun by then comes with its end, at the
-- latest: so a start counts when all transactions of its time have ended.
--
-- The same for leases, which stand in an index by their ends: lane -1 of a push service says when the first of them ends. Its side
-- lanes have one start together, as lane 1, and an index of their own, which is empty unless one user has too much.

create table push.claim_starts (
  host text not null,
  lane smallint not null,
  -- The newest counts. Rows are added and never changed: an old snapshot keeps the old ones, and each reader would walk them.
  id bigint not null generated always as identity,
  due_from timestamptz not null,
  next_from timestamptz,
  next_xid xid8,
  read_whole_at timestamptz not null,
  constraint claim_starts_pkey primary key (host, lane, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
comment on table push.claim_starts is
  'From which moment on claims read the lane of a push service. Written by claims, which are one at a time; the tick has rows of its own, without a host, and deletes older ones.';
comment on column push.claim_starts.lane is '0; 1 for all side lanes; -1 for the leases of what is under way.';
comment on column push.claim_starts.due_from is 'Nothing that waits was due earlier; in lane -1, no lease of what is under way ends earlier.';
comment on column push.claim_starts.next_from is 'The next due_from, once every transaction before next_xid has ended.';
comment on column push.claim_starts.read_whole_at is 'When the lane was last read from its beginning. A minute later that is done again.';

alter table push.claim_starts enable row level security;
create policy claim_starts_nobody on push.claim_starts for all to public using (false);

-- A row says that all starts are void. It becomes visible together with what its transaction made due, and nothing waits for it.
create table push.start_resets (
  id bigint not null generated always as identity,
  asked_at timestamptz not null default clock_timestamp(),
  constraint start_resets_pkey primary key (id)
);
comment on table push.start_resets is 'Since when claims read from the beginning, until the next claim has forgotten their starts.';

alter table push.start_resets enable row level security;
create policy start_resets_nobody on push.start_resets for all to public using (false);

create sequence push.claim_turns;

create function push.queue_lanes(p_now timestamptz, p_lanes smallint[] default null)
returns table (host text, lane smallint, due_from timestamptz)
-- In plpgsql, which plans once a session.
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  return query
  select h.origin, n.lane, coalesce(s.due_from, '-infinity')
  from push.hosts as h
  cross join (
    select least(w.lane, 1::smallint) as kind, array_agg(w.lane) as lanes
    from unnest(coalesce(p_lanes, '{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}'::smallint[])) as w (lane)
    group by 1
  ) as k
  left join lateral (
    select c.due_from, c.read_whole_at from push.claim_starts as c
    where c.host = h.origin and c.lane = k.kind
    order by c.id desc
    limit 1
  ) as c on true
  cross join lateral (
    select case
      -- A start of the future is from before the clock was set back.
      when c.read_whole_at > p_now - interval '1 minute' and c.read_whole_at <= p_now and (k.kind < 0 or c.due_from <= p_now)
        and not exists (select from push.start_resets)
        then c.due_from
    end
  ) as s (due_from)
  cross join unnest(k.lanes) as n (lane)
  -- Most push services have nothing in their side lanes, and fifteen looks at each would cost more than the rest of a claim.
  where k.kind < 1 or s.due_from is null or exists (
    select from push.queue as d
    where d.host = h.origin and d.lane > 0 and d.lease_until is null and d.due_at >= s.due_from and d.due_at <= p_now
  );
end;
$$;
comment on function push.queue_lanes(timestamptz, smallint[]) is
  'These lanes of each push service (null: all that wait), and the moment from which on something may wait there: push.queue is read by host, '
  'lane and due_at. Without its side lanes when nothing is due in them.';

create function push.side_lane(p_user_id uuid)
returns smallint
language sql
immutable
set search_path = ''
as $$
  select (1 + abs(pg_catalog.uuid_hash(p_user_id)::bigint) % 15)::smallint;
$$;
comment on function push.side_lane(uuid) is 'The side lane in which this user''s messages wait that are too many for lane 0.';

create function push.forget_starts()
returns void
language sql
set search_path = ''
as $$
  insert into push.start_resets default values;
$$;
comment on function push.forget_starts() is
  'Has claims read from the beginning: called where something becomes due again that was due earlier, such as after a lost lease.';

create function push.apply_resets()
returns void
language plpgsql
set search_path = ''
set enable_bitmapscan = off
set enable_seqscan = off
as $$
begin
  delete from push.start_resets as r where r.id > 0;
  if found then
    -- Added like any other: the tick may be deleting those that are there, and no claim is to wait for the end of the tick.
    insert into push.claim_starts (host, lane, due_from, read_whole_at)
    select h.origin, l.lane, '-infinity', '-infinity' from push.hosts as h cross join unnest('{-1, 0, 1}'::smallint[]) as l (lane);
  end if;
end;
$$;
comment on function push.apply_resets() is 'Forgets the starts of all lanes if that was asked for. Called by claims alone, one at a time.';

create function push.drop_old_starts()
returns void
language sql
set search_path = ''
as $$
  delete from push.claim_starts as s
  where s.id < (select n.id from push.claim_starts as n where n.host = s.host and n.lane = s.lane order by n.id desc limit 1);
$$;
comment on function push.drop_old_starts() is 'Deletes starts after which newer ones were noted.';

create function push.note_starts(
  p_hosts text[],
  p_lanes smallint[],
  p_oldest timestamptz[],
  p_snapshot pg_snapshot,
  p_lease interval,
  p_now timestamptz
)
returns void
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  -- What was worked off since a start is walked by each reader.
  c_step constant interval := interval '100 milliseconds';
  -- Who makes something due before this transaction began has a smaller xid than this one gets now, at the latest.
  v_xid constant xid8 := pg_current_xact_id();
begin
  insert into push.claim_starts (host, lane, due_from, next_from, next_xid, read_whole_at)
  select r.host, r.lane,
    case
      -- Leases are made by claims alone, and each ends about as much later as it was made: nothing has to be waited for.
      when r.lane < 0 then t.due_from
      when c.id is null or s.is_foreign then '-infinity'
      else least(case when s.is_next then coalesce(c.next_from, '-infinity') else c.due_from end, t.due_from)
    end,
    case when s.is_next then t.due_from else c.next_from end,
    case when s.is_next then v_xid else c.next_xid end,
    case when s.is_whole then p_now else c.read_whole_at end
  from unnest(p_hosts, p_lanes, p_oldest) as r (host, lane, oldest)
  cross join lateral (
    select case
      -- With those that this claim makes: it may have waited for one that took its time later.
      when r.lane < 0 then least(coalesce(r.oldest, p_now + p_lease), p_now + p_lease)
      else least(coalesce(r.oldest, p_now), now())
    end
  ) as t (due_from)
  left join lateral (
    select w.* from push.claim_starts as w where w.host = r.host and w.lane = r.lane order by w.id desc limit 1
  ) as c on true
  cross join lateral (
    select f.is_whole, f.is_foreign, f.is_foreign or c.next_xid is null or c.next_xid <= pg_snapshot_xmin(p_snapshot) as is_next
    from (
      select c.id is null or c.read_whole_at <= p_now - interval '1 minute' or c.read_whole_at > p_now as is_whole,
        -- Of another server, whose transactions are not ours: a dump was restored.
        coalesce(c.next_xid > v_xid, false) as is_foreign
    ) as f
  ) as s
  where s.is_whole or c.next_from is null
    or r.lane < 0 and t.due_from not between c.due_from and c.due_from + c_step
    -- Nothing is noted while an open transaction keeps the last note from counting.
    or r.lane >= 0 and (t.due_from < c.due_from or s.is_next and greatest(t.due_from, c.next_from) > c.due_from + c_step);
end;
$$;
comment on function push.note_starts(text[], smallint[], timestamptz[], pg_snapshot, interval, timestamptz) is
  'Notes the oldest delivery that waited in each of these lanes when a claim of this snapshot read them.';
