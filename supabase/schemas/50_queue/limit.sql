-- Whether a message passes the limits: at once, into a digest, or into the inbox alone.

create function push.day_of(p_user_id uuid, p_at timestamptz)
returns date
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    p_at at time zone coalesce(
      (select p.timezone from public.push_preferences as p where p.user_id = p_user_id), 'UTC'
    )
  )::date;
exception when invalid_parameter_value then
  -- A new release of Postgres may have dropped the zone: that must break no write.
  return (p_at at time zone 'UTC')::date;
end;
$$;
comment on function push.day_of(uuid, timestamptz) is 'The day it is for a user at this moment, by the timezone of their preferences, or UTC.';

create function push.is_limited(p_category text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(bool_or(c.throttle_limit is not null), false)
    or (not coalesce(bool_or(c.critical), false) and (select s.daily_ceiling is not null from push.settings as s))
  from push.category_of(p_category) as c;
$$;
comment on function push.is_limited(text) is 'Whether pushes of this category are counted at all.';

create function push.admit(p_user_ids uuid[], p_categories text[], p_summaries boolean, p_now timestamptz)
returns text[]
language plpgsql
set search_path = ''
-- See join_digests.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_ceiling integer;
  v_keys text[];
  v_throttled text[];
  v_reasons text[];
begin
  select s.daily_ceiling into v_ceiling from push.settings as s;
  -- Which row applies to each: looked up once per category.
  select array_agg(k.key order by a.place),
    array_agg(case when k.throttle_limit is not null then k.key end order by a.place)
  into v_keys, v_throttled
  from unnest(p_categories) with ordinality as a (category, place)
  left join (
    select d.category, c.key, c.throttle_limit
    from (select distinct u.category from unnest(p_categories) as u (category)) as d
    cross join lateral push.category_of(d.category) as c
  ) as k on k.category = a.category;
  v_reasons := array_fill(null::text, array[cardinality(p_user_ids)]);

  if array_remove(v_throttled, null) <> '{}' then
    -- Locks the row of each until commit: in one order always, so that two statements never wait for each other in a circle.
    insert into push.throttle_log (user_id, category, done_at)
    select distinct a.user_id, a.category, p_now
    from unnest(p_user_ids, v_throttled) as a (user_id, category)
    where a.category is not null
    order by a.user_id, a.category
    on conflict (user_id, category) do update set done_at = greatest(throttle_log.done_at, excluded.done_at);
    select array_agg(case when j.turn > j.room and not p_summaries then 'throttled' end order by j.place) into v_reasons
    from (
      select a.place,
        row_number() over (partition by a.user_id, a.category order by a.place) as turn,
        c.throttle_limit - (
          -- Those to come are of a clock that was set back.
          select count(*) from unnest(l.moments) as m (moment)
          where m.moment > p_now - c.throttle_interval and m.moment <= p_now + interval '1 minute'
        ) as room
      from unnest(p_user_ids, v_throttled) with ordinality as a (user_id, category, place)
      left join push.throttle_log as l on l.user_id = a.user_id and l.category = a.category
      left join public.push_categories as c on c.key = a.category
    ) as j;
  end if;

  if v_ceiling is not null then
    insert into push.daily_pushes as d (user_id, day)
    select distinct a.user_id, push.day_of(a.user_id, p_now)
    from unnest(p_user_ids) as a (user_id)
    order by a.user_id
    on conflict (user_id) do update set day = d.day;
    with asked as (
      select a.place, a.user_id, a.reason, coalesce(c.critical, false) as critical,
        row_number() over (
          partition by a.user_id, a.reason is null and c.critical is not true order by a.place
        ) as turn
      from unnest(p_user_ids, v_keys, v_reasons) with ordinality as a (user_id, key, reason, place)
      left join public.push_categories as c on c.key = a.key
    ), judged as (
      select a.place, a.user_id, a.critical,
        case
          when a.reason is null and not a.critical
            and a.turn > v_ceiling - case when d.day = t.today then d.pushes else 0 end then 'daily_ceiling'
          else a.reason
        end as reason,
        t.today
      from asked as a
      join push.daily_pushes as d on d.user_id = a.user_id
      cross join lateral (select push.day_of(a.user_id, p_now) as today) as t
    ), counted as (
      update push.daily_pushes as d
      set day = g.today, pushes = case when d.day = g.today then d.pushes else 0 end + g.pushes
      from (
        select j.user_id, j.today, count(*) as pushes from judged as j
        where j.reason is null and not j.critical
        group by j.user_id, j.today
      ) as g
      where d.user_id = g.user_id
    )
    select array_agg(j.reason order by j.place) into v_reasons from judged as j;
  end if;

  if array_remove(v_throttled, null) <> '{}' then
    update push.throttle_log as l
    set done_at = p_now + c.throttle_interval,
        moments = array(
          select m.moment from unnest(l.moments || array_fill(p_now, array[g.pushes])) as m (moment)
          where m.moment > p_now - c.throttle_interval and m.moment <= p_now + interval '1 minute'
          order by m.moment desc
          limit c.throttle_limit
        )
    from (
      select a.user_id, a.category, count(*)::integer as pushes
      from unnest(p_user_ids, v_throttled, v_reasons) as a (user_id, category, reason)
      where a.category is not null and a.reason is null
      group by a.user_id, a.category
    ) as g
    join public.push_categories as c on c.key = g.category
    where l.user_id = g.user_id and l.category = g.category;
  end if;
  return v_reasons;
end;
$$;
comment on function push.admit(uuid[], text[], boolean, timestamptz) is
  'Counts pushes to these users in these categories, in this order, and says of each why it must not be made (throttled, daily_ceiling); '
  'null: it may. Summaries are counted by throttles but not stopped: their pace is that of their digest.';

create function push.fold_or_suppress(p_ids uuid[], p_reasons text[], p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
  v_keys text[];
  v_folded uuid[] := array[]::uuid[];
  v_suppressed uuid[];
begin
  -- A message that was to lead a digest waits in it instead.
  select array_agg(i.id order by i.place),
    array_agg(case when n.digest_key is not null and not c.critical then n.digest_key else c.throttle_overflow end order by i.place)
  into v_ids, v_keys
  from unnest(p_ids, p_reasons) with ordinality as i (id, reason, place)
  cross join lateral (
    select k.digest_key, k.category from public.push_notifications as k where k.id = i.id limit 1
  ) as n
  cross join lateral push.category_of(n.category) as c
  where i.reason = 'throttled'
    and case when n.digest_key is not null and not c.critical then n.digest_key else c.throttle_overflow end is not null;
  if v_ids is not null then
    v_folded := push.join_digests(v_ids, v_keys, false, p_now);
  end if;

  with suppressed as (
    update public.push_notifications as n set status = 'suppressed'
    from unnest(p_ids, p_reasons) as i (id, reason)
    where n.id = i.id and i.reason is not null and i.id not in (select f.id from unnest(v_folded) as f (id))
    returning n.id, n.user_id, n.send_at, n.expires_at, i.reason
  ), logged as (
    -- The log says why nothing came.
    insert into push.deliveries (
      notification_id, subscription_id, host, due_at, expires_at, state, finished_at, last_code
    )
    select u.id, s.id, s.host, u.send_at, u.expires_at, 'suppressed', p_now, u.reason
    from suppressed as u
    join public.push_subscriptions as s on s.user_id = u.user_id
  )
  select array(select u.id from suppressed as u) into v_suppressed;
  return v_folded || v_suppressed;
end;
$$;

create function push.hold_back(p_ids uuid[], p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
-- See join_digests.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_ids uuid[];
  v_keys text[];
  v_user_ids uuid[];
  v_categories text[];
  v_reasons text[];
  v_summaries boolean;
  v_held uuid[] := array[]::uuid[];
begin
  -- A critical message must not wait. A message that its user muted passes here and is suppressed as muted later, so that it
  -- does not count against the limit.
  select array_agg(i.id order by i.place), array_agg(n.digest_key order by i.place) into v_ids, v_keys
  from unnest(p_ids) with ordinality as i (id, place)
  cross join lateral (
    select k.user_id, k.digest_key, k.digest_id, k.category from public.push_notifications as k where k.id = i.id limit 1
  ) as n
  where n.digest_key is not null and n.digest_id is null
    and (n.category is null or not exists (select from push.category_of(n.category) as c where c.critical))
    and push.is_wanted(n.user_id, n.category, p_now);
  if v_ids is not null then
    v_held := push.join_digests(v_ids, v_keys, true, p_now);
  end if;

  select array_agg(i.id order by i.place), array_agg(n.user_id order by i.place),
    array_agg(n.category order by i.place), bool_and(n.digest_id is not null)
  into v_ids, v_user_ids, v_categories, v_summaries
  from unnest(p_ids) with ordinality as i (id, place)
  cross join lateral (
    select k.user_id, k.category, k.digest_id from public.push_notifications as k where k.id = i.id limit 1
  ) as n
  where (v_held = '{}' or i.id not in (select h.id from unnest(v_held) as h (id)))
    and push.is_wanted(n.user_id, n.category, p_now);
  if v_ids is null then
    return v_held;
  end if;
  v_reasons := push.admit(v_user_ids, v_categories, v_summaries, p_now);
  if array_remove(v_reasons, null) = '{}' then
    return v_held;
  end if;
  return v_held || push.fold_or_suppress(v_ids, v_reasons, p_now);
end;
$$;
comment on function push.hold_back(uuid[], timestamptz) is
  'Decides which of these notifications, due now, wait in a digest or are beyond a limit; returns those. The others are to be delivered.';
comment on function push.fold_or_suppress(uuid[], text[], timestamptz) is
  'What becomes of notifications beyond a limit: those beyond a throttle go into the digest of their own or the throttle''s overflow, the '
  'rest stays in the inbox alone. Returns all that are not to be delivered.';
