-- How a message is presented: its link, icon, image, actions and the like, as text and as templates.

create function push.is_link(p_url text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  -- A path of the app, or https; no control characters, spaces or backslashes, which a browser drops or turns.
  select p_url ~ '^(/([^/].*)?|https://[^/].*)$' and p_url !~ '[[:cntrl:][:space:]\\]' and octet_length(p_url) <= 2048
    and (p_url ~ '^/' or push.has_usable_host(p_url));
$$;
comment on function push.is_link(text) is 'Whether a click may lead there: a path that starts with / or an https URL, at most 2048 bytes.';

create function push.presentation_fault(p_presentation jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_key text;
  v_value jsonb;
  v_action jsonb;
begin
  if jsonb_typeof(p_presentation) <> 'object' then
    return 'it is no object';
  end if;
  for v_key, v_value in select e.key, e.value from jsonb_each(p_presentation) as e loop
    if v_key in ('icon', 'badge', 'image') then
      if jsonb_typeof(v_value) <> 'string' or not push.is_link(v_value #>> '{}') then
        return v_key || ' is neither a path that starts with / nor an https URL';
      end if;
    elsif v_key in ('channel', 'thread') then
      if jsonb_typeof(v_value) <> 'string' or octet_length(v_value #>> '{}') not between 1 and 100
        or v_value #>> '{}' ~ '[[:cntrl:]]' then
        return v_key || ' is no text of 1 to 100 bytes';
      end if;
    elsif v_key = 'sound' then
      if jsonb_typeof(v_value) <> 'string' or v_value #>> '{}' !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$' then
        return 'sound is neither "default" nor the name of a file in the app, such as chime.caf';
      end if;
    elsif v_key = 'app_badge' then
      if v_value <> '"unread"' and v_value::text !~ '^[0-9]{1,5}$' then
        return 'app_badge is neither "unread" nor a whole number up to 99999';
      end if;
    elsif v_key = 'interruption_level' then
      if v_value not in ('"passive"', '"active"', '"time-sensitive"', '"critical"') then
        return 'interruption_level is none of passive, active, time-sensitive and critical';
      end if;
    elsif v_key in ('require_interaction', 'silent', 'renotify') then
      if jsonb_typeof(v_value) <> 'boolean' then
        return v_key || ' is neither true nor false';
      end if;
    elsif v_key = 'vibrate' then
      if jsonb_typeof(v_value) <> 'array' or jsonb_array_length(v_value) not between 1 and 32
        or exists (select from jsonb_array_elements(v_value) as e (pause) where e.pause::text !~ '^([0-9]{1,4}|10000)$') then
        return 'vibrate is no list of 1 to 32 whole numbers of milliseconds, each at most 10000';
      end if;
    elsif v_key = 'actions' then
      if jsonb_typeof(v_value) <> 'array' or jsonb_array_length(v_value) > 8 then
        return 'actions is no list of at most 8';
      end if;
    else
      return format('%s is not known', left(v_key, 50));
    end if;
  end loop;

  for v_action in select e.action from jsonb_array_elements(p_presentation -> 'actions') as e (action) loop
    if jsonb_typeof(v_action) <> 'object' or v_action - '{action,title,icon,url}'::text[] <> '{}'
      or exists (select from jsonb_each(v_action) as e where jsonb_typeof(e.value) <> 'string') then
      return 'an action has action and title, may have icon and url, and all of them are text';
    elsif coalesce(octet_length(v_action ->> 'action'), 0) not between 1 and 100
      or coalesce(btrim(v_action ->> 'title'), '') = '' or octet_length(v_action ->> 'title') > 200 then
      return 'an action needs an action of 1 to 100 bytes, and a title that is not empty and has at most 200';
    elsif not (push.is_link(coalesce(v_action ->> 'icon', '/')) and push.is_link(coalesce(v_action ->> 'url', '/'))) then
      return 'icon or url of an action is neither a path that starts with / nor an https URL';
    end if;
  end loop;
  if (select count(*) <> count(distinct e.action ->> 'action') from jsonb_array_elements(p_presentation -> 'actions') as e (action)) then
    return 'two actions have the same action, by which a click is told apart';
  end if;
  -- Both together make browsers refuse the whole notification.
  if p_presentation -> 'silent' = 'true' and p_presentation ? 'vibrate' then
    return 'what is silent does not vibrate';
  elsif p_presentation -> 'silent' = 'true' and p_presentation ? 'sound' then
    return 'what is silent has no sound';
  end if;
  return null;
end;
$$;
comment on function push.presentation_fault(jsonb) is
  'What is wrong with a presentation {icon, badge, image, actions: [{action, title, icon, url}], require_interaction, silent, vibrate, '
  'renotify, app_badge, sound, channel, thread, interruption_level}; null when nothing is.';

create function push.compile_link(p_text text, p_field text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- Params must not decide which host it leads to: host and first slash are the template's own.
  if p_text !~ '^(/($|[^/])|https://[^/?#{}]+($|[/?#]))' then
    perform push.refuse(400, 'template_url_malformed',
      format('%s must start with / or https://host in plain text.', p_field),
      'Write something like /deals/{{id}}. If the whole URL varies, give it as the notification''s url.');
  end if;
  return push.compile_mustache(p_text, p_field);
end;
$$;
comment on function push.compile_link(text, text) is 'The nodes of a Mustache text that becomes a link.';

create function push.compile_presentation(p_presentation jsonb, p_field text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_compiled jsonb := '[]'::jsonb;
  v_part record;
begin
  for v_part in
    select array[e.key] as at, e.value #>> '{}' as text, e.key not in ('channel', 'thread') as is_link
    from jsonb_each(case when jsonb_typeof(p_presentation) = 'object' then p_presentation else '{}' end) as e
    where e.key in ('icon', 'badge', 'image', 'channel', 'thread') and jsonb_typeof(e.value) = 'string'
    union all
    select array['actions', (a.place - 1)::text, e.key], e.value #>> '{}', e.key <> 'title'
    from jsonb_array_elements(
      case when jsonb_typeof(p_presentation -> 'actions') = 'array' then p_presentation -> 'actions' else '[]' end
    ) with ordinality as a (action, place)
    cross join lateral jsonb_each(case when jsonb_typeof(a.action) = 'object' then a.action else '{}' end) as e
    where e.key in ('title', 'icon', 'url') and jsonb_typeof(e.value) = 'string'
  loop
    -- What has no tags is shown as it stands.
    if v_part.text like '%{{%' then
      v_compiled := v_compiled || jsonb_build_object(
        'at', v_part.at,
        'is_link', v_part.is_link,
        'nodes', case
          when v_part.is_link then push.compile_link(v_part.text, p_field || ' ' || array_to_string(v_part.at, '.'))
          else push.compile_mustache(v_part.text, p_field || ' ' || array_to_string(v_part.at, '.'))
        end
      );
    end if;
  end loop;
  return v_compiled;
end;
$$;
comment on function push.compile_presentation(jsonb, text) is 'The texts of a presentation that have tags, and where they stand in it.';
