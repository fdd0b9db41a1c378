-- Supapush: templates, what messages say, per locale. Notifications name one by its key and give it params.
--
-- The row of locale '' is the template; rows of other locales are its translations. Everything that could go wrong is
-- looked at when a row is saved: what a template needs stands in its sample, and every text is rendered with that once.

-- locales ------------------------------------------------------------------------------------------------------

create function push.normal_locale(p_locale text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- As systems write them (de_AT.UTF-8@euro), and without extensions (de-AT-u-co-phonebk), which choose no translation.
  v_parts text[] := string_to_array(
    regexp_replace(replace(lower(regexp_replace(p_locale, '[.@].*$', '')), '_', '-'), '-[a-z0-9](-.*)?$', ''), '-'
  );
begin
  if (array_to_string(v_parts, '-') ~ '^[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*$') is not true then
    return null;
  end if;
  for v_place in 2 .. cardinality(v_parts) loop
    v_parts[v_place] := case
      when v_parts[v_place] ~ '^[a-z]{4}$' then initcap(v_parts[v_place])
      when v_parts[v_place] ~ '^[a-z]{2}$' then upper(v_parts[v_place])
      else v_parts[v_place]
    end;
  end loop;
  return array_to_string(v_parts, '-');
end;
$$;
comment on function push.normal_locale(text) is
  'A locale as BCP 47 writes it (de_at → de-AT, zh-hant-tw → zh-Hant-TW); null when it is none.';

create function push.locale_chain(p_locale text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_locale text := push.normal_locale(p_locale);
  v_chain text[] := array[]::text[];
begin
  while v_locale <> '' loop
    v_chain := v_chain || v_locale;
    v_locale := substring(v_locale from '^(.*)-[^-]*$');
  end loop;
  return v_chain || ''::text;
end;
$$;
comment on function push.locale_chain(text) is
  'Where a text for a locale is looked for, in this order: de-AT, de, and the default, which is empty.';

-- what a device shows besides the text -------------------------------------------------------------------------

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

create function push.encode_spaces(p_text text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- What push.is_link() refuses in a path, as a browser would write it. Nearly always there is none.
  if p_text !~ '[[:cntrl:][:space:]\\]' then
    return p_text;
  end if;
  return (
    select string_agg(case when c.letter ~ '[[:cntrl:][:space:]\\]' then push.percent_encode(c.letter) else c.letter end, '' order by c.place)
    from regexp_split_to_table(p_text, '') with ordinality as c (letter, place)
  );
end;
$$;
comment on function push.encode_spaces(text) is
  'A link or key that an expression made of a name, say, with its spaces, control characters and backslashes percent-encoded.';

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

-- templates ----------------------------------------------------------------------------------------------------

create table public.push_templates (
  key text not null,
  locale text not null default '',
  title text not null,
  body text,
  url text,
  presentation jsonb,
  category text,
  urgency text,
  ttl integer,
  tag text,
  sample jsonb,
  compiled jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint push_templates_pkey primary key (key, locale),
  constraint push_templates_key check (key ~ '^[a-z0-9][a-z0-9_.:-]{0,99}$'),
  constraint push_templates_sizes check (
    octet_length(title) <= 4000 and octet_length(body) <= 16000 and octet_length(url) <= 4000 and octet_length(tag) <= 1000
    and octet_length(presentation::text) <= 8000 and octet_length(sample::text) <= 16000 and octet_length(category) <= 100
  ),
  constraint push_templates_urgency check (urgency in ('very-low', 'low', 'normal', 'high')),
  constraint push_templates_ttl check (ttl between 0 and 2419200),
  constraint push_templates_sample check (jsonb_typeof(sample) = 'object'),
  constraint push_templates_translation check (
    case when locale = '' then sample is not null else num_nonnulls(category, urgency, ttl, tag, sample) = 0 end
  )
);
comment on table public.push_templates is
  'What messages say: Mustache texts by key and locale, with defaults. Written by the service; nobody else reads it.';
comment on column public.push_templates.key is 'What notifications name it by: 1 to 100 of a-z 0-9 _ . : -';
comment on column public.push_templates.locale is
  'Empty: the template itself, which everybody gets who has no translation. Otherwise a translation, such as de or de-AT (BCP 47).';
comment on column public.push_templates.title is 'Mustache. So are body, tag, and within the presentation channel, thread and the title of an action.';
comment on column public.push_templates.url is
  'Mustache, each value percent-encoded; begins with / or https://host. A translation without one has that of the default.';
comment on column public.push_templates.presentation is
  'What push_notifications.presentation may have. Links in it are treated as '
  'the url is. A translation without one has that of the default, otherwise its own instead of it.';
comment on column public.push_templates.urgency is 'For notifications that say no other; so are ttl, category and tag. In the default alone.';
comment on column public.push_templates.sample is
  'Params as an example, in the default alone: every variable of every locale must be in it. The preview shows the template with these.';
comment on column public.push_templates.compiled is 'Its texts as push.compile_mustache() read them.';

alter table public.push_templates enable row level security;
create policy push_templates_nobody on public.push_templates for all to public using (false);

revoke all on public.push_templates from anon, authenticated, service_role;
grant select, delete on public.push_templates to service_role;
grant insert (key, locale, title, body, url, presentation, category, urgency, ttl, tag, sample) on public.push_templates
  to service_role;
grant update (key, locale, title, body, url, presentation, category, urgency, ttl, tag, sample) on public.push_templates
  to service_role;

create function push.compile_link(p_text text, p_field text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- Where it leads must not be in anybody's hands: host and first slash are the template's own.
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

create function push.compile_template()
returns trigger
language plpgsql
-- Definer: the service that saves a template may not use schema push.
security definer
set search_path = ''
as $$
declare
  v_name text;
begin
  new.updated_at := now();
  new.locale := coalesce(new.locale, '');
  if new.key is null or new.key !~ '^[a-z0-9][a-z0-9_.:-]{0,99}$' then
    perform push.refuse(400, 'template_key_malformed', 'A template''s key has 1 to 100 characters of a-z 0-9 _ . : -',
      'Choose another key, such as deal_won.');
  end if;
  if new.locale <> '' then
    v_name := push.normal_locale(new.locale);
    if v_name is null then
      perform push.refuse(400, 'locale_malformed', format('%s is not a locale.', left(new.locale, 50)),
        'Use a BCP 47 tag such as de, de-AT or zh-Hant-TW, or an empty text for the default.');
    end if;
    new.locale := v_name;
    if num_nonnulls(new.category, new.urgency, new.ttl, new.tag, new.sample) > 0 then
      perform push.refuse(400, 'template_translation_malformed',
        'A translation has only title, body, url and presentation. Category, urgency, ttl, tag and sample belong to the default.',
        'Put them in the row with locale ''''.');
    end if;
  else
    new.sample := coalesce(new.sample, '{}');
  end if;
  v_name := 'template ' || new.key || case when new.locale = '' then '' else ' (' || new.locale || ')' end;
  if coalesce(btrim(new.title), '') = '' then
    perform push.refuse(400, 'title_missing', format('The title of %s is empty.', v_name), 'Give a title that is not empty.');
  end if;
  if new.urgency not in ('very-low', 'low', 'normal', 'high') then
    perform push.refuse(400, 'urgency_unknown', 'Unknown urgency.', 'Use very-low, low, normal or high (RFC 8030).');
  end if;
  if new.ttl not between 0 and 2419200 then
    perform push.refuse(400, 'ttl_out_of_range', 'ttl must be from 0 to 2419200 seconds (28 days).', 'Use a ttl in that range.');
  end if;
  perform push.refuse_category(new.category);
  if jsonb_typeof(new.sample) <> 'object' then
    perform push.refuse(400, 'template_sample_malformed', format('The sample of %s is not a JSON object.', v_name),
      'Give example params, such as {"name": "Anna"}.');
  end if;
  if octet_length(new.title) > 4000 or octet_length(new.body) > 16000 or octet_length(new.url) > 4000
    or octet_length(new.tag) > 1000 or octet_length(new.presentation::text) > 8000 or octet_length(new.sample::text) > 16000 then
    perform push.refuse(413, 'template_too_large', format('A part of %s is too large.', v_name),
      'The limits in bytes: title and url 4000, body and sample 16000, presentation 8000, tag 1000.');
  end if;

  -- As notifications have their params: what a page shows of a sample and saves again is the same.
  new.sample := push.exact_numbers(new.sample);
  new.compiled := jsonb_strip_nulls(jsonb_build_object(
    'title', push.compile_mustache(new.title, 'The title of ' || v_name),
    'body', case when new.body is not null then push.compile_mustache(new.body, 'The body of ' || v_name) end,
    'url', case when new.url is not null then push.compile_link(new.url, 'The url of ' || v_name) end,
    'tag', case when new.tag is not null then push.compile_mustache(new.tag, 'The tag of ' || v_name) end,
    'presentation', case
      when new.presentation is not null then push.compile_presentation(new.presentation, 'The presentation of ' || v_name || ',')
    end
  ));
  return new;
end;
$$;
comment on function push.compile_template() is 'Reads the texts of a template that is saved, and refuses what is no Mustache.';

create trigger push_templates_compile
before insert or update on public.push_templates
for each row execute function push.compile_template();

create function push.translated(p_template public.push_templates, p_translation public.push_templates)
returns public.push_templates
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_translated public.push_templates := p_template;
begin
  v_translated.locale := p_translation.locale;
  v_translated.title := p_translation.title;
  v_translated.body := p_translation.body;
  v_translated.url := coalesce(p_translation.url, p_template.url);
  v_translated.presentation := coalesce(p_translation.presentation, p_template.presentation);
  v_translated.compiled := p_template.compiled || p_translation.compiled;
  return v_translated;
end;
$$;
comment on function push.translated(public.push_templates, public.push_templates) is 'A template in the words of a translation of it.';

create function push.find_template(p_key text, p_locale text)
returns public.push_templates
language plpgsql
stable
set search_path = ''
as $$
declare
  v_template public.push_templates;
  v_translation public.push_templates;
begin
  select t.* into v_template from public.push_templates as t where t.key = p_key and t.locale = '';
  if not found then
    perform push.refuse(404, 'template_unknown', format('There is no template %s.', left(p_key, 100)),
      'Use the key of a row in push_templates.');
  end if;
  if p_locale is null then
    return v_template;
  end if;
  select t.* into v_translation
  from public.push_templates as t
  where t.key = p_key and t.locale = any (push.locale_chain(p_locale)) and t.locale <> ''
  order by length(t.locale) desc
  limit 1;
  return case when found then push.translated(v_template, v_translation) else v_template end;
end;
$$;
comment on function push.find_template(text, text) is
  'A template as it is in this locale: its nearest translation (de-AT, then de), or the default. Refuses a key that is not known.';

-- rendering ----------------------------------------------------------------------------------------------------

create function push.template_faults(p_compiled jsonb, p_params jsonb, p_everywhere boolean)
returns table (name text, fault text)
language sql
immutable
set search_path = ''
as $$
  select distinct f.name, f.fault
  from (
    select t.nodes from jsonb_each(p_compiled - 'presentation') as t (field, nodes)
    union all
    select p.part -> 'nodes' from jsonb_array_elements(p_compiled -> 'presentation') as p (part)
  ) as t
  cross join lateral push.mustache_faults(t.nodes, array[p_params], p_everywhere) as f
  order by f.name;
$$;
comment on function push.template_faults(jsonb, jsonb, boolean) is
  'Variables that these params lack, or that have no text in them; everywhere: in each section, rendered or not.';

create function push.render_link(p_nodes jsonb, p_params jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_link text := push.render_mustache(p_nodes, array[p_params], true);
begin
  -- What encoding cannot hold back: a browser goes up a folder for .. however it is written.
  if v_link ~* '^[^?#]*/(\.|%2e){1,2}($|[/?#])' then
    perform push.refuse(400, 'url_malformed', format('With these values the url becomes %s, which leads to another place.', left(v_link, 200)),
      'Do not use . or .. as parts of a path.');
  end if;
  return v_link;
end;
$$;
comment on function push.render_link(jsonb, jsonb) is 'A link with these values, which cannot leave their places in it; null when one is missing.';

create function push.render_template(p_template public.push_templates, p_params jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_compiled jsonb := p_template.compiled;
  v_title text := push.render_mustache(v_compiled -> 'title', array[p_params], false);
  v_body text;
  v_url text;
  v_tag text;
  v_presentation jsonb := p_template.presentation;
  v_part jsonb;
  v_text text;
  v_is_complete boolean := v_title is not null;
begin
  if v_compiled ? 'body' then
    v_body := push.render_mustache(v_compiled -> 'body', array[p_params], false);
    v_is_complete := v_is_complete and v_body is not null;
  end if;
  if v_compiled ? 'url' then
    v_url := push.render_link(v_compiled -> 'url', p_params);
    v_is_complete := v_is_complete and v_url is not null;
  end if;
  if v_compiled ? 'tag' then
    v_tag := push.render_mustache(v_compiled -> 'tag', array[p_params], false);
    v_is_complete := v_is_complete and v_tag is not null;
  end if;
  for v_place in 0 .. coalesce(jsonb_array_length(v_compiled -> 'presentation'), 0) - 1 loop
    v_part := v_compiled -> 'presentation' -> v_place;
    v_text := case
      when (v_part -> 'is_link')::boolean then push.render_link(v_part -> 'nodes', p_params)
      else push.render_mustache(v_part -> 'nodes', array[p_params], false)
    end;
    v_is_complete := v_is_complete and v_text is not null;
    v_presentation := jsonb_set(
      v_presentation, array(select jsonb_array_elements_text(v_part -> 'at')), to_jsonb(coalesce(v_text, ''))
    );
  end loop;
  if not v_is_complete then
    perform push.refuse(400, 'template_params_missing',
      format('Template %s needs %s.', p_template.key, (
        select string_agg(f.name || case when f.fault = 'missing' then '' else ' as text, not as ' || f.fault end, ', ')
        from push.template_faults(v_compiled, p_params, false) as f
      )),
      'Give them in params, as null if they should stay empty.');
  end if;
  return jsonb_build_object(
    'title', v_title, 'body', nullif(v_body, ''), 'url', v_url, 'tag', v_tag, 'presentation', v_presentation
  );
end;
$$;
comment on function push.render_template(public.push_templates, jsonb) is
  'title, body, url, tag and presentation of a template with these params. Refuses params that lack what it needs, and names that.';

revoke all on all functions in schema push from public;
