-- One round of a claim: which deliveries a dispatcher gets, shared fairly among hosts and users. What becomes of them is in
-- hand_out.sql.

create type push.claim_round as (ids bigint[], taken jsonb, users uuid[], served_users uuid[], probed_users jsonb, hides boolean);
comment on type push.claim_round is
  'One look of a claim: what is handed out, how many of each push service, to whom, users who have their share with it, users by paused push service that are probed with it, and '
  'whether what may not go may hide something.';

create function push.open_hosts(p_busy_hosts text[], p_rooms jsonb, p_now timestamptz)
returns table (
  origin text, paused boolean, probed_users uuid[], resumed_at timestamptz, most integer, asked integer, room integer,
  crowded boolean, leases_from timestamptz, first_lease timestamptz
)
language plpgsql
stable
set search_path = ''
set enable_bitmapscan = off
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  return query
  select h.origin, h.paused_at is not null, h.probed_users, h.resumed_at, m.most, a.asked,
    least(greatest(m.most - u.under_way, 0), a.asked)::integer, u.under_way * 2 > m.most, l.due_from, u.first_lease
  from push.queue_lanes(p_now, '{-1}') as l
  join push.hosts as h on h.origin = l.host
  cross join lateral (select h.max_in_flight) as m (most)
  left join push.paces(p_now) as p on p.origin = h.origin
  -- A dispatcher that does not know a service yet gets what that accepts in a second.
  cross join lateral (select coalesce((p_rooms ->> h.origin)::integer, ceil(p.pace)::integer, m.most)) as a (asked)
  cross join lateral (
    select count(*) filter (where d.lease_until > p_now), min(d.lease_until) from push.queue as d
    where d.host = h.origin and d.lease_until >= '-infinity' and d.lease_until >= l.due_from
  ) as u (under_way, first_lease)
  where (h.paused_at is null or h.probe_at <= p_now) and h.origin <> all (p_busy_hosts);
end;
$$;
comment on function push.open_hosts(text[], jsonb, timestamptz) is
  'Push services that may be handed deliveries now: how many each may have under way, how many the dispatcher asks for, how many of those may '
  'go, whether more than half of the places are taken, and when the first lease ends.';

create function push.rooms_left(p_rooms jsonb, p_taken jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case when p_taken is null or p_rooms = '{}' then p_rooms else (
    select jsonb_object_agg(r.key, r.value::integer - coalesce((p_taken ->> r.key)::integer, 0)) from jsonb_each_text(p_rooms) as r
  ) end;
end;
$$;
comment on function push.rooms_left(jsonb, jsonb) is 'How many deliveries a dispatcher still asks for of each push service, by origin, after it got these.';

create type push.looked_at as (
  origin text, lane smallint, room integer, first_lease timestamptz, paused boolean, probed_users uuid[], id bigint, due_at timestamptz,
  created_at timestamptz, user_id uuid, proven boolean, resting_until timestamptz, share integer, of_user bigint, is_full boolean,
  may_go boolean, is_moved boolean
);
comment on type push.looked_at is
  'A delivery that a claim has looked at, with what decides about it; one row without an id for a lane in which nothing waits.';

create function push.look_at_queue(
  p_limit integer,
  p_look integer,
  p_lanes smallint[],
  p_busy_hosts text[],
  p_rooms jsonb,
  p_busy_users uuid[],
  p_now timestamptz
)
returns setof push.looked_at
language plpgsql
stable
set search_path = ''
-- See push_claim. Without joins by hash and merge, or a table that was analysed while a backlog waited is read whole. What stands
-- in the parameters changes nothing of the plan, which takes longer to make than to run.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- Of one user at one push service. Twenty devices are reached at once, and five users whose devices never answer leave
  -- half of the room to others: beyond that, places are counted by user.
  c_share constant integer := 25;
begin
  return query
  with open_hosts as materialized (
    select o.* from push.open_hosts(p_busy_hosts, p_rooms, p_now) as o
  ), held as materialized (
    -- The first half of the places is not shared by user, since counting would cost every claim. The other half is.
    select h.origin, s.user_id, count(*) as number
    from open_hosts as h
    join push.queue as d on d.host = h.origin and d.lease_until >= '-infinity' and d.lease_until > greatest(p_now, h.leases_from)
    join public.push_subscriptions as s on s.id = d.subscription_id
    where h.crowded
    group by h.origin, s.user_id
  ), waiting as (
    -- One short range scan per host, so that a backlog of one service never hides the others. Nothing is locked yet: most
    -- of what is looked at may have to wait.
    select h.origin, l.lane, k.look, h.paused, h.room, h.probed_users, h.first_lease, picked.id, picked.due_at, picked.created_at,
      s.user_id, coalesce(s.last_used_at >= s.updated_at, false) as proven,
      -- A failure of the future was before the clock was set back, and one before the service came back was the service's.
      case
        when s.retry_at > p_now and s.failed_at <= p_now + interval '1 minute' and (h.resumed_at is null or s.failed_at > h.resumed_at)
          then s.retry_at
      end as resting_until,
      least(c_share, greatest(h.most / case when h.crowded then 8 else 4 end, 1), greatest(h.asked / 2, 1)) - case when h.crowded then coalesce((
        select k.number::integer from held as k where k.origin = h.origin and k.user_id = s.user_id
      ), 0) else 0 end as share
    from open_hosts as h
    join push.queue_lanes(p_now, p_lanes) as l on l.host = h.origin
    -- Fifteen side lanes together are not to cost fifteen times as much.
    cross join lateral (select case when l.lane > 0 then p_look else greatest(p_look, least(h.room, p_limit)) end) as k (look)
    left join lateral (
      select d.id, d.due_at, d.subscription_id, d.created_at
      from push.queue as d
      where d.host = h.origin and d.lane = l.lane and d.lease_until is null and d.due_at >= '-infinity'
        and d.due_at >= l.due_from and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit case when h.room > 0 then k.look else 0 end
    ) as picked on true
    left join public.push_subscriptions as s on s.id = picked.subscription_id
  ), ranked as (
    select w.*,
      count(w.id) over (partition by w.origin, w.lane) >= w.look as is_full,
      row_number() over (partition by w.origin, w.user_id, w.resting_until is null order by w.due_at, w.id) as of_user
    from waiting as w
  )
  select r.origin, r.lane, r.room, r.first_lease, r.paused, r.probed_users, r.id, r.due_at, r.created_at, r.user_id, r.proven, r.resting_until,
    r.share, r.of_user, r.is_full,
    r.resting_until is null and (
      r.user_id is null
      or (r.user_id <> all (p_busy_users) and r.of_user <= case when r.paused then 1 else r.share end)
    ),
    r.lane = 0 and r.resting_until is null and not r.paused and r.of_user > r.share
  from ranked as r;
end;
$$;
comment on function push.look_at_queue(integer, integer, smallint[], text[], jsonb, uuid[], timestamptz) is
  'The first p_look deliveries that are due in these lanes of each push service, and which of them may go.';

create function push.pick_due(
  p_limit integer,
  p_look integer,
  p_lanes smallint[],
  p_busy_hosts text[],
  p_rooms jsonb,
  p_busy_users uuid[],
  p_sifted text[],
  p_last boolean,
  p_lease interval,
  p_now timestamptz
)
returns push.claim_round
language plpgsql
set search_path = ''
-- See push.look_at_queue().
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- Users that pass together as probes of a paused push service.
  c_probes constant integer := 3;
  v_round push.claim_round;
  v_snapshot pg_snapshot;
  v_hosts text[];
  v_lanes smallint[];
  v_oldest timestamptz[];
  v_moved boolean;
begin
  with judged as materialized (
    select l.* from push.look_at_queue(p_limit, p_look, p_lanes, p_busy_hosts, p_rooms, p_busy_users, p_now) as l
  ), ordered as (
    select j.id, j.origin, j.paused, j.room, j.due_at, j.user_id, j.of_user = j.share as served, j.hides,
      row_number() over (
        partition by j.origin
        order by
          -- Probes: users who were no probe of this pause before others, devices that worked before others, and else by lot.
          case when j.paused then (j.user_id = any (j.probed_users))::integer * 2 + (not j.proven)::integer end,
          case when j.paused then random() end,
          j.due_at, j.id
      ) as of_host
    from (
      -- Whether the next look sees further.
      select g.*, g.is_full and bool_or(not g.may_go) over (partition by g.origin) and not p_last as hides
      from judged as g
      where g.id is not null
    ) as j
    where j.may_go
  ), chosen as (
    -- The first of each service, then the second of each: an old backlog of one does not keep another's fresh messages waiting.
    select t.id, t.origin, t.paused, t.user_id, t.served, t.of_host, t.due_at
    from ordered as t
    -- Probes are chosen from all that can be seen.
    where case when t.paused then t.of_host <= c_probes and not t.hides else t.of_host <= t.room end
    order by t.of_host, t.due_at, t.id
    limit p_limit
  ), blocked as (
    -- Side lanes whose front is one that may not go, whatever waits behind it.
    select j.origin, j.lane from judged as j where j.lane > 0 group by j.origin, j.lane having not bool_or(j.may_go)
  ), put_off as (
    -- A device that is in its own backoff. What one user has beyond the share, where even the last look could not see past it:
    -- that goes to the user's side lane, once. What else stands in the way waits for as long as it has waited, so that a
    -- backlog is written a few times and not with each claim.
    update push.queue as d
    set lane = case when j.is_moved then push.side_lane(j.user_id) else d.lane end,
        -- Once more before its end, however long that is. No coalesce: least() passes over null.
        due_at = case when d.lease_until is null and not j.is_moved then least(
          case
            when j.resting_until is not null then j.resting_until
            else p_now + greatest(least(p_now - j.created_at, interval '30 seconds'), interval '1 second')
          end,
          greatest(d.expires_at - interval '1 second', p_now)
        ) else d.due_at end
    from judged as j
    cross join lateral (
      -- Skip locked: an application that cancels it, or deletes its user, must not hold up every claim until it commits.
      select q.id from push.queue as q where q.id = j.id offset 0 for update skip locked
    ) as l
    where d.id = any (array[l.id]) and not j.may_go
      and (j.resting_until is not null or (j.is_full and p_last and (j.lane = 0 or (j.origin, j.lane) in (select b.origin, b.lane from blocked as b))))
      -- With another moment it would look as if it had become due after what is discarded.
      and (p_sifted = '{}' or not push.is_held_back(d.host, d.notification_id, d.due_at, d.created_at))
    returning j.is_moved
  )
  select
    array(select c.id from chosen as c order by c.of_host, c.due_at, c.id),
    (select jsonb_object_agg(g.origin, g.number) from (select c.origin, count(*) as number from chosen as c group by c.origin) as g),
    array(select distinct c.user_id from chosen as c where c.user_id is not null),
    array(select c.user_id from chosen as c where c.served and c.user_id is not null),
    (
      select jsonb_object_agg(p.origin, p.users)
      from (select c.origin, array_agg(c.user_id) as users from chosen as c where c.paused group by c.origin) as p
    ),
    coalesce((select bool_or(j.is_full and not j.may_go and j.lane = 0) from judged as j), false),
    pg_current_snapshot(), array_agg(r.host), array_agg(r.lane), array_agg(r.oldest),
    coalesce((select bool_or(p.is_moved) from put_off as p), false)
  into v_round.ids, v_round.taken, v_round.users, v_round.served_users, v_round.probed_users, v_round.hides, v_snapshot, v_hosts, v_lanes, v_oldest, v_moved
  from (
    select j.origin as host, least(j.lane, 1::smallint) as lane, min(j.due_at) as oldest from judged as j
    -- The start of side lanes is that of all of them.
    where p_limit > 0 and j.room > 0 and (j.lane = 0 or cardinality(p_lanes) > 1)
    group by 1, 2
    union all
    select j.origin, -1::smallint, min(j.first_lease) from judged as j group by j.origin
  ) as r;
  if v_moved then
    perform push.forget_starts();
  elsif v_hosts is not null then
    perform push.note_starts(v_hosts, v_lanes, v_oldest, v_snapshot, p_lease, p_now);
  end if;
  return v_round;
end;
$$;
comment on function push.pick_due(integer, integer, smallint[], text[], jsonb, uuid[], text[], boolean, interval, timestamptz) is
  'One look of push_claim at these lanes: finds what is due and may go, in turns over push services and in shares over users, and puts off '
  'what may not go and stands in the way.';
