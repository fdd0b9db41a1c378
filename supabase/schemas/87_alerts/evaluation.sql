-- Evaluation. A new value finds the lines it crosses, and their alerts are locked, stepped and notified in the
-- transaction that writes the value.
--
-- A writer holds the row of the symbol in push_quotes, so the values of one symbol are evaluated one after the other.
-- Users change their alerts without that lock. An alert that is made or changed while a value is written sees the value
-- before, and the value does not wait for it: the alert is evaluated with the next value, or within a minute, when all
-- symbols quoted lately are evaluated once more (push.fire_missed_alerts()). So no user can hold up the quotes of all others.

create function push.crossed_alerts(
  p_symbols text[], p_values double precision[], p_times timestamptz[]
)
returns setof push.crossing
language plpgsql
stable
set search_path = ''
-- Two short ranges of an index for each value, however many alerts wait. The planner does not know how short, or keeps a
-- plan from when there was next to none, and would read them all.
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
    -- A change is computed once for all who wait for one over the same window, as push.change_of() does, which would cost a
    -- call for each. From one window to the next by index.
    select q.symbol, w.minutes, q.value, (
      select case when h.symbol = q.symbol then push.change_between(h.value, q.value) end
      from push.quote_history as h
      where (h.symbol, h.quoted_at) <= (q.symbol collate "C", q.quoted_at - make_interval(mins => w.minutes))
      order by h.symbol desc, h.quoted_at desc
      limit 1
    )
    from quote as q
    cross join lateral (
      with recursive window_of as (
        (
          select a.window_minutes from public.push_alerts as a
          where a.symbol = q.symbol collate "C" and a.enabled and a.window_minutes > 0
          order by a.window_minutes
          limit 1
        )
        union all
        select n.window_minutes
        from window_of as o
        cross join lateral (
          select a.window_minutes from public.push_alerts as a
          where a.symbol = q.symbol collate "C" and a.enabled and a.window_minutes > 0 and a.window_minutes > o.window_minutes
          order by a.window_minutes
          limit 1
        ) as n
      )
      select o.window_minutes as minutes from window_of as o
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
  'The alerts of which these values cross a line.';

create function push.lock_alerts(p_ids uuid[])
returns uuid[]
language plpgsql
set search_path = ''
as $$
begin
  -- Nothing is waited for: see above. With their users, who could be about to be deleted; a message would wait for that,
  -- and the deletion for the alert.
  return array(
    select i.id
    from unnest(p_ids) as i (id)
    cross join lateral (
      select a.user_id from public.push_alerts as a where a.id = i.id for no key update skip locked
    ) as a
    cross join lateral (select from auth.users as u where u.id = a.user_id for key share skip locked) as u
  );
end;
$$;
comment on function push.lock_alerts(uuid[]) is
  'Locks alerts until the end of the transaction, except those that another transaction is changing; returns the locked ones.';

create function push.step_alerts(p_crossings push.crossing[], p_now timestamptz)
returns push.firing[]
language plpgsql
set search_path = ''
-- By key: see push.crossed_alerts().
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_locked push.crossing[];
  v_half constant integer := cardinality(p_crossings) / 2;
  v_firings push.firing[];
begin
  if cardinality(p_crossings) is null or cardinality(p_crossings) = 0 then
    return '{}'::push.firing[];
  end if;
  -- As push.lock_alerts(). Beside it, and not by it, since what goes with each is needed as well.
  v_locked := array(
    select k from unnest(p_crossings) as k
    cross join lateral (
      select a.user_id from public.push_alerts as a where a.id = k.id for no key update skip locked
    ) as a
    cross join lateral (select from auth.users as u where u.id = a.user_id for key share skip locked) as u
  );
  -- A look of its own after the lock: what users have changed meanwhile is visible now.
  with stepped as materialized (
    select n.*, n.generation > a.generation as has_fired, c.price,
      case when a.window_minutes > 0 then c.measure else push.change_between(a.level_price, c.price) end as change
    from unnest(v_locked) as c
    join public.push_alerts as a on a.id = c.id and a.symbol = c.symbol collate "C" and a.window_minutes = c.window_minutes
    cross join lateral push.step_alert(
      a,
      case when a.level is null then a.level_price else (
        select l.value from public.push_levels as l where l.symbol = a.symbol and l.level = a.level
      ) end,
      c.measure, p_now
    ) as n
  ), changed as (
    update public.push_alerts as a
    set enabled = s.enabled,
        armed = s.armed,
        last_side = s.last_side,
        level_price = s.level_price,
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
  select array_agg(row(s.id, s.user_id, s.symbol, s.generation, s.last_side, s.level_price, s.price, s.change)::push.firing)
  into v_firings
  from stepped as s
  where s.has_fired;
  return coalesce(v_firings, '{}');
exception
  when serialization_failure or deadlock_detected or lock_not_available then
    -- Not about these alerts: the writer of the quotes writes them again.
    raise;
  when others then
    if v_half > 0 then
      -- One that cannot be evaluated keeps neither the others from firing nor quotes from being recorded.
      return push.step_alerts(p_crossings[:v_half], p_now) || push.step_alerts(p_crossings[v_half + 1:], p_now);
    end if;
    perform push.raise_alarm('alert_failed', '', format('Alert %s could not be evaluated and was switched off: %s', p_crossings[1].id, sqlerrm));
    -- It would be in the way of each quote that follows.
    update public.push_alerts as a
    set enabled = false, disabled_reason = 'failed', armed = false, held_until = null,
        upper_line = null, upper_edge = null, lower_line = null, lower_edge = null
    where a.id = p_crossings[1].id;
    return '{}'::push.firing[];
end;
$$;
comment on function push.step_alerts(push.crossing[], timestamptz) is
  'Takes each of these alerts through its value; returns those that fire, to be told by push.tell_alerts().';

create function push.fire_alerts_on_quotes()
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
  v_firings push.firing[];
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
  v_firings := push.step_alerts(array(select c from push.crossed_alerts(v_symbols, v_values, v_times) as c), v_now);
  if nullif(current_setting('push.alerts_fired', true), '') is null then
    perform push.tell_alerts(v_firings, false, v_now);
  elsif v_firings <> '{}' then
    perform set_config('push.alerts_fired', (current_setting('push.alerts_fired')::push.firing[] || v_firings)::text, true);
  end if;
  return null;
end;
$$;
comment on function push.fire_alerts_on_quotes() is
  'Fires what new values cross, once per statement, and keeps the values in the history. push_record_quotes() tells of it itself.';

create trigger push_quotes_fire_new
after insert on public.push_quotes
referencing new table as push_new_quotes
for each statement execute function push.fire_alerts_on_quotes();

create trigger push_quotes_fire_changed
after update on public.push_quotes
referencing new table as push_new_quotes
for each statement execute function push.fire_alerts_on_quotes();

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

revoke all on function public.push_watched_symbols(timestamptz) from public, anon, authenticated;
grant execute on function public.push_watched_symbols(timestamptz) to service_role;
