-- Supapush: what happens to alerts without a new value: levels move, alerts expire, what was held back may be told, and the
-- history of quotes gets old.

create function push.follow_levels(p_symbols text[], p_levels text[], p_now timestamptz default clock_timestamp())
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
  select array_agg(a.id) into v_ids
  from (select distinct k.symbol, k.level from unnest(p_symbols, p_levels) as k (symbol, level)) as m
  join public.push_alerts as a on a.enabled and a.symbol = m.symbol collate "C" and a.level = m.level collate "C"
  left join public.push_levels as l on l.symbol = a.symbol and l.level = a.level
  where a.level_price is distinct from l.value;
  if v_ids is null then
    return 0;
  end if;
  -- The values stand still meanwhile: on which side of the new level an alert begins is decided by the last one.
  perform from public.push_quotes as q
  where q.symbol = any (p_symbols) order by q.symbol for no key update;
  perform push.lock_alerts(v_ids);
  with begun as materialized (
    select n.*
    from unnest(v_ids) as m (id)
    join public.push_alerts as a on a.id = m.id and a.level is not null
    left join public.push_levels as l on l.symbol = a.symbol and l.level = a.level
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
comment on function push.follow_levels(text[], text[], timestamptz) is
  'Begins alerts anew at levels that have moved, appeared or gone, without firing; returns how many.';

create function push.follow_new_levels()
returns trigger
language plpgsql
-- Definer: the service that writes levels may not write how alerts stand.
security definer
set search_path = ''
as $$
begin
  perform push.follow_levels(array_agg(l.symbol), array_agg(l.level), max(l.updated_at)) from push_new_levels as l;
  return null;
end;
$$;
comment on function push.follow_new_levels() is 'Lets alerts follow the levels that a statement has written.';

create function push.follow_old_levels()
returns trigger
language plpgsql
-- Definer: as push.follow_new_levels().
security definer
set search_path = ''
as $$
begin
  perform push.follow_levels(array_agg(l.symbol), array_agg(l.level)) from push_old_levels as l;
  return null;
end;
$$;
comment on function push.follow_old_levels() is 'Lets alerts wait whose levels a statement has deleted or renamed.';

create trigger push_levels_follow_new
after insert on public.push_levels
referencing new table as push_new_levels
for each statement execute function push.follow_new_levels();

create trigger push_levels_follow_changed
after update on public.push_levels
referencing new table as push_new_levels
for each statement execute function push.follow_new_levels();

create trigger push_levels_follow_renamed
after update on public.push_levels
referencing old table as push_old_levels
for each statement execute function push.follow_old_levels();

create trigger push_levels_follow_deleted
after delete on public.push_levels
referencing old table as push_old_levels
for each statement execute function push.follow_old_levels();

create function push.release_alerts(p_limit integer, p_now timestamptz default clock_timestamp())
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
  v_symbols text[];
  v_fired integer;
begin
  select array_agg(h.id), array_agg(distinct h.symbol) into v_ids, v_symbols
  from (
    select a.id, a.symbol
    from public.push_alerts as a
    cross join push.settings as s
    join public.push_quotes as q on q.symbol = a.symbol and q.quoted_at > p_now - s.quote_stale_after
    where a.held_until <= p_now
    order by a.held_until
    limit p_limit
  ) as h;
  if v_ids is null then
    return 0;
  end if;
  perform from public.push_quotes as q where q.symbol = any (v_symbols) order by q.symbol for no key update;
  select push.settle_alerts(
    array_agg(a.id), array_agg(a.symbol), array_agg(a.window_minutes), array_agg(q.value), array_agg(q.value), p_now
  )
  into v_fired
  from unnest(v_ids) as h (id)
  join public.push_alerts as a on a.id = h.id and a.held_until <= p_now
  join public.push_quotes as q on q.symbol = a.symbol;
  return v_fired;
end;
$$;
comment on function push.release_alerts(integer, timestamptz) is
  'Tells what cooldown or active hours have held back, if it still holds at the last value and that is fresh; returns how many fired.';

create function push.expire_alerts(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
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

create function push.tend_alerts(p_limit integer default 10000, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_expired integer;
  v_levels integer;
  v_fired integer;
  v_quotes integer;
  v_sessions integer;
begin
  v_expired := push.expire_alerts(p_limit, p_now);
  v_levels := push.apply_sessions(p_limit, p_now);
  -- An alert that was made while its level moved has read the one before, and the move has not seen it.
  perform push.follow_levels(array_agg(l.symbol), array_agg(l.level), p_now)
  from public.push_levels as l where l.updated_at > p_now - interval '10 minutes';
  v_fired := push.release_alerts(p_limit, p_now);
  -- More than of the others: every quote leaves a row.
  delete from push.quote_history as h
  where (h.symbol, h.quoted_at) in (
    select o.symbol, o.quoted_at from push.quote_history as o
    cross join push.settings as s
    where o.quoted_at <= p_now - s.keep_quotes
    order by o.quoted_at
    limit p_limit * 5
    for update of o skip locked
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
  return jsonb_build_object(
    'expired', v_expired, 'levels', v_levels, 'fired', v_fired, 'quotes_deleted', v_quotes, 'sessions_deleted', v_sessions
  );
end;
$$;
comment on function push.tend_alerts(integer, timestamptz) is
  'What alerts need that no quote brings: expiry, levels of the new day, what was held back, and an end to old quotes. Run by pg_cron.';

select cron.schedule('supapush-alerts', '* * * * *', 'select push.tend_alerts()');

revoke all on all functions in schema push from public;
