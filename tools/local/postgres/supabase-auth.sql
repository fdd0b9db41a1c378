-- Run after the auth schema of @supabase/lite: who may use it, and its helpers as hosted projects have them, which
-- read the claims one by one (older PostgREST) or as one JSON object.

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on schema auth to supabase_auth_admin;
do $$
declare
  v_table text;
begin
  for v_table in select tablename from pg_catalog.pg_tables where schemaname = 'auth' loop
    execute pg_catalog.format('alter table auth.%I owner to supabase_auth_admin', v_table);
  end loop;
end
$$;
-- A project's own trigger on auth.users and its foreign keys to it are made by postgres.
grant all on all tables in schema auth to postgres;
alter default privileges for role supabase_auth_admin in schema auth grant all on tables to postgres;

create or replace function auth.uid() returns uuid
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;

create or replace function auth.role() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;

create or replace function auth.email() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;
