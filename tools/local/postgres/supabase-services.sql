-- What Storage, Realtime and database webhooks bring into a project's database, so that migrations and seeds that name it run. The
-- services themselves are not here: what is written into these tables stays there. Run by the superuser, any number of times.

create schema if not exists graphql;
create schema if not exists graphql_public;
grant usage on schema graphql, graphql_public to postgres, anon, authenticated, service_role;

-- Storage.
create schema if not exists storage authorization supabase_storage_admin;
grant usage on schema storage to postgres, anon, authenticated, service_role, dashboard_user;

do $$
begin
  if pg_catalog.to_regtype('storage.buckettype') is null then
    create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');
  end if;
end
$$;
create table if not exists storage.buckets (
  id text primary key,
  name text not null unique,
  owner uuid,
  owner_id text,
  public boolean default false,
  avif_autodetection boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  type storage.buckettype not null default 'STANDARD',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create table if not exists storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text references storage.buckets (id),
  name text,
  owner uuid,
  owner_id text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed_at timestamptz default now(),
  metadata jsonb,
  user_metadata jsonb,
  path_tokens text[] generated always as (pg_catalog.string_to_array(name, '/')) stored,
  version text,
  unique (bucket_id, name)
);
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
alter type storage.buckettype owner to supabase_storage_admin;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to postgres, anon, authenticated, service_role;

create or replace function storage.foldername(name text) returns text[]
language sql immutable set search_path = ''
as $$ select parts[1:pg_catalog.array_length(parts, 1) - 1] from pg_catalog.string_to_array(name, '/') as parts $$;

create or replace function storage.filename(name text) returns text
language sql immutable set search_path = ''
as $$ select parts[pg_catalog.array_length(parts, 1)] from pg_catalog.string_to_array(name, '/') as parts $$;

create or replace function storage.extension(name text) returns text
language sql immutable set search_path = ''
as $$ select pg_catalog.reverse(pg_catalog.split_part(pg_catalog.reverse(storage.filename(name)), '.', 1)) $$;

-- Realtime.
create schema if not exists realtime authorization supabase_realtime_admin;
grant usage on schema realtime to postgres, anon, authenticated, service_role, dashboard_user;

create table if not exists realtime.messages (
  id uuid not null default gen_random_uuid(),
  topic text not null,
  extension text not null,
  event text,
  payload jsonb,
  private boolean default false,
  updated_at timestamp not null default now(),
  inserted_at timestamp not null default now(),
  primary key (id, inserted_at)
);
alter table realtime.messages owner to supabase_realtime_admin;
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to postgres, anon, authenticated, service_role;

create or replace function realtime.topic() returns text
language sql stable set search_path = ''
as $$ select nullif(pg_catalog.current_setting('realtime.topic', true), '') $$;

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language sql set search_path = ''
as $$
  insert into realtime.messages (payload, event, topic, private, extension) values (payload, event, topic, private, 'broadcast')
$$;

create or replace function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text, new record, old record,
  level text default 'ROW'
) returns void
language plpgsql set search_path = ''
as $$
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;
  perform realtime.send(
    pg_catalog.jsonb_build_object('old_record', old, 'record', new, 'operation', operation, 'table', table_name,
      'schema', table_schema),
    event_name, topic_name
  );
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end
$$;
alter publication supabase_realtime owner to postgres;

-- Database webhooks.
create schema if not exists supabase_functions authorization supabase_functions_admin;
grant usage on schema supabase_functions to postgres, anon, authenticated, service_role;

create table if not exists supabase_functions.hooks (
  id bigserial primary key,
  hook_table_id integer not null,
  hook_name text not null,
  created_at timestamptz not null default now(),
  request_id bigint
);
alter table supabase_functions.hooks owner to supabase_functions_admin;
grant all on supabase_functions.hooks to postgres, service_role;

-- Arguments of the trigger: URL, method, headers, parameters, timeout in milliseconds.
create or replace function supabase_functions.http_request() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_url text := tg_argv[0];
  v_headers jsonb := coalesce(nullif(tg_argv[2], 'null')::jsonb, '{"Content-Type": "application/json"}');
  v_params jsonb := coalesce(nullif(tg_argv[3], 'null')::jsonb, '{}');
  v_timeout integer := coalesce(nullif(tg_argv[4], 'null')::integer, 1000);
begin
  -- Where webhooks are switched on, a hosted project has it.
  if pg_catalog.to_regnamespace('net') is null then
    create extension if not exists pg_net with schema extensions;
  end if;
  if tg_argv[1] = 'GET' then
    perform net.http_get(v_url, v_params, v_headers, v_timeout);
  else
    perform net.http_post(
      v_url,
      pg_catalog.jsonb_build_object(
        'type', tg_op, 'table', tg_table_name, 'schema', tg_table_schema,
        'record', case when tg_op = 'DELETE' then null else pg_catalog.to_jsonb(new) end,
        'old_record', case when tg_op = 'INSERT' then null else pg_catalog.to_jsonb(old) end
      ),
      v_params, v_headers, v_timeout
    );
  end if;
  return coalesce(new, old);
end
$$;
