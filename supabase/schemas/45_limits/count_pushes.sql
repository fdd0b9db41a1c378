-- Throttles and the daily ceiling: which pushes they let through.

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

create type push.limited_message as (
  notification_id uuid,
  user_id uuid,
  to_topic boolean,
  is_summary boolean,
  is_critical boolean,
  is_wanted boolean,
  digest_key text,
  overflow_key text,
  throttle text,
  held_by text
);
comment on type push.limited_message is
  'A message to one user as the limits see it: whether its user wants it (null: nothing limits it), the digest it goes into and the one for '
  'what is beyond its throttle, the category whose throttle counts it, and what holds it back: digest, throttled, daily_ceiling or nothing.';

create function push.held(p_message push.limited_message, p_by text)
returns push.limited_message
language plpgsql
immutable
set search_path = ''
as $$
begin
  p_message.held_by := p_by;
  return p_message;
end;
$$;
comment on function push.held(push.limited_message, text) is 'A message that is held back by this.';

create function push.count_throttled(p_messages push.limited_message[], p_now timestamptz)
returns push.limited_message[]
language plpgsql
set search_path = ''
-- See push.open_digests().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  -- Locks the row of each until commit: in one order always, so that two statements never wait for each other in a circle.
  insert into push.throttle_log (user_id, category, done_at)
  select distinct m.user_id, m.throttle, p_now
  from unnest(p_messages) as m
  where m.throttle is not null and m.is_wanted and m.held_by is null
  order by m.user_id, m.throttle
  on conflict (user_id, category) do update set done_at = greatest(throttle_log.done_at, excluded.done_at);
  return array(
    select case when j.counts and j.number > j.room and not (j.message).is_summary then push.held(j.message, 'throttled') else j.message end
    from (
      select a.message, a.place, a.counts,
        row_number() over (partition by (a.message).user_id, (a.message).throttle, a.counts order by a.place) as number,
        c.throttle_limit - (
          -- Those to come are of a clock that was set back.
          select count(*) from unnest(l.moments) as t (moment)
          where t.moment > p_now - c.throttle_interval and t.moment <= p_now + interval '1 minute'
        ) as room
      from (
        select m as message, row_number() over () as place, m.is_wanted and m.held_by is null as counts from unnest(p_messages) as m
      ) as a
      left join push.throttle_log as l on l.user_id = (a.message).user_id and l.category = (a.message).throttle
      left join public.push_categories as c on c.key = (a.message).throttle
    ) as j
    order by j.place
  );
end;
$$;
comment on function push.count_throttled(push.limited_message[], timestamptz) is
  'These messages, in this order, with those held back for which their throttle has no room. Summaries are counted but not stopped: their '
  'pace is that of their digest.';

create function push.count_day(p_messages push.limited_message[], p_ceiling integer, p_now timestamptz)
returns push.limited_message[]
language plpgsql
set search_path = ''
-- See push.open_digests().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_messages push.limited_message[];
begin
  insert into push.daily_pushes as d (user_id, day)
  select distinct m.user_id, push.day_of(m.user_id, p_now)
  from unnest(p_messages) as m
  where m.is_wanted and m.held_by is distinct from 'digest'
  order by m.user_id
  on conflict (user_id) do update set day = d.day;
  with asked as (
    select a.*, row_number() over (partition by (a.message).user_id, a.counts order by a.place) as number
    from (
      select m as message, row_number() over () as place, m.is_wanted and m.held_by is null and not m.is_critical as counts
      from unnest(p_messages) as m
    ) as a
  ), judged as (
    select a.message, a.place, t.today,
      a.counts and a.number > p_ceiling - case when d.day = t.today then d.pushes else 0 end as is_beyond,
      a.counts and a.number <= p_ceiling - case when d.day = t.today then d.pushes else 0 end as is_pushed
    from asked as a
    left join push.daily_pushes as d on d.user_id = (a.message).user_id and a.counts
    left join lateral (select push.day_of((a.message).user_id, p_now) as today where a.counts) as t on true
  ), counted as (
    update push.daily_pushes as d
    set day = g.today, pushes = case when d.day = g.today then d.pushes else 0 end + g.pushes
    from (
      select (j.message).user_id, j.today, count(*) as pushes from judged as j
      where j.is_pushed
      group by (j.message).user_id, j.today
    ) as g
    where d.user_id = g.user_id
  )
  select array_agg(case when j.is_beyond then push.held(j.message, 'daily_ceiling') else j.message end order by j.place) into v_messages
  from judged as j;
  return v_messages;
end;
$$;
comment on function push.count_day(push.limited_message[], integer, timestamptz) is
  'Counts these messages, in this order, towards the day of their users; those beyond the ceiling are held back.';

create function push.note_pushes(p_messages push.limited_message[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- See push.open_digests().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  update push.throttle_log as l
  set done_at = p_now + c.throttle_interval,
      moments = array(
        select t.moment from unnest(l.moments || array_fill(p_now, array[g.pushes])) as t (moment)
        where t.moment > p_now - c.throttle_interval and t.moment <= p_now + interval '1 minute'
        order by t.moment desc
        limit c.throttle_limit
      )
  from (
    select m.user_id, m.throttle, count(*)::integer as pushes
    from unnest(p_messages) as m
    where m.throttle is not null and m.is_wanted and m.held_by is null
    group by m.user_id, m.throttle
  ) as g
  join public.push_categories as c on c.key = g.throttle
  where l.user_id = g.user_id and l.category = g.throttle;
end;
$$;
comment on function push.note_pushes(push.limited_message[], timestamptz) is
  'Notes the pushes that are made of these messages for the throttles that count them.';
