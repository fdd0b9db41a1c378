-- How one value changes an alert. An alert and a value go in, the changed alert comes out.
--
--   armed ──the value gets to the threshold──► fires (or is held back) ──► waits ──it is back by the hysteresis──► armed
--
-- An alert with the condition crosses is armed again once the value has left the threshold by the hysteresis, on either side.

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
    -- A new release of Postgres may have dropped the zone: that must not stop the quotes of other users.
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
    -- The level moved while its user was changing the alert; the alert follows it now.
    return push.begin_alert(v_alert, p_level_price, p_value);
  end if;

  if not (v_rises or v_falls) then
    if v_alert.held_until <= p_now then
      -- If the value is still there, the alert fires now. If it is back within the hysteresis, no message was ever sent, so the
      -- alert is armed again.
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
    -- If the value has gone past the hysteresis already, the alert is armed at once for the way back.
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
