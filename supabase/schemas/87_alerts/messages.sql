-- What an alert that has fired says.

create function push.alert_level(
  p_alert public.push_alerts, p_side text, p_level_price double precision, p_change numeric, p_template public.push_templates
)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_in_minutes constant boolean := p_alert.window_minutes % 60 > 0;
begin
  if p_template.key is not null then
    return push.render_template(p_template, jsonb_build_object(
      'symbol', p_alert.symbol,
      'level_type', coalesce(p_alert.level, p_alert.condition),
      'level_price', p_level_price,
      'change', p_change,
      'minutes', case when v_in_minutes then p_alert.window_minutes end,
      'hours', case when p_alert.window_minutes > 0 and not v_in_minutes then p_alert.window_minutes / 60 end,
      'above', p_side = 'above',
      'below', p_side <> 'above',
      'is_value', p_alert.condition not in ('level', 'percent_change'),
      'is_level', p_alert.condition = 'level',
      'is_change', p_alert.condition = 'percent_change'
    )) ->> 'title';
  end if;
  return case
    when p_alert.condition = 'level' then initcap(replace(p_alert.level, '_', ' '))
    when p_alert.condition = 'percent_change' then format('%s%s %% in %s', case when p_change > 0 then '+' end, p_change, case
      when v_in_minutes then p_alert.window_minutes || ' min' else p_alert.window_minutes / 60 || ' h' end)
    else format('%s %s', case p_side when 'above' then 'Above' else 'Below' end, to_jsonb(p_level_price))
  end;
end;
$$;
comment on function push.alert_level(public.push_alerts, text, double precision, numeric, public.push_templates) is
  'What an alert says that its value has got to: in the words of a template (push.settings.alert_level_template), or in English without one.';

create function push.alert_params(
  p_alert public.push_alerts, p_side text, p_level_price double precision, p_price double precision, p_change double precision,
  p_level_template public.push_templates
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
    'level', push.alert_level(p_alert, p_side, p_level_price, v_change, p_level_template)
  );
end;
$$;
comment on function push.alert_params(public.push_alerts, text, double precision, double precision, double precision, public.push_templates) is
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

create function push.alert_message(p_alert public.push_alerts, p_params jsonb, p_template text, p_generation integer)
returns push.message
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_said push.message;
begin
  v_said.params := p_params;
  v_said.category := 'alerts:' || p_alert.symbol;
  v_said.urgency := p_alert.urgency;
  v_said.tag := 'alert:' || p_alert.id;
  v_said.idempotency_key := 'alert:' || p_alert.id || ':' || p_generation;
  if p_template is not null and p_alert.title is null and p_alert.body is null then
    v_said.template := p_template;
    v_said.title := '';
    return v_said;
  end if;
  v_said.title := push.alert_text(p_alert.title, p_params, 250, format('🔴 %s - %s', p_alert.symbol, p_params ->> 'level'));
  v_said.body := push.alert_text(p_alert.body, p_params, 2000, concat_ws(' · ',
    p_alert.setup,
    case when p_alert.condition <> 'percent_change' then 'level ' || (p_params ->> 'level_price') end,
    'now ' || (p_params ->> 'current_price')
  ));
  return v_said;
end;
$$;
comment on function push.alert_message(public.push_alerts, jsonb, text, integer) is
  'What an alert says that has fired for the generation: its owner''s texts, those of the template, or the built-in ones.';

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
  v_level_template text;
  v_count integer;
begin
  if p_firings = '{}' then
    return 0;
  end if;
  if not p_plain then
    select s.alert_template, s.alert_level_template into v_template, v_level_template from push.settings as s;
  end if;
  insert into public.push_notifications (user_id, template, title, body, params, category, urgency, tag, idempotency_key)
  select a.user_id, m.template, m.title, m.body, m.params, m.category, m.urgency, m.tag, m.idempotency_key
  from unnest(p_firings) as f
  join public.push_alerts as a on a.id = f.id
  -- Offset 0: made once, and not for each field.
  cross join lateral (
    select push.alert_params(a, f.side, f.level_price, f.price, f.change, case
      when v_level_template is not null then push.find_template(v_level_template, push.locale_of(a.user_id))
    end) as params offset 0
  ) as p
  cross join lateral push.alert_message(a, p.params, v_template, f.generation) as m
  on conflict do nothing;
  get diagnostics v_count = row_count;
  perform push.resolve_alarm('alert_template_failed', t.key) from unnest(array[v_template, v_level_template]) as t (key)
  where t.key is not null;
  return v_count;
exception
  when serialization_failure or deadlock_detected or lock_not_available then
    -- Not about these messages: the writer of the quotes writes them again.
    raise;
  when others then
    if num_nonnulls(v_template, v_level_template) > 0 then
      -- If a template was deleted, or needs params that alerts do not have, users still get the built-in text.
      perform push.raise_alarm('alert_template_failed', coalesce(v_template, v_level_template), format('Alerts are sent without template %s: %s',
        concat_ws(' and ', v_template, v_level_template), sqlerrm));
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
  'Writes the messages of alerts that have fired, once for each generation; returns how many. Plain: without the templates of settings.';

create function push.tell_alerts(p_firings push.firing[], p_by_tick boolean, p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_to_tell push.firing[];
  v_folded integer;
begin
  select f.to_tell, f.folded into v_to_tell, v_folded from push.fold_alerts(p_firings, p_by_tick, p_now) as f;
  return push.write_alerts(v_to_tell) + v_folded;
end;
$$;
comment on function push.tell_alerts(push.firing[], boolean, timestamptz) is
  'Tells users of alerts that have fired: one by one, or beyond their limit for this minute in one message at its end; returns how many were told '
  'one way or the other.';
