-- A template in one locale, filled with params.

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
  -- Encoding does not prevent this: a browser goes up a folder for .. in every spelling.
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
