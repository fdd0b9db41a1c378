-- What an alert that has fired says.

create function push.alert_params(
  p_alert public.push_alerts, p_side text, p_level_price double precision, p_price double precision, p_change double precision
)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'alert_id', p_alert.id,
    'symbol', p_alert.symbol,
    'setup', coalesce(p_alert.setup, ''),
    'direction', case p_side when 'above' then 'up' else 'down' end,
    'level_type', coalesce(p_alert.level, p_alert.condition),
    'level_price', p_level_price,
    'current_price', p_price,
    'change', c.change,
    'level', case
      when p_alert.condition = 'level' then initcap(replace(p_alert.level, '_', ' '))
      when p_alert.condition = 'percent_change' then format('%s%s %% in %s', case when c.change > 0 then '+' end, c.change, case
        when p_alert.window_minutes % 60 > 0 then p_alert.window_minutes || ' min' else p_alert.window_minutes / 60 || ' h' end)
      else format('%s %s', case p_side when 'above' then 'Above' else 'Below' end, to_jsonb(p_level_price))
    end
  )
  -- In SQL's own decimal numbers: a double would show the noise behind its last digits.
  from (select round(p_change::numeric, 2) as change) as c;
$$;
comment on function push.alert_params(public.push_alerts, text, double precision, double precision, double precision) is
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

create function push.write_alerts(p_firings push.firing[], p_plain boolean default false)
returns integer
language plpgsql
set search_path = ''
-- By key, however many alerts there are: the planner does not know how few have fired.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_half constant integer := cardinality(p_firings) / 2;
  v_template text;
  v_count integer;
begin
  if p_firings = '{}' then
    return 0;
  end if;
  if not p_plain then
    select s.alert_template into v_template from push.settings as s;
  end if;
  insert into public.push_notifications (user_id, template, title, body, params, category, urgency, tag, idempotency_key)
  select a.user_id, w.template,
    case when w.template is not null then ''
    else push.alert_text(a.title, p.params, 250, format('🔴 %s - %s', a.symbol, p.params ->> 'level')) end,
    case when w.template is null then push.alert_text(a.body, p.params, 2000, concat_ws(' · ',
      a.setup,
      case when a.condition <> 'percent_change' then 'level ' || (p.params ->> 'level_price') end,
      'now ' || (p.params ->> 'current_price')
    )) end,
    p.params, 'alerts:' || a.symbol, a.urgency, 'alert:' || a.id, 'alert:' || a.id || ':' || f.generation
  from unnest(p_firings) as f
  join public.push_alerts as a on a.id = f.id
  cross join lateral (select case when a.title is null and a.body is null then v_template end as template) as w
  -- Offset 0: made once, and not for each text that is made of them.
  cross join lateral (select push.alert_params(a, f.side, f.level_price, f.price, f.change) as params offset 0) as p
  on conflict do nothing;
  get diagnostics v_count = row_count;
  if v_template is not null then
    perform push.resolve_alarm('alert_template_failed', v_template);
  end if;
  return v_count;
exception
  when serialization_failure or deadlock_detected or lock_not_available then
    -- Not about these messages: the writer of the quotes writes them again.
    raise;
  when others then
    if v_template is not null then
      -- If the template was deleted, or needs params that alerts do not have, users still get the built-in text.
      perform push.raise_alarm('alert_template_failed', v_template, format('Alerts are sent without template %s: %s', v_template, sqlerrm));
      return push.write_alerts(p_firings, true);
    elsif v_half > 0 then
      -- A message that cannot be written (a trigger of the project's on notifications may refuse it) must not stop the other
      -- messages or the recording of quotes.
      return push.write_alerts(p_firings[:v_half], true) + push.write_alerts(p_firings[v_half + 1:], true);
    end if;
    perform push.raise_alarm('alert_not_told', '', format('Alert %s fired, and its message was refused: %s', p_firings[1].id, sqlerrm));
    return 0;
end;
$$;
comment on function push.write_alerts(push.firing[], boolean) is
  'Writes the messages of alerts that have fired, once for each generation; returns how many. Plain: without the template of settings.';

create function push.tell_alerts(p_firings push.firing[], p_looked_again boolean, p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_to_tell push.firing[];
  v_folded integer;
begin
  select f.to_tell, f.folded into v_to_tell, v_folded from push.fold_alerts(p_firings, p_looked_again, p_now) as f;
  return push.write_alerts(v_to_tell) + v_folded;
end;
$$;
comment on function push.tell_alerts(push.firing[], boolean, timestamptz) is
  'Tells users of alerts that have fired: one by one, or beyond their limit for this minute in one message at its end; returns how many were told '
  'one way or the other.';
