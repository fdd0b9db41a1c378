-- Which release this schema is of, and of which release the functions are that call it.
--
-- Database and functions are deployed one after the other, so for a time they are of two releases. What keeps them working
-- then is in docs/design/database.md, "Releases".

create function push.version()
returns text
language sql
-- Not immutable: it changes with a release, in sessions that are open.
stable
set search_path = ''
as $$ select '0.1.0'::text; $$;
comment on function push.version() is 'The release of Supapush that this schema is of, such as 0.1.0. For the database owner.';

create table push.functions (
  name text not null,
  version text not null,
  seen_at timestamptz not null,
  constraint functions_pkey primary key (name),
  constraint functions_name check (name ~ '^push-[a-z]{1,20}$')
);
comment on table push.functions is
  'Of which release each Edge Function was when it last called the database; one of an unknown release is not in it. For the database owner.';
comment on column push.functions.name is 'The Edge Function: push-dispatch.';
comment on column push.functions.version is 'The release that it was built for.';
comment on column push.functions.seen_at is 'When it last called, to the minute.';

alter table push.functions enable row level security;
create policy functions_nobody on push.functions for all to public using (false);

create function push.note_function(p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- Only the service role may call what calls this, so the header is a function's own.
  v_caller constant text[] := regexp_match(
    nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-supapush-function',
    '^(push-[a-z]{1,20})/(\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[0-9A-Za-z.-]{1,40})?)$'
  );
begin
  if v_caller is null or current_setting('transaction_read_only')::boolean or exists (
    select from push.functions as f
    where f.name = v_caller[1] and f.version = v_caller[2] and f.seen_at between p_now - interval '1 minute' and p_now + interval '1 minute'
  -- Many calls at once: one of them writes, the others have better things to do than to wait.
  ) or not pg_try_advisory_xact_lock(hashtextextended('supapush.function.' || v_caller[1], 0)) then
    return;
  end if;
  insert into push.functions (name, version, seen_at) values (v_caller[1], v_caller[2], p_now)
  on conflict (name) do update set version = excluded.version, seen_at = excluded.seen_at;
end;
$$;
comment on function push.note_function(timestamptz) is
  'Notes the release of the Edge Function that calls, by its header x-supapush-function: push-dispatch/0.1.0. Without it nothing is noted.';

create function push.release_key(p_version text)
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array_agg(
    case
      -- Numbers by their value: the one with more digits is the larger. They come before words.
      when i.word ~ '^[0-9]+$' then format('1 %s %s', lpad(length(ltrim(i.word, '0'))::text, 3, '0'), ltrim(i.word, '0'))
      else '2 ' || i.word
    end
    order by i.place
    -- A release comes after all of its pre-releases.
  ) || case when v.draft = '' then '{3}'::text[] else '{}'::text[] end
  from (
    select split_part(c.text, '-', 1) as core, substr(c.text, length(split_part(c.text, '-', 1)) + 2) as draft
    -- What follows a plus sign says how it was built, and counts for nothing.
    from (select split_part(p_version, '+', 1) as text) as c
  ) as v
  cross join lateral string_to_table(v.core || case when v.draft = '' then '' else '.' || v.draft end, '.') with ordinality as i (word, place)
  group by v.draft;
$$;
comment on function push.release_key(text) is
  'The parts of a release by which releases are in order, to be compared by their bytes. A pre-release is before its release, and of two of them the one with more parts later.';

create function push.is_earlier(p_version text, p_other text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select push.release_key(p_version) collate "C" < push.release_key(p_other) collate "C";
$$;
comment on function push.is_earlier(text, text) is
  'Whether a release is an earlier one than another, by Semantic Versioning 2.0.0: 0.2.0 is before 0.10.0, and 0.2.0-rc.1 before 0.2.0.';

create function push.version_health(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_older text;
  v_newer text;
  v_reasons jsonb := '[]'::jsonb;
begin
  -- One that has not called for an hour may have been deployed anew since.
  select string_agg(format('%s %s', f.name, f.version), ', ' order by f.name) filter (where push.is_earlier(f.version, push.version())),
    string_agg(format('%s %s', f.name, f.version), ', ' order by f.name) filter (where not push.is_earlier(f.version, push.version()))
  into v_older, v_newer
  from push.functions as f
  where f.version <> push.version() and f.seen_at > p_now - interval '1 hour';
  if v_older is not null then
    v_reasons := v_reasons || jsonb_build_object('code', 'functions_outdated', 'message', format(
      'The database is of release %s, and these functions are older: %s. Deploy them: npx supabase functions deploy', push.version(), v_older));
  end if;
  if v_newer is not null then
    v_reasons := v_reasons || jsonb_build_object('code', 'database_outdated', 'message', format(
      'The database is of release %s, and these functions are newer: %s. Run: npx supabase db push', push.version(), v_newer));
  end if;
  return jsonb_build_object(
    'version', push.version(),
    'functions', coalesce((
      select jsonb_agg(jsonb_build_object('name', f.name, 'version', f.version, 'seen_at', f.seen_at) order by f.name) from push.functions as f
    ), '[]'),
    'reasons', v_reasons
  );
end;
$$;
comment on function push.version_health(timestamptz) is
  'The release of the database, that of each function when it last called, and what to deploy where those of the last hour differ.';
