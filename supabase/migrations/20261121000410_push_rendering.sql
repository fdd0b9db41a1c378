-- Supapush: from a template to the notification, which is filled, checked and previewed here.
--
-- A template is rendered when the notification is inserted: the inbox has the text, what is missing is refused where it
-- was forgotten, and a template that changes later changes no message. A message to a topic is rendered in every locale.

create function push.in_words_of(p_notification public.push_notifications, p_template public.push_templates)
returns public.push_notifications
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_new public.push_notifications := p_notification;
  v_rendered jsonb := push.render_template(p_template, p_notification.params);
begin
  v_new.locale := p_template.locale;
  v_new.title := coalesce(nullif(v_new.title, ''), v_rendered ->> 'title');
  v_new.body := coalesce(v_new.body, v_rendered ->> 'body');
  v_new.url := coalesce(v_new.url, v_rendered ->> 'url');
  v_new.tag := coalesce(v_new.tag, v_rendered ->> 'tag');
  v_new.category := coalesce(v_new.category, p_template.category);
  v_new.urgency := coalesce(nullif(v_new.urgency, ''), p_template.urgency, 'normal');
  v_new.ttl := coalesce(v_new.ttl, p_template.ttl);
  if v_rendered -> 'presentation' <> 'null' then
    v_new.presentation := (v_rendered -> 'presentation') || coalesce(v_new.presentation, '{}');
  end if;
  return v_new;
end;
$$;
comment on function push.in_words_of(public.push_notifications, public.push_templates) is
  'A notification with what the template says for what it does not say itself; members of its presentation come before the template''s.';

create function push.refuse_rendered(p_notification public.push_notifications, p_name text)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_message text;
  v_code text;
  v_hint text;
begin
  perform push.refuse_notification(p_notification);
exception when sqlstate 'PT400' or sqlstate 'PT413' then
  get stacked diagnostics v_message = message_text, v_code = pg_exception_detail, v_hint = pg_exception_hint;
  perform push.refuse(400, v_code, format('Template %s: %s', p_name, v_message), v_hint);
end;
$$;
comment on function push.refuse_rendered(public.push_notifications, text) is
  'As push.refuse_notification(), of a text that a template made; the error names the template.';

create function push.fill_from_template(p_notification public.push_notifications, p_locale text)
returns public.push_notifications
language plpgsql
stable
set search_path = ''
as $$
declare
  v_template public.push_templates := push.find_template(p_notification.template, p_locale);
  v_new public.push_notifications;
  v_translation public.push_templates;
  v_other public.push_notifications;
begin
  -- Params travel uncut, so what is larger is refused in the end. Not after rendering it: that takes minutes for a long
  -- list, and a row that somebody else has written would hold up the tick that reminds of it.
  if octet_length(p_notification.params::text) > 3993 then
    perform push.refuse(413, 'notification_too_large',
      format('The params of the message have %s bytes. The limit is 3993.', octet_length(p_notification.params::text)),
      'Shorten params: send an id, and let the device load the rest.');
  end if;
  v_new := push.in_words_of(p_notification, v_template);
  v_new.localized := null;
  if v_new.audience_topic is null then
    return v_new;
  end if;
  -- Who the members are is only known when they are notified.
  for v_translation in
    select t.* from public.push_templates as t where t.key = v_new.template and t.locale <> '' order by t.locale
  loop
    v_other := push.in_words_of(p_notification, push.translated(v_template, v_translation));
    perform push.refuse_rendered(v_other, v_new.template || ' (' || v_other.locale || ')');
    v_new.localized := coalesce(v_new.localized, '{}') || jsonb_build_object(v_other.locale, jsonb_build_object(
      'title', v_other.title, 'body', v_other.body, 'url', v_other.url, 'presentation', v_other.presentation
    ));
  end loop;
  return v_new;
end;
$$;
comment on function push.fill_from_template(public.push_notifications, text) is
  'A notification with what its template says, in this locale, for what it does not say itself; for a topic, in the other locales too.';

create function push.text_for(p_localized jsonb, p_locale text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_locale text;
begin
  foreach v_locale in array push.locale_chain(p_locale) loop
    if p_localized ? v_locale then
      return p_localized -> v_locale;
    end if;
  end loop;
  return null;
end;
$$;
comment on function push.text_for(jsonb, text) is
  'What a member of this locale gets of a topic''s message (push_notifications.localized); null when that is the default.';

-- saved templates ----------------------------------------------------------------------------------------------

create function push.example_of(p_template public.push_templates, p_params jsonb)
returns public.push_notifications
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_example public.push_notifications;
begin
  v_example.user_id := '00000000-0000-0000-0000-000000000000';
  v_example.template := p_template.key;
  v_example.params := p_params;
  return push.in_words_of(v_example, p_template);
end;
$$;
comment on function push.example_of(public.push_templates, jsonb) is 'What a notification of this template would say to somebody.';

create function push.check_template(p_key text)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_template public.push_templates;
  v_row public.push_templates;
  v_name text;
  v_fault text;
begin
  select t.* into v_template from public.push_templates as t where t.key = p_key and t.locale = '';
  if not found then
    if exists (select from public.push_templates as t where t.key = p_key) then
      perform push.refuse(409, 'template_default_missing', format('Template %s has translations but no default.', p_key),
        'Insert the row with locale '''' before its translations or with them, and delete it after them or with them.');
    end if;
    return;
  end if;
  for v_row in select t.* from public.push_templates as t where t.key = p_key order by t.locale loop
    v_name := p_key || case when v_row.locale = '' then '' else ' (' || v_row.locale || ')' end;
    if v_row.body is null and v_template.body is not null then
      perform push.refuse(400, 'template_body_missing', format('Template %s has no body, but its default has one.', v_name),
        'Translate the body, or set it to an empty text.');
    end if;
    if v_row.locale <> '' then
      v_row := push.translated(v_template, v_row);
    end if;
    select string_agg(f.name || case f.fault
      when 'missing' then ' is not in it'
      when 'empty' then ' is a list without an example'
      else ' has no text, being an ' || f.fault
    end, ', ')
    into v_fault
    from push.template_faults(v_row.compiled, v_template.sample, true) as f;
    if v_fault is not null then
      perform push.refuse(400, 'template_variable_unknown', format('Template %s does not fit its sample: %s.', v_name, v_fault),
        'Correct the name, or add an example value to the sample in the row with locale ''''.');
    end if;
    perform push.refuse_rendered(push.example_of(v_row, v_template.sample), v_name || ' with its sample');
  end loop;
end;
$$;
comment on function push.check_template(text) is 'Refuses a template that cannot be sent with its sample, in any of its locales.';

create function push.check_saved_templates()
returns trigger
language plpgsql
-- Definer: the service that saves a template may not use schema push.
security definer
set search_path = ''
as $$
begin
  -- After the statement: one may save, rename or delete a template with its translations, in any order.
  perform push.check_template(k.key) from (select distinct t.key from push_new_templates as t) as k;
  return null;
end;
$$;
comment on function push.check_saved_templates() is 'Looks at every template of which a statement saved a row.';

create function push.check_left_templates()
returns trigger
language plpgsql
-- Definer: the service that saves a template may not use schema push.
security definer
set search_path = ''
as $$
begin
  perform push.check_template(k.key) from (select distinct t.key from push_old_templates as t) as k;
  return null;
end;
$$;
comment on function push.check_left_templates() is 'Looks at what is left of every template of which a statement deleted or renamed a row.';

create trigger push_templates_check_new
after insert on public.push_templates
referencing new table as push_new_templates
for each statement execute function push.check_saved_templates();

create trigger push_templates_check_changed
after update on public.push_templates
referencing new table as push_new_templates
for each statement execute function push.check_saved_templates();

create trigger push_templates_check_renamed
after update on public.push_templates
referencing old table as push_old_templates
for each statement execute function push.check_left_templates();

create trigger push_templates_check_deleted
after delete on public.push_templates
referencing old table as push_old_templates
for each statement execute function push.check_left_templates();

-- preview ------------------------------------------------------------------------------------------------------

create function push.preview_template(p_key text, p_locale text default null, p_params jsonb default null)
returns table (
  locale text,
  title text,
  body text,
  url text,
  presentation jsonb,
  category text,
  urgency text,
  ttl integer,
  tag text,
  bytes integer
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_template public.push_templates := push.find_template(p_key, p_locale);
  v_params jsonb := push.exact_numbers(coalesce(p_params, v_template.sample));
  v_example public.push_notifications := push.example_of(v_template, v_params);
begin
  perform push.refuse_rendered(v_example, p_key);
  return query select
    v_example.locale, v_example.title, v_example.body, v_example.url, v_example.presentation, v_example.category,
    v_example.urgency, v_example.ttl, v_example.tag,
    push.payload_bytes(v_example.title, v_example.body, v_example.url, v_params, v_example.category, v_example.tag,
      v_example.presentation);
end;
$$;
comment on function push.preview_template(text, text, jsonb) is
  'What a notification of this template would say in this locale, with these params or with its sample; locale is the one that was found, '
  'bytes what the message needs at least (3993 are possible).';

create function public.push_preview_template(p_key text, p_locale text default null, p_params jsonb default null)
returns table (
  locale text,
  title text,
  body text,
  url text,
  presentation jsonb,
  category text,
  urgency text,
  ttl integer,
  tag text,
  bytes integer
)
language sql
stable
-- Definer: push.preview_template() stands in the private schema, which the service role may not use.
security definer
set search_path = ''
as $$
  select p.* from push.preview_template(p_key, p_locale, p_params) as p;
$$;
comment on function public.push_preview_template(text, text, jsonb) is
  'push.preview_template() for servers: supabase.rpc(''push_preview_template'', { p_key, p_locale, p_params }).single() with the secret '
  'key. Service role only.';

revoke all on all functions in schema push from public;
revoke all on function public.push_preview_template(text, text, jsonb) from public, anon, authenticated;
grant execute on function public.push_preview_template(text, text, jsonb) to service_role;
