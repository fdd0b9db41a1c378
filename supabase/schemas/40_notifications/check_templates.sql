-- A template is tried with its sample when it is saved, and can be previewed.

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
comment on function push.example_of(public.push_templates, jsonb) is 'What a notification of this template would say to a user.';

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
  'bytes what the message needs at least (3993 are possible). For the database owner.

p_key: push_templates.key.
p_locale: Such as de-AT; null is the default.
p_params: The values; null: those of its sample.';

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

revoke all on function public.push_preview_template(text, text, jsonb) from public, anon, authenticated;
grant execute on function public.push_preview_template(text, text, jsonb) to service_role;
