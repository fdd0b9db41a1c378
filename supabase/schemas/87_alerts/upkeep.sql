-- What happens to alerts without a new value: levels move, alerts expire, alerts that were held back may fire, and the
-- history of quotes gets old.

create function push.restart_alerts_at_levels(p_symbols text[], p_levels text[], p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- See push.crossed_alerts().
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_ids uuid[];
  v_count integer;
begin
  -- Ranges of an index, for those that stand elsewhere: the tick asks this of levels that have not moved since.
  select array_agg(f.id) into v_ids
  from (select distinct k.symbol, k.level from unnest(p_symbols, p_levels) as k (symbol, level)) as m
  cross join lateral (
    -- Here and below, what stands alone in a select is looked up by key, whatever the planner believes.
    select (
      select l.value from public.push_levels as l where l.symbol = m.symbol collate "C" and l.level = m.level collate "C"
    ) as value offset 0
  ) as l
  cross join lateral (
    select a.id from public.push_alerts as a
    where a.enabled and a.symbol = m.symbol collate "C" and a.level = m.level collate "C" and a.level_price < l.value
    union all
    select a.id from public.push_alerts as a
    where a.enabled and a.symbol = m.symbol collate "C" and a.level = m.level collate "C" and a.level_price > l.value
    union all
    select a.id from public.push_alerts as a
    where a.enabled and a.symbol = m.symbol collate "C" and a.level = m.level collate "C" and a.level_price is null
      and l.value is not null
    union all
    select a.id from public.push_alerts as a
    where a.enabled and a.symbol = m.symbol collate "C" and a.level = m.level collate "C" and a.level_price is not null
      and l.value is null
  ) as f;
  if v_ids is null then
    return 0;
  end if;
  -- An alert that another transaction is changing follows with its next value, or within a minute.
  v_ids := push.lock_alerts(v_ids);
  with begun as materialized (
    select n.*
    from unnest(v_ids) as m (id)
    join public.push_alerts as a on a.id = m.id and a.level is not null
    cross join lateral (
      select (select l.value from public.push_levels as l where l.symbol = a.symbol and l.level = a.level) as value offset 0
    ) as l
    cross join lateral push.begin_alert(a, l.value, push.value_for(a, p_now)) as n
    where a.level_price is distinct from l.value
  )
  update public.push_alerts as a
  set level_price = b.level_price,
      armed = b.armed,
      last_side = b.last_side,
      held_until = b.held_until,
      upper_line = b.upper_line,
      upper_edge = b.upper_edge,
      lower_line = b.lower_line,
      lower_edge = b.lower_edge
  from begun as b
  where a.id = b.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.restart_alerts_at_levels(text[], text[], timestamptz) is
  'Begins alerts anew at levels that have moved, appeared or gone, without firing; returns how many.';

create function push.restart_alerts_at_new_levels()
returns trigger
language plpgsql
-- Definer: the service that writes levels may not write how alerts stand.
security definer
set search_path = ''
as $$
begin
  perform push.restart_alerts_at_levels(array_agg(l.symbol), array_agg(l.level), max(l.updated_at)) from push_new_levels as l;
  return null;
end;
$$;
comment on function push.restart_alerts_at_new_levels() is 'Lets alerts follow the levels that a statement has written.';

create function push.restart_alerts_at_old_levels()
returns trigger
language plpgsql
-- Definer: as push.restart_alerts_at_new_levels().
security definer
set search_path = ''
as $$
begin
  perform push.restart_alerts_at_levels(array_agg(l.symbol), array_agg(l.level)) from push_old_levels as l;
  return null;
end;
$$;
comment on function push.restart_alerts_at_old_levels() is 'Lets alerts wait whose levels a statement has deleted or renamed.';

create trigger push_levels_restart_new
after insert on public.push_levels
referencing new table as push_new_levels
for each statement execute function push.restart_alerts_at_new_levels();

create trigger push_levels_restart_changed
after update on public.push_levels
referencing new table as push_new_levels
for each statement execute function push.restart_alerts_at_new_levels();

create trigger push_levels_restart_renamed
after update on public.push_levels
referencing old table as push_old_levels
for each statement execute function push.restart_alerts_at_old_levels();

create trigger push_levels_restart_deleted
after delete on public.push_levels
referencing old table as push_old_levels
for each statement execute function push.restart_alerts_at_old_levels();

create function push.fire_missed_alerts(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- See push.crossed_alerts().
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_ids uuid[];
  v_firings push.firing[];
  v_fresh_after timestamptz;
begin
  -- One at a time: two would count in the same rows (push.alert_counts).
  if not pg_try_advisory_xact_lock(hashtextextended('supapush.fire_missed_alerts', 0)) then
    return 0;
  end if;
  select p_now - s.quote_stale_after into v_fresh_after from push.settings as s;
  select array_agg(f.id) into v_ids
  from (
    (
      select a.id
      from public.push_alerts as a
      where a.held_until <= p_now
        and (select q.lasting or q.quoted_at > v_fresh_after from public.push_quotes as q where q.symbol = a.symbol)
      order by a.held_until
      limit p_limit
    )
    union
    select c.id
    from (
      select array_agg(q.symbol) as symbols, array_agg(q.value) as prices, array_agg(q.quoted_at) as times
      from public.push_quotes as q
      -- Longer than any transaction takes to change an alert.
      where q.recorded_at > p_now - interval '10 minutes' and q.quoted_at > v_fresh_after
    ) as l
    cross join lateral push.crossed_alerts(l.symbols, l.prices, l.times) as c
  ) as f;
  if v_ids is null then
    return 0;
  end if;
  -- The last values are read after the lock: a transaction that writes one from now on skips these alerts.
  v_ids := push.lock_alerts(v_ids);
  v_firings := push.step_alerts(array(
    select row(a.id, a.symbol, a.window_minutes, q.value, m.measure)::push.crossing
    from unnest(v_ids) as h (id)
    -- See push.crossed_alerts().
    cross join lateral (select l.* from public.push_alerts as l where l.id = h.id offset 0) as a
    cross join lateral (select l.* from public.push_quotes as l where l.symbol = a.symbol offset 0) as q
    cross join lateral (
      select case when a.window_minutes > 0 then push.change_of(a.symbol, a.window_minutes, q.value, q.quoted_at) else q.value end as measure
    ) as m
    where m.measure is not null
  ), p_now);
  return push.tell_alerts(v_firings, true, p_now);
end;
$$;
comment on function push.fire_missed_alerts(integer, timestamptz) is
  'Fires alerts that cooldown or active hours have held back, if the condition still holds at the last value and that is fresh or lasting, and '
  'evaluates last values that alerts have missed because they were being changed; returns how many fired.';

create function push.expire_alerts(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- See push.crossed_alerts().
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_count integer;
begin
  update public.push_alerts as a
  set enabled = false, disabled_reason = 'expired', armed = false, held_until = null,
      upper_line = null, upper_edge = null, lower_line = null, lower_edge = null
  where a.id in (
    select o.id from public.push_alerts as o
    where o.enabled and o.expires_at <= p_now
    order by o.expires_at
    limit p_limit
    for no key update skip locked
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.expire_alerts(integer, timestamptz) is 'Ends alerts that have expired; returns how many.';

create function push.tick_alerts(p_limit integer default 10000, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
-- See push.crossed_alerts().
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_expired integer;
  v_levels integer;
  v_fired integer;
  v_old_before timestamptz;
  v_quotes integer;
  v_sessions integer;
  v_summaries integer;
begin
  v_expired := push.expire_alerts(p_limit, p_now);
  v_levels := push.apply_sessions(p_limit, p_now);
  -- An alert that was made while its level moved has read the one before, and the move has not seen it.
  perform push.restart_alerts_at_levels(array_agg(l.symbol), array_agg(l.level), p_now)
  from public.push_levels as l where l.updated_at > p_now - interval '10 minutes';
  -- Read before: joined with the settings, the whole history would be looked through.
  select p_now - s.keep_quotes into v_old_before from push.settings as s;
  -- More than of the others: every quote leaves a row.
  delete from push.quote_history as h
  where (h.symbol, h.quoted_at) in (
    select o.symbol, o.quoted_at from push.quote_history as o
    where o.quoted_at <= v_old_before
    order by o.quoted_at
    limit p_limit * 5
    for update skip locked
  );
  get diagnostics v_quotes = row_count;
  delete from push.sessions as d
  where (d.symbol, d.session_date) in (
    select o.symbol, o.session_date from push.sessions as o
    where o.applied_at <= p_now - interval '30 days'
    order by o.applied_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_sessions = row_count;
  -- Last, since these locks are those that users could wait for.
  v_fired := push.fire_missed_alerts(p_limit, p_now);
  -- After what may wait for a limit: writers of quotes could wait for these counts.
  v_summaries := push.tell_folded_alerts(p_limit, p_now);
  update push.alarms as a set resolved_at = p_now
  where a.code = 'alert_template_failed' and a.resolved_at is null
    and a.subject not in (
      select t.key from push.settings as s cross join unnest(array[s.alert_template, s.alert_level_template, s.alert_summary_template]) as t (key)
      where t.key is not null
    );
  -- Messages that failed are not sent later. After an hour without another failure the cause counts as gone.
  update push.alarms as a set resolved_at = p_now
  where a.code in ('alert_not_told', 'alert_failed') and a.resolved_at is null and a.last_seen_at <= p_now - interval '1 hour';
  return jsonb_build_object(
    'expired', v_expired, 'levels', v_levels, 'fired', v_fired, 'summaries', v_summaries, 'quotes_deleted', v_quotes, 'sessions_deleted', v_sessions
  );
end;
$$;
comment on function push.tick_alerts(integer, timestamptz) is
  'What alerts need that no quote brings: expiry, levels of the new day, how many more have fired, what was held back, and an end to old '
  'quotes. Run by pg_cron.';
