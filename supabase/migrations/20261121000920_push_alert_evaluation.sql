-- Supapush: evaluation. A new value finds the lines it crosses, and what it finds is locked, stepped and told in the
-- transaction that writes the value.
--
-- A writer holds the row of the symbol in push_quotes, so that of one symbol the values are looked at one after the
-- other. Users change their alerts without that lock: an alert that is made while a value is written sees the one before,
-- and hears of a crossing with the next.

create function push.crossed_alerts(
  p_symbols text[], p_values double precision[], p_times timestamptz[]
)
returns table (id uuid, symbol text, window_minutes integer, price double precision, measure double precision)
language plpgsql
stable
set search_path = ''
-- Two short ranges of an index for each value, however many alerts wait. The planner does not know how short, and would
-- read them all.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set jit = off
as $$
begin
  return query
  with quote as (
    select q.symbol, q.value, q.quoted_at
    from unnest(p_symbols, p_values, p_times) as q (symbol, value, quoted_at)
  ), series as (
    select q.symbol, 0 as window_minutes, q.value as price, q.value as measure from quote as q
    union all
    -- A change is computed once for all who wait for one over the same window. From one window to the next by index.
    select q.symbol, w.minutes, q.value, push.change_of(q.symbol, w.minutes, q.value, q.quoted_at)
    from quote as q
    cross join lateral (
      with recursive window_of (minutes) as (
        select (
          select min(a.window_minutes) from public.push_alerts as a
          where a.symbol = q.symbol collate "C" and a.enabled and a.window_minutes > 0
        )
        union all
        select (
          select min(a.window_minutes) from public.push_alerts as a
          where a.symbol = q.symbol collate "C" and a.enabled and a.window_minutes > 0 and a.window_minutes > o.minutes
        )
        from window_of as o
        where o.minutes is not null
      )
      select o.minutes from window_of as o where o.minutes is not null
    ) as w
  )
  select c.id, s.symbol, s.window_minutes, s.price, s.measure
  from series as s
  cross join lateral (
    select a.id from public.push_alerts as a
    where a.symbol = s.symbol collate "C" and a.window_minutes = s.window_minutes
      and a.upper_line is not null and (a.upper_line, a.upper_edge) <= (s.measure, 0::smallint)
    union all
    select a.id from public.push_alerts as a
    where a.symbol = s.symbol collate "C" and a.window_minutes = s.window_minutes
      and a.lower_line is not null and (a.lower_line, a.lower_edge) >= (s.measure, 1::smallint)
  ) as c;
end;
$$;
comment on function push.crossed_alerts(text[], double precision[], timestamptz[]) is
  'The alerts of which these values cross a line: id, and the value that crossed it, which over a window is the change in percent.';

create function push.lock_alerts(p_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  for v_attempt in 1 .. 3 loop
    begin
      -- In one order, so that writers of values never wait for each other in a circle. Users who change several alerts of
      -- theirs have an order of their own: then one of the two gives way, here and not for the whole batch.
      perform from public.push_alerts as a where a.id = any (p_ids) order by a.id for no key update;
      return;
    exception when deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end;
$$;
comment on function push.lock_alerts(uuid[]) is 'Keeps alerts from being changed until the end of the transaction.';

create function push.settle_alerts(
  p_ids uuid[], p_symbols text[], p_windows integer[], p_prices double precision[], p_measures double precision[], p_now timestamptz
)
returns integer
language plpgsql
set search_path = ''
-- By key: see push.crossed_alerts().
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_ids uuid[];
  v_prices double precision[];
  v_changes double precision[];
  v_template text;
begin
  if cardinality(p_ids) is null or cardinality(p_ids) = 0 then
    return 0;
  end if;
  perform push.lock_alerts(p_ids);
  -- A look of its own after the lock: what users have changed meanwhile is visible now.
  with stepped as materialized (
    select n.*, n.generation > a.generation as has_fired, c.price,
      case when a.window_minutes > 0 then c.measure else (c.price - nullif(a.level_price, 0)) / abs(a.level_price) * 100 end as change
    from unnest(p_ids, p_symbols, p_windows, p_prices, p_measures) as c (id, symbol, window_minutes, price, measure)
    join public.push_alerts as a on a.id = c.id and a.symbol = c.symbol collate "C" and a.window_minutes = c.window_minutes
    cross join lateral push.step_alert(a, c.measure, p_now) as n
  ), changed as (
    update public.push_alerts as a
    set enabled = s.enabled,
        armed = s.armed,
        last_side = s.last_side,
        upper_line = s.upper_line,
        upper_edge = s.upper_edge,
        lower_line = s.lower_line,
        lower_edge = s.lower_edge,
        last_fired_at = s.last_fired_at,
        times_fired = s.times_fired,
        held_back = s.held_back,
        held_until = s.held_until,
        disabled_reason = s.disabled_reason,
        generation = s.generation
    from stepped as s
    where a.id = s.id
  )
  select array_agg(s.id), array_agg(s.price), array_agg(s.change)
  into v_ids, v_prices, v_changes
  from stepped as s
  where s.has_fired;
  if v_ids is null then
    return 0;
  end if;
  select s.alert_template into v_template from push.settings as s;
  return push.tell_alerts(v_ids, v_prices, v_changes, v_template);
end;
$$;
comment on function push.settle_alerts(uuid[], text[], integer[], double precision[], double precision[], timestamptz) is
  'Takes each of these alerts through its value, and tells of those that fire; returns how many.';

create function push.follow_quotes()
returns trigger
language plpgsql
-- Definer: the service that writes quotes has no access to schema push, nor to how alerts stand.
security definer
set search_path = ''
as $$
declare
  v_symbols text[];
  v_values double precision[];
  v_times timestamptz[];
  v_now timestamptz;
  v_fired integer;
begin
  insert into push.quote_history (symbol, quoted_at, value)
  select q.symbol, q.quoted_at, q.value from push_new_quotes as q
  on conflict do nothing;
  select array_agg(q.symbol), array_agg(q.value), array_agg(q.quoted_at), max(q.recorded_at)
  into v_symbols, v_values, v_times, v_now
  from push_new_quotes as q
  cross join push.settings as s
  where q.quoted_at > q.recorded_at - s.quote_stale_after;
  if v_symbols is null then
    return null;
  end if;
  select push.settle_alerts(
    array_agg(c.id), array_agg(c.symbol), array_agg(c.window_minutes), array_agg(c.price), array_agg(c.measure), v_now
  )
  into v_fired
  from push.crossed_alerts(v_symbols, v_values, v_times) as c;
  perform set_config('push.alerts_fired',
    (coalesce(nullif(current_setting('push.alerts_fired', true), '')::integer, 0) + v_fired)::text, true);
  return null;
end;
$$;
comment on function push.follow_quotes() is
  'Fires what new values cross, once per statement, and keeps the values in the history. Leaves their number to push_record_quotes().';

create trigger push_quotes_follow_new
after insert on public.push_quotes
referencing new table as push_new_quotes
for each statement execute function push.follow_quotes();

create trigger push_quotes_follow_changed
after update on public.push_quotes
referencing new table as push_new_quotes
for each statement execute function push.follow_quotes();

create function public.push_watched_symbols(p_now timestamptz default clock_timestamp())
returns table (symbol text)
language sql
stable
-- Definer: the service learns which symbols are watched, not by whom.
security definer
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
  -- From one symbol to the next by index, past however many alerts.
  with recursive watched (symbol) as (
    select (select min(a.symbol) from public.push_alerts as a where a.enabled)
    union all
    select (select min(a.symbol) from public.push_alerts as a where a.enabled and a.symbol > w.symbol)
    from watched as w
    where w.symbol is not null
  )
  select w.symbol from watched as w
  where exists (
    select from public.push_alerts as a
    where a.enabled and a.symbol = w.symbol and (a.expires_at is null or a.expires_at > p_now)
  );
$$;
comment on function public.push_watched_symbols(timestamptz) is
  'Symbols that an alert waits for, is armed for again, or whose level is not known yet. Service role only.';

revoke all on all functions in schema push from public;
revoke all on function public.push_watched_symbols(timestamptz) from public, anon, authenticated;
grant execute on function public.push_watched_symbols(timestamptz) to service_role;
