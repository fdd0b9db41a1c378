-- How an alert begins: where its lines are, and whether it is armed.

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

create type push.crossing as (
  id uuid,
  symbol text,
  window_minutes integer,
  price double precision,
  measure double precision
);
comment on type push.crossing is
  'An alert of which a value crosses a line: the price, and the value that crosses it, which over a window is the change in percent.';

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
