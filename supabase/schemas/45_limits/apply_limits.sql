-- Whether a message passes the limits: at once, into a digest, or into the inbox alone.

create type push.due_message as (
  notification_id uuid,
  user_id uuid,
  to_topic boolean,
  is_summary boolean,
  category text,
  urgency text,
  digest_key text,
  due_at timestamptz,
  expires_at timestamptz,
  tag text,
  position bigint
);
comment on type push.due_message is 'A message that is due for one user: what push.enqueue() is given.';

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

create function push.limited_messages(p_due push.due_message[], p_now timestamptz)
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
  v_ceiling constant boolean := (select s.daily_ceiling is not null from push.settings as s);
begin
  return array(
    select row(
      d.notification_id, d.user_id, d.to_topic, d.is_summary, k.is_critical,
      -- A message that its user muted passes here and is suppressed as muted later, so that it does not count against a limit.
      case when d.digest_key is not null or k.throttle is not null or (v_ceiling and not k.is_critical)
        then push.is_wanted(d.user_id, d.category, p_now)
      end,
      -- A critical message must not wait. One that was to lead a digest waits in that, rather than in its throttle's.
      case when not (d.is_summary or k.is_critical) then d.digest_key end,
      case when not d.to_topic then coalesce(case when not k.is_critical then d.digest_key end, k.throttle_overflow) end,
      k.throttle, null
    )::push.limited_message
    from (select m.*, row_number() over () as place from unnest(p_due) as m) as d
    left join (
      -- Which row applies: looked up once per category.
      select a.category, c.key, c.throttle_overflow, c.critical, case when c.throttle_limit is not null then c.key end as throttle
      from (select distinct m.category from unnest(p_due) as m) as a
      cross join lateral push.category_of(a.category) as c
    ) as c on c.category = d.category
    cross join lateral (select coalesce(c.critical, false) as is_critical, c.throttle, c.throttle_overflow) as k
    order by d.place
  );
end;
$$;
comment on function push.limited_messages(push.due_message[], timestamptz) is 'These messages as the limits see them, in this order.';

create function push.apply_limits(p_due push.due_message[], p_now timestamptz)
returns text[]
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
  v_ceiling constant integer := (select s.daily_ceiling from push.settings as s);
  v_messages push.limited_message[];
  v_items push.digest_item[];
  v_waiting uuid[];
begin
  -- Projects without digests and limits pay for this question alone.
  if v_ceiling is null and not exists (
    select from unnest(p_due) as d
    where d.digest_key is not null or (d.category is not null and exists (
      select from public.push_categories as c where c.throttle_limit is not null
    ))
  ) then
    return null;
  end if;
  v_messages := push.limited_messages(p_due, p_now);

  v_items := array(
    select row(m.notification_id, m.user_id, m.digest_key)::push.digest_item from unnest(v_messages) as m
    where m.digest_key is not null and m.is_wanted
  );
  if v_items <> '{}' then
    v_waiting := push.join_digests(v_items, true, p_now);
    v_messages := array(
      select case when m.notification_id in (select w.id from unnest(v_waiting) as w (id)) then push.held(m, 'digest') else m end
      from unnest(v_messages) as m
    );
  end if;

  if exists (select from unnest(v_messages) as m where m.throttle is not null) then
    v_messages := push.count_throttled(v_messages, p_now);
  end if;
  if v_ceiling is not null then
    v_messages := push.count_day(v_messages, v_ceiling, p_now);
  end if;
  perform push.note_pushes(v_messages, p_now);

  v_items := array(
    select row(m.notification_id, m.user_id, m.overflow_key)::push.digest_item from unnest(v_messages) as m
    where m.held_by = 'throttled' and m.overflow_key is not null
  );
  if v_items <> '{}' then
    v_waiting := push.join_digests(v_items, false, p_now);
    v_messages := array(
      select case when m.notification_id in (select w.id from unnest(v_waiting) as w (id)) then push.held(m, 'digest') else m end
      from unnest(v_messages) as m
    );
  end if;
  return array(select m.held_by from unnest(v_messages) as m);
end;
$$;
comment on function push.apply_limits(push.due_message[], timestamptz) is
  'What holds each of these messages back, in this order: digest (it waits in one), throttled or daily_ceiling (it stays in the inbox alone), '
  'null: nothing. Null as a whole: no limit concerns any of them.';
