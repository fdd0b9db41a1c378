-- What an alert that has fired says.

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

create function push.template_name(p_template public.push_templates)
returns text
language sql
immutable
set search_path = ''
as $$
  select p_template.key || case when p_template.locale = '' then '' else ' (' || p_template.locale || ')' end;
$$;
comment on function push.template_name(public.push_templates) is 'A template and its locale, as errors and alarms name it: alert (de).';

create type push.worded_alert as (notification public.push_notifications, faults jsonb);
comment on type push.worded_alert is 'The notification of an alert that has fired, and which templates failed for it, by key.';

create function push.word_alert(
  p_alert public.push_alerts,
  p_firing push.firing,
  p_template public.push_templates,
  p_level_template public.push_templates
)
returns push.worded_alert
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_message push.message;
  v_notification public.push_notifications;
  v_faults jsonb := '{}'::jsonb;
  v_params jsonb := push.alert_params(p_alert, p_firing.side, p_firing.level_price, p_firing.price, p_firing.change);
begin
  if p_level_template.key is not null then
    begin
      v_params := v_params || jsonb_build_object(
        'level', push.render_template(p_level_template, push.alert_level_params(p_alert, v_params)) -> 'title'
      );
    exception when others then
      v_faults := jsonb_build_object(p_level_template.key, jsonb_build_array(push.template_name(p_level_template), sqlerrm));
    end;
  end if;
  v_message.params := v_params;
  v_message.category := 'alerts:' || p_alert.symbol;
  v_message.urgency := p_alert.urgency;
  v_message.tag := 'alert:' || p_alert.id;
  v_message.idempotency_key := 'alert:' || p_alert.id || ':' || p_firing.generation;
  if p_template.key is not null and p_alert.title is null and p_alert.body is null then
    begin
      v_notification := push.in_words_of(push.notification_of(v_message, p_alert.user_id), p_template);
      v_notification.template := p_template.key;
      return row(v_notification, v_faults)::push.worded_alert;
    exception when others then
      v_faults := v_faults || jsonb_build_object(p_template.key, jsonb_build_array(push.template_name(p_template), sqlerrm));
    end;
  end if;
  v_message.title := push.alert_text(p_alert.title, v_params, 250, format('🔴 %s - %s', p_alert.symbol, v_params ->> 'level'));
  v_message.body := push.alert_text(p_alert.body, v_params, 2000, concat_ws(' · ',
    p_alert.setup,
    case when p_alert.condition <> 'percent_change' then 'level ' || (v_params ->> 'level_price') end,
    'now ' || (v_params ->> 'current_price')
  ));
  return row(push.notification_of(v_message, p_alert.user_id), v_faults)::push.worded_alert;
end;
$$;
comment on function push.word_alert(public.push_alerts, push.firing, public.push_templates, public.push_templates) is
  'What an alert says that has fired: its owner''s texts, those of the template, or the built-in ones; and which templates failed, by key: then it '
  'does without these.';

create function push.tell_template_faults(p_used text[], p_faults jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform push.raise_alarm('alert_template_failed', f.key, format('Alerts are sent without template %s: %s', f.fault ->> 0, f.fault ->> 1))
  from jsonb_each(p_faults) as f (key, fault);
  -- Other alerts that this template does not fail for are no proof: it has to be changed first.
  perform push.resolve_alarm('alert_template_failed', a.subject)
  from push.alarms as a
  where a.code = 'alert_template_failed' and a.subject = any (p_used) and a.resolved_at is null and not p_faults ? a.subject
    and exists (select from public.push_templates as t where t.key = a.subject and t.updated_at > a.last_seen_at);
end;
$$;
comment on function push.tell_template_faults(text[], jsonb) is
  'Raises an alarm for each template that failed, by its key: [its name, why]; ends those of the others that were used, if they have changed '
  'since.';

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
  v_named text[] := '{}'::text[];
  v_template text;
  v_level_template text;
  v_notifications public.push_notifications[];
  v_faults jsonb;
  v_count integer;
  v_fault text;
begin
  if p_firings = '{}' then
    return 0;
  end if;
  if not p_plain then
    -- A template that is missing fails once, and not for each alert.
    select array_remove(array[s.alert_template, s.alert_level_template], null), a.key, l.key into v_named, v_template, v_level_template
    from push.settings as s
    left join public.push_templates as a on a.key = s.alert_template and a.locale = ''
    left join public.push_templates as l on l.key = s.alert_level_template and l.locale = '';
  end if;
  with fired as materialized (
    select a as alert, f as firing, coalesce(push.locale_of(a.user_id), '') as locale
    from unnest(p_firings) as f
    join public.push_alerts as a on a.id = f.id
  ), languages as materialized (
    select l.locale,
      (select push.find_template(v_template, l.locale) where v_template is not null) as template,
      (select push.find_template(v_level_template, l.locale) where v_level_template is not null) as level_template
    from (select distinct f.locale from fired as f) as l
  ), worded as materialized (
    select w.notification, w.faults
    from fired as f
    cross join lateral (select l.template, l.level_template from languages as l where l.locale = f.locale offset 0) as l
    cross join lateral push.word_alert(f.alert, f.firing, l.template, l.level_template) as w
  )
  select (select array_agg(w.notification) from worded as w), coalesce((
    select jsonb_object_agg(f.key, f.value) from worded as w cross join lateral jsonb_each(w.faults) as f where w.faults <> '{}'
  ), '{}')
  into v_notifications, v_faults;
  v_count := push.insert_notifications(v_notifications);
  v_faults := v_faults || coalesce((
    select jsonb_object_agg(k.key, jsonb_build_array(k.key, format('There is no template %s.', k.key))) from unnest(v_named) as k (key)
    where k.key not in (coalesce(v_template, ''), coalesce(v_level_template, ''))
  ), '{}');
  perform push.tell_template_faults(v_named, v_faults);
  return v_count;
exception
  when serialization_failure or deadlock_detected or lock_not_available then
    -- Not about these messages: the writer of the quotes writes them again.
    raise;
  when others then
    -- A message that cannot be written (a trigger of the project's on notifications may refuse it) must not stop the other
    -- messages or the recording of quotes.
    if v_half > 0 then
      return push.write_alerts(p_firings[:v_half], p_plain) + push.write_alerts(p_firings[v_half + 1:], p_plain);
    elsif not p_plain and num_nonnulls(v_template, v_level_template) > 0 then
      -- With these values the text of the template is refused, say because it became too long.
      v_fault := sqlerrm;
      v_count := push.write_alerts(p_firings, true);
      if v_count > 0 then
        perform push.tell_template_faults(v_named, jsonb_build_object(coalesce(v_template, v_level_template), jsonb_build_array(
          push.template_name(push.find_template(coalesce(v_template, v_level_template), push.locale_of(p_firings[1].user_id))), v_fault
        )));
      end if;
      return v_count;
    end if;
    perform push.raise_alarm('alert_not_told', '', format('Alert %s fired, and its message was refused: %s', p_firings[1].id, sqlerrm));
    return 0;
end;
$$;
comment on function push.write_alerts(push.firing[], boolean) is
  'Writes the messages of alerts that have fired, once for each generation; returns how many. One that a template fails for does without that '
  'template. Plain: without the templates of settings.';

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
