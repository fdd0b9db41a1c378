-- Supapush: what an alert that has fired says.

create function push.alert_params(p_alert public.push_alerts, p_price double precision, p_change double precision)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'alert_id', p_alert.id,
    'symbol', p_alert.symbol,
    'setup', coalesce(p_alert.setup, ''),
    'direction', case p_alert.last_side when 'above' then 'up' else 'down' end,
    'level_type', coalesce(p_alert.level, p_alert.condition),
    'level_price', p_alert.level_price,
    'current_price', p_price,
    'change', c.change,
    'level', case
      when p_alert.condition = 'level' then initcap(replace(p_alert.level, '_', ' '))
      when p_alert.condition = 'percent_change' then format('%s%s %% in %s', case when c.change > 0 then '+' end, c.change, case
        when p_alert.window_minutes % 60 > 0 then p_alert.window_minutes || ' min' else p_alert.window_minutes / 60 || ' h' end)
      else format('%s %s', case p_alert.last_side when 'above' then 'Above' else 'Below' end, to_jsonb(p_alert.level_price))
    end
  )
  -- In SQL's own decimal numbers: a double would show the noise behind its last digits.
  from (select round(p_change::numeric, 2) as change) as c;
$$;
comment on function push.alert_params(public.push_alerts, double precision, double precision) is
  'What the message of an alert is made of, and what the device gets as data: symbol, level, level_type, level_price, current_price, change, direction, setup.';

create function push.alert_text(p_mustache text, p_params jsonb, p_most integer, p_otherwise text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_text text;
begin
  if p_mustache is not null then
    v_text := left(push.render_mustache(push.compile_mustache(p_mustache, 'text'), array[p_params], false), p_most);
  end if;
  return coalesce(nullif(btrim(v_text), ''), p_otherwise);
end;
$$;
comment on function push.alert_text(text, jsonb, integer, text) is
  'A text of an alert''s owner with these values, cut to so many characters; the other one where it is none, or says nothing.';

create function push.tell_alerts(p_ids uuid[], p_prices double precision[], p_changes double precision[], p_template text)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  insert into public.push_notifications (user_id, template, title, body, params, category, urgency, tag, idempotency_key)
  select a.user_id, w.template,
    case when w.template is not null then ''
    else push.alert_text(a.title, p.params, 250, format('🔴 %s - %s', a.symbol, p.params ->> 'level')) end,
    case when w.template is null then push.alert_text(a.body, p.params, 2000, concat_ws(' · ',
      a.setup,
      case when a.condition <> 'percent_change' then 'level ' || (p.params ->> 'level_price') end,
      'now ' || (p.params ->> 'current_price')
    )) end,
    p.params, 'alerts:' || a.symbol, a.urgency, 'alert:' || a.id, 'alert:' || a.id || ':' || a.generation
  from unnest(p_ids, p_prices, p_changes) as f (id, price, change)
  join public.push_alerts as a on a.id = f.id
  cross join lateral (select case when a.title is null and a.body is null then p_template end as template) as w
  cross join lateral (select push.alert_params(a, f.price, f.change) as params) as p
  on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
exception when others then
  if p_template is null then
    raise;
  end if;
  -- A template that was deleted, or wants what alerts do not have, keeps nobody from hearing of it.
  perform push.raise_alarm('alert_template_failed', p_template, format('Alerts speak without template %s: %s', p_template, sqlerrm));
  return push.tell_alerts(p_ids, p_prices, p_changes, null);
end;
$$;
comment on function push.tell_alerts(uuid[], double precision[], double precision[], text) is
  'Notifies the users of alerts that have fired, once for each generation; returns how many.';

revoke all on all functions in schema push from public;
