-- From a template to the notification.
--
-- A template is rendered when the notification is inserted: the inbox has the text, what is missing is refused where it
-- was forgotten, and a template that changes later changes no message. A message to a topic is rendered in every locale.

-- The most a push message holds in the clear (RFC 8291), and what remains of a long text at least. The encoder of the
-- message (src/server/notification/) has the same numbers: whatever is accepted here, it makes fit.
create function push.payload_bytes(
  p_title text, p_body text, p_url text, p_params jsonb, p_category text, p_tag text, p_presentation jsonb default null
)
returns integer
language sql
stable
set search_path = ''
as $$
  -- The message as the device gets it, with empty texts. Postgres writes a space after each comma and colon and no
  -- exponents, so the real one is never longer.
  select octet_length(jsonb_build_object(
    'web_push', 8030,
    'app_badge', 100,
    'notification', jsonb_build_object(
      'title', '', 'body', '', 'navigate', coalesce(p_url, '/'),
      -- The notification's id where there is none: a repeat of the message then replaces it.
      'tag', coalesce(p_tag, '00000000-0000-0000-0000-000000000000'),
      'data', p_params || jsonb_build_object('supapush', jsonb_build_object(
        'notification_id', '00000000-0000-0000-0000-000000000000', 'category', p_category,
        -- <delivery id>.<mac>, as long as it can be.
        'receipt', repeat('0', 42),
        -- Its place among messages of its tag, as long as it can be.
        'position', 9007199254740991
      ))
    ),
    'mutable', true
  )::text)
  + least(octet_length(to_json(p_title)::text) - 2, 64)
  + least(coalesce(octet_length(to_json(p_body)::text) - 2, 0), 128)
  -- Names are longer here than in the message, but for url, which is navigate there, and stands in every action.
  + case when p_presentation is null then 0 else octet_length(p_presentation::text) + (
    select coalesce(sum(20 + case when a.action ? 'url' then 0 else octet_length(to_json(coalesce(p_url, '/'))::text) end), 0)
    from jsonb_array_elements(p_presentation -> 'actions') as a (action)
  ) end;
$$;
comment on function push.payload_bytes(text, text, text, jsonb, text, text, jsonb) is
  'Bytes of the message that a device gets, once body and title were shortened as far as they may be.';

create function push.message_of(p_notification public.push_notifications)
returns push.message
language plpgsql
immutable
set search_path = ''
as $$
begin
  return row(
    p_notification.title, p_notification.body, p_notification.url,
    -- What is missing here was set to null on purpose, and is refused as what it is not.
    coalesce(p_notification.params, 'null'), p_notification.category, coalesce(p_notification.urgency, ''), p_notification.ttl,
    p_notification.collapse_key, p_notification.tag, p_notification.template, p_notification.presentation, p_notification.digest_key,
    p_notification.send_at, p_notification.expires_at, p_notification.idempotency_key
  )::push.message;
end;
$$;
comment on function push.message_of(public.push_notifications) is 'What a notification says.';

create function push.refuse_notification(p_notification public.push_notifications)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_bytes integer;
begin
  if num_nonnulls(p_notification.user_id, p_notification.audience_topic) <> 1 then
    perform push.refuse(400, 'audience_missing', 'A notification goes to one user or to one topic.',
      'Give either user_id or audience_topic (the key of a row in push_topics).');
  end if;
  if coalesce(btrim(p_notification.title), '') = '' then
    perform push.refuse(400, 'title_missing', 'A notification needs a title.', 'Give a title that is not empty.');
  end if;
  perform push.check_message(push.message_of(p_notification));
  v_bytes := push.payload_bytes(
    p_notification.title, p_notification.body, p_notification.url, p_notification.params, p_notification.category,
    coalesce(p_notification.tag, p_notification.collapse_key), p_notification.presentation
  );
  if v_bytes > 3993 then
    perform push.refuse(413, 'notification_too_large',
      format('Even with its text shortened the message has %s bytes. The limit is 3993 (params %s, url %s, category %s, tag %s, presentation %s).',
        v_bytes, octet_length(p_notification.params::text), coalesce(octet_length(p_notification.url), 0),
        coalesce(octet_length(p_notification.category), 0), coalesce(octet_length(p_notification.tag), 0),
        coalesce(octet_length(p_notification.presentation::text), 0)),
      'Shorten params: send an id, and let the device load the rest.');
  end if;
end;
$$;
comment on function push.refuse_notification(public.push_notifications) is
  'Raises what is wrong with a notification that no device could be sent; returns when nothing is.';

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
  v_template public.push_templates;
  v_new public.push_notifications;
  v_translation public.push_templates;
  v_other public.push_notifications;
begin
  if p_notification.template is null then
    return p_notification;
  end if;
  v_template := push.find_template(p_notification.template, p_locale);
  -- Params travel uncut, so what is larger is refused in the end. Not after rendering it: that takes minutes for a long
  -- list, and a row that a user has written would hold up the tick that reminds of it.
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
  'A notification with what its template, if it has one, says in this locale, for what it does not say itself; for a topic, in the other locales too.';

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
