-- Templates, what messages say, per locale. Notifications name one by its key and give it params.
--
-- The row of locale '' is the template; rows of other locales are its translations. Everything that could go wrong is
-- looked at when a row is saved: what a template needs stands in its sample, and every text is rendered with that once.

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
  'What messages say: Mustache texts by key and locale, with defaults. Only the service role reads and writes it.';
comment on column public.push_templates.key is 'What notifications name it by: 1 to 100 of a-z 0-9 _ . : -';
comment on column public.push_templates.locale is
  'Empty: the template itself, for users without a translation in their language. Otherwise a translation, such as de or de-AT (BCP 47).';
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
  perform push.check_message(jsonb_populate_record(null::push.message, jsonb_build_object(
    'urgency', new.urgency, 'ttl', new.ttl, 'category', new.category
  )));
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
