-- Supapush: how an alert stands, and what one value makes of that. Nothing here reads or writes a table but the trigger at
-- the end: an alert and a value go in, the alert as it then stands comes out.
--
--   armed ──the value gets to the threshold──► fires (or is held back) ──► waits ──it is back by the hysteresis──► armed
--
-- What crosses both ways (crosses) is armed again once the value has left the threshold by the hysteresis, on either side.

create type push.firing as (
  id uuid,
  user_id uuid,
  symbol text,
  generation integer,
  side text,
  level_price double precision,
  price double precision,
  change double precision
);
comment on type push.firing is 'An alert that has fired, with what its message is made of. Arrays of these travel faster than JSON.';

create function push.alert_kind(p_alert public.push_alerts)
returns text
-- A function in SQL that is called from one in plpgsql costs twice as much, and this is called for each step.
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_alert.condition = 'percent_change' then case p_alert.direction when 'up' then 'up' when 'down' then 'down' else 'outside' end
    when coalesce(p_alert.level_condition, p_alert.condition) in ('above', 'crosses_above') then 'up'
    when coalesce(p_alert.level_condition, p_alert.condition) in ('below', 'crosses_below') then 'down'
    else 'both'
  end;
end;
$$;
comment on function push.alert_kind(public.push_alerts) is
  'Which crossings fire: up, down, both (of one threshold), outside (up over it, or down over its negative).';

create function push.with_lines(p_alert public.push_alerts)
returns public.push_alerts
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_alert public.push_alerts := p_alert;
  v_kind text := push.alert_kind(p_alert);
  v_at double precision := case when v_kind = 'down' and p_alert.condition = 'percent_change' then -p_alert.level_price else p_alert.level_price end;
  v_margin numeric;
  v_above double precision := v_at;
  v_below double precision := v_at;
begin
  v_alert.upper_line := null;
  v_alert.upper_edge := null;
  v_alert.lower_line := null;
  v_alert.lower_edge := null;
  if not v_alert.enabled or v_alert.level_price is null then
    return v_alert;
  elsif v_alert.last_side is null then
    v_alert.upper_line := '-infinity';
    v_alert.upper_edge := 0;
  elsif v_alert.armed then
    -- To reach the threshold is enough: the upper line is just below it, the lower one just above.
    if v_kind in ('up', 'outside') or (v_kind = 'both' and v_alert.last_side = 'below') then
      v_alert.upper_line := v_at;
      v_alert.upper_edge := 0;
    end if;
    if v_kind in ('down', 'outside') or (v_kind = 'both' and v_alert.last_side = 'above') then
      v_alert.lower_line := case when v_kind = 'outside' then -v_at else v_at end;
      v_alert.lower_edge := 1;
    end if;
  else
    if v_alert.hysteresis > 0 then
      -- Reckoned in decimals: in binary ones 0.7 + 0.1 is less than 0.8.
      v_margin := push.decimal(v_alert.hysteresis)
        * case v_alert.hysteresis_unit when 'percent' then abs(push.decimal(v_at)) / 100 else 1 end;
      v_above := push.decimal(v_at) + v_margin;
      v_below := push.decimal(v_at) - v_margin;
    end if;
    -- To get back is more than to be there, or a value that stays at its threshold would fire again and again.
    if v_kind in ('down', 'both') then
      v_alert.upper_line := v_above;
      v_alert.upper_edge := 1;
    elsif v_kind = 'outside' and v_alert.last_side = 'below' then
      -- Or right to the other end, which may be nearer.
      v_alert.upper_line := least(-v_below, v_at);
      v_alert.upper_edge := case when -v_below < v_at then 1 else 0 end;
    end if;
    if v_kind in ('up', 'both') then
      v_alert.lower_line := v_below;
      v_alert.lower_edge := 0;
    elsif v_kind = 'outside' and v_alert.last_side = 'above' then
      v_alert.lower_line := greatest(v_below, -v_at);
      v_alert.lower_edge := case when v_below > -v_at then 0 else 1 end;
    end if;
  end if;
  return v_alert;
end;
$$;
comment on function push.with_lines(public.push_alerts) is 'An alert with the lines that it waits for as it stands.';

create function push.begin_alert(p_alert public.push_alerts, p_level_price double precision, p_value double precision)
returns public.push_alerts
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_alert public.push_alerts := p_alert;
  v_kind text := push.alert_kind(p_alert);
  v_at double precision := case when v_kind = 'down' and p_alert.condition = 'percent_change' then -p_level_price else p_level_price end;
begin
  v_alert.level_price := p_level_price;
  v_alert.held_until := null;
  v_alert.last_side := case
    when not v_alert.enabled then null
    when v_kind = 'outside' then
      case when p_value >= v_at then 'above' when p_value <= -v_at then 'below' when p_value is not null then 'between' end
    when p_value > v_at or (v_kind = 'up' and p_value = v_at) then 'above'
    when p_value < v_at or (v_kind = 'down' and p_value = v_at) then 'below'
    when p_value = v_at then 'at'
  end;
  v_alert.armed := coalesce(case v_kind
    when 'up' then v_alert.last_side = 'below'
    when 'down' then v_alert.last_side = 'above'
    when 'both' then v_alert.last_side <> 'at'
    else v_alert.last_side = 'between'
  end, false);
  return push.with_lines(v_alert);
end;
$$;
comment on function push.begin_alert(public.push_alerts, double precision, double precision) is
  'An alert at its first value: on which side it is, and so what it waits for. Nothing fires. Null: the level or the value is not known yet.';

create function push.opens_at(p_alert public.push_alerts, p_now timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
declare
  v_zone text := p_alert.timezone;
  v_local timestamp;
begin
  -- Unless it fired by a clock that was set back since.
  if p_alert.last_fired_at + p_alert.cooldown > p_now and p_alert.last_fired_at <= p_now + interval '1 minute' then
    return p_alert.last_fired_at + p_alert.cooldown;
  elsif p_alert.active_from is null then
    return null;
  end if;
  begin
    v_local := p_now at time zone p_alert.timezone;
  exception when invalid_parameter_value then
    -- A new release of Postgres may have dropped the zone: that must not stop the quotes of everybody else.
    v_zone := 'UTC';
    v_local := p_now at time zone v_zone;
  end;
  if (p_alert.active_from < p_alert.active_until and v_local::time >= p_alert.active_from and v_local::time < p_alert.active_until)
    -- Over midnight.
    or (p_alert.active_from > p_alert.active_until and (v_local::time >= p_alert.active_from or v_local::time < p_alert.active_until))
  then
    return null;
  end if;
  return (v_local::date + case when v_local::time < p_alert.active_from then 0 else 1 end + p_alert.active_from)
    at time zone v_zone;
end;
$$;
comment on function push.opens_at(public.push_alerts, timestamptz) is
  'Until when cooldown or active hours hold an alert back (then the other may still); null when it may fire now.';

create function push.ring_alert(p_alert public.push_alerts, p_now timestamptz)
returns public.push_alerts
language plpgsql
stable
set search_path = ''
as $$
declare
  v_alert public.push_alerts := p_alert;
  v_opens_at timestamptz := push.opens_at(p_alert, p_now);
begin
  if v_opens_at is not null then
    -- Told again and again that it has to wait, it was held back once.
    v_alert.held_back := v_alert.held_back + case when v_alert.held_until is null then 1 else 0 end;
    v_alert.held_until := case
      when coalesce(v_alert.level_condition, v_alert.condition) in ('above', 'below') then v_opens_at
    end;
  else
    v_alert.held_until := null;
    v_alert.last_fired_at := p_now;
    v_alert.times_fired := v_alert.times_fired + 1;
    v_alert.generation := v_alert.generation + 1;
    if not v_alert.recurring then
      v_alert.enabled := false;
      v_alert.armed := false;
      v_alert.disabled_reason := 'fired';
    end if;
  end if;
  return push.with_lines(v_alert);
end;
$$;
comment on function push.ring_alert(public.push_alerts, timestamptz) is
  'An alert whose threshold was crossed: fired (its generation is the next), or held back.';

create function push.step_alert(
  p_alert public.push_alerts, p_level_price double precision, p_value double precision, p_now timestamptz
)
returns public.push_alerts
language plpgsql
stable
set search_path = ''
as $$
declare
  v_alert public.push_alerts := p_alert;
  v_kind text := push.alert_kind(p_alert);
  -- Lines stand for the comparisons: what reaches the upper one is above it, also by the edge.
  v_rises boolean := coalesce((p_alert.upper_line, p_alert.upper_edge) <= (p_value, 0::smallint), false);
  v_falls boolean := coalesce((p_alert.lower_line, p_alert.lower_edge) >= (p_value, 1::smallint), false);
  v_next public.push_alerts;
begin
  if not v_alert.enabled then
    return v_alert;
  elsif v_alert.expires_at <= p_now then
    v_alert.enabled := false;
    v_alert.armed := false;
    v_alert.held_until := null;
    v_alert.disabled_reason := 'expired';
    return push.with_lines(v_alert);
  elsif v_alert.last_side is null or p_level_price is distinct from v_alert.level_price then
    -- The level has moved while somebody was changing the alert, and takes it along now.
    return push.begin_alert(v_alert, p_level_price, p_value);
  end if;

  if not (v_rises or v_falls) then
    if v_alert.held_until <= p_now then
      -- Still there: told now. Come back within the hysteresis: it was never told, so it is armed.
      v_next := push.begin_alert(v_alert, v_alert.level_price, p_value);
      return case when v_next.armed then v_next else push.ring_alert(v_alert, p_now) end;
    end if;
    return v_alert;
  end if;

  if not v_alert.armed then
    v_next := push.begin_alert(v_alert, v_alert.level_price, p_value);
    if v_next.armed or v_kind <> 'outside' then
      return v_next;
    end if;
  end if;
  v_alert.last_side := case when v_rises then 'above' else 'below' end;
  v_alert.armed := false;
  if v_kind = 'both' then
    -- What has gone through beyond the hysteresis waits for the way back at once.
    v_next := push.with_lines(v_alert);
    v_alert.armed := coalesce(
      (v_next.upper_line, v_next.upper_edge) <= (p_value, 0::smallint) or (v_next.lower_line, v_next.lower_edge) >= (p_value, 1::smallint),
      false
    );
  end if;
  return push.ring_alert(v_alert, p_now);
end;
$$;
comment on function push.step_alert(public.push_alerts, double precision, double precision, timestamptz) is
  'An alert after this value (of its symbol, or the change in percent), with its threshold or level as it is now: fired when its generation is another.';

-- what its owner writes ----------------------------------------------------------------------------------------

create function push.value_for(p_alert public.push_alerts, p_now timestamptz)
returns double precision
language sql
stable
set search_path = ''
as $$
  select case
    when p_alert.condition = 'percent_change' then push.change_of(p_alert.symbol, p_alert.window_minutes, q.value, q.quoted_at)
    else q.value
  end
  from public.push_quotes as q
  cross join push.settings as s
  where q.symbol = p_alert.symbol and (q.lasting or q.quoted_at > p_now - s.quote_stale_after);
$$;
comment on function push.value_for(public.push_alerts, timestamptz) is
  'The value that an alert would look at now; null while there is none that is fresh or lasting.';

create function push.check_alert()
returns trigger
language plpgsql
-- Definer: reads settings and the history of quotes, which users may not.
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_limit integer;
begin
  -- Row-level security looks after this trigger has run; what it would refuse is refused before anything is counted.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501', message = 'new row violates row-level security policy for table "push_alerts"';
  end if;
  -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
  new.window_minutes := coalesce(new.window_minutes, 0);
  new.hysteresis := coalesce(new.hysteresis, 0);
  new.hysteresis_unit := coalesce(new.hysteresis_unit, 'absolute');
  new.cooldown := coalesce(new.cooldown, '0');
  new.recurring := coalesce(new.recurring, false);
  new.urgency := coalesce(new.urgency, 'high');
  new.enabled := coalesce(new.enabled, true);
  new.timezone := push.timezone_of_browser(new.timezone);
  if new.condition = 'percent_change' then
    new.direction := coalesce(new.direction, 'either');
  elsif new.condition = 'level' then
    new.level_condition := coalesce(new.level_condition, 'crosses');
  end if;
  perform push.refuse_alert(new);
  new.updated_at := v_now;

  if tg_op = 'INSERT' then
    if public.push_user_id() is not null then
      -- Counted one statement after the other: push.take_turns().
      select s.max_alerts_per_user into v_limit from push.settings as s;
      if (select count(*) from public.push_alerts as a where a.user_id = new.user_id) >= v_limit then
        perform push.refuse(429, 'too_many_alerts', format('This user already has %s alerts.', v_limit), 'Delete one first.');
      end if;
    end if;
  elsif old.enabled and new.enabled and (
    new.symbol, new.condition, new.threshold, new.window_minutes, new.direction, new.level, new.level_condition,
    new.hysteresis, new.hysteresis_unit
  ) is not distinct from (
    old.symbol, old.condition, old.threshold, old.window_minutes, old.direction, old.level, old.level_condition,
    old.hysteresis, old.hysteresis_unit
  ) then
    -- What it waits for is the same: it goes on from where it stands.
    return new;
  end if;
  new.disabled_reason := case
    when new.enabled then null
    when tg_op = 'UPDATE' and not old.enabled then old.disabled_reason
    else 'switched_off'
  end;
  if new.enabled and new.expires_at <= v_now then
    perform push.refuse(400, 'expires_in_past', 'This alert would already be expired.', 'Use a later expires_at, or none.');
  end if;
  return push.begin_alert(
    new,
    case when new.condition = 'level' then (
      select l.value from public.push_levels as l where l.symbol = new.symbol and l.level = new.level
    ) else new.threshold end,
    push.value_for(new, v_now)
  );
end;
$$;
comment on function push.check_alert() is
  'Refuses what is no alert and more than settings allow, and starts an alert from the last value, if that is fresh: what is beyond the threshold then has crossed before.';

create trigger push_alerts_turns
before insert or update or delete on public.push_alerts
for each statement when (current_user = 'authenticated') execute function push.take_turns();

create trigger push_alerts_check_new
before insert on public.push_alerts
for each row execute function push.check_alert();

-- Only what its owner has changed: how it stands changes without this.
create trigger push_alerts_check_changed
before update on public.push_alerts
for each row when (
  (new.symbol, new.condition, new.threshold, new.window_minutes, new.direction, new.level, new.level_condition, new.hysteresis,
    new.hysteresis_unit, new.cooldown, new.recurring, new.expires_at, new.active_from, new.active_until, new.timezone, new.setup,
    new.title, new.body, new.urgency, new.enabled)
  is distinct from
  (old.symbol, old.condition, old.threshold, old.window_minutes, old.direction, old.level, old.level_condition, old.hysteresis,
    old.hysteresis_unit, old.cooldown, old.recurring, old.expires_at, old.active_from, old.active_until, old.timezone, old.setup,
    old.title, old.body, old.urgency, old.enabled)
  and new.generation = old.generation and (new.enabled or new.disabled_reason is not distinct from old.disabled_reason)
)
execute function push.check_alert();

revoke all on all functions in schema push from public;
