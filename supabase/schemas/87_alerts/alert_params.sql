-- What is known of an alert that fires: what its texts are made of.

create function push.alert_level(p_alert public.push_alerts, p_side text, p_level_price double precision, p_change numeric)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_alert.condition = 'level' then initcap(replace(p_alert.level, '_', ' '))
    when p_alert.condition = 'percent_change' then format('%s%s %% in %s', case when p_change > 0 then '+' end, p_change, case
      when p_alert.window_minutes % 60 > 0 then p_alert.window_minutes || ' min' else p_alert.window_minutes / 60 || ' h' end)
    else format('%s %s', case p_side when 'above' then 'Above' else 'Below' end, to_jsonb(p_level_price))
  end;
end;
$$;
comment on function push.alert_level(public.push_alerts, text, double precision, numeric) is
  'What an alert says that its value has got to, in English: for projects without a template of that (push.settings.alert_level_template).';

create function push.alert_params(
  p_alert public.push_alerts, p_side text, p_level_price double precision, p_price double precision, p_change double precision
)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- In SQL's own decimal numbers: a double would show the noise behind its last digits.
  v_change constant numeric := round(p_change::numeric, 2);
begin
  return jsonb_build_object(
    'alert_id', p_alert.id,
    'symbol', p_alert.symbol,
    'setup', coalesce(p_alert.setup, ''),
    'direction', case p_side when 'above' then 'up' else 'down' end,
    'level_type', coalesce(p_alert.level, p_alert.condition),
    'level_price', p_level_price,
    'current_price', p_price,
    'change', v_change,
    'level', push.alert_level(p_alert, p_side, p_level_price, v_change)
  );
end;
$$;
comment on function push.alert_params(public.push_alerts, text, double precision, double precision, double precision) is
  'What the message of an alert is made of, and what the device gets as data: symbol, level, level_type, level_price, current_price, change, '
  'direction, setup, alert_id. What its owner writes is tried with the same.';

create function push.alert_level_params(p_alert public.push_alerts, p_params jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_in_minutes constant boolean := p_alert.window_minutes % 60 > 0;
  v_is_above constant boolean := p_params ->> 'direction' = 'up';
begin
  return p_params || jsonb_build_object(
    'minutes', case when v_in_minutes then p_alert.window_minutes end,
    'hours', case when p_alert.window_minutes > 0 and not v_in_minutes then p_alert.window_minutes / 60 end,
    'above', v_is_above,
    'below', not v_is_above,
    'is_value', p_alert.condition not in ('level', 'percent_change'),
    'is_level', p_alert.condition = 'level',
    'is_change', p_alert.condition = 'percent_change'
  );
end;
$$;
comment on function push.alert_level_params(public.push_alerts, jsonb) is
  'What the template of the level is filled with: all that the message has, where level is English, and what tells the kinds of alerts apart.';
