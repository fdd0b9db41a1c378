-- What a Supabase project brings along before its first migration: roles, schemas, extensions. Run by the superuser
-- `supabase_admin` in the database concerned, any number of times. The passwords of the three roles that log in come
-- as settings, so that they are part of no statement.

do $$
declare
  role_name text;
begin
  foreach role_name in array '{anon, authenticated, service_role, authenticator, supabase_auth_admin, postgres}'::text[] loop
    if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
      execute pg_catalog.format('create role %I', role_name);
    end if;
  end loop;
  foreach role_name in array '{authenticator, supabase_auth_admin, postgres}'::text[] loop
    execute pg_catalog.format(
      'alter role %I login password %L', role_name, pg_catalog.current_setting('supapush.password_' || role_name)
    );
  end loop;
  execute pg_catalog.format('alter database %I owner to postgres', pg_catalog.current_database());
  -- Those of Supabase's other services, which migrations name in grants and policies. None of them logs in here.
  foreach role_name in array '{dashboard_user, supabase_storage_admin, supabase_realtime_admin, supabase_functions_admin,
      supabase_replication_admin, supabase_etl_admin, supabase_read_only_user, pgbouncer}'::text[] loop
    if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
      execute pg_catalog.format('create role %I nologin noinherit', role_name);
    end if;
  end loop;
end
$$;

alter role anon nologin noinherit;
alter role authenticated nologin noinherit;
alter role service_role nologin noinherit bypassrls;
alter role authenticator noinherit;
-- The auth server's, and no superuser: what a deleted user takes along runs our triggers as this role.
alter role supabase_auth_admin nosuperuser noinherit createrole noreplication;
-- The owner of everything a project makes, and no superuser.
alter role postgres nosuperuser createdb createrole bypassrls replication;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = 60000;
alter role postgres set search_path = "$user", public, extensions;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;
grant pg_read_all_data to supabase_read_only_user;
-- Hosted projects let postgres write policies for these services' tables and settings of authenticator by another way.
grant supabase_storage_admin, supabase_realtime_admin, supabase_functions_admin to postgres;
grant authenticator to postgres with admin option;
grant set on parameter pgrst.db_aggregates_enabled, pgrst.db_extra_search_path, pgrst.db_max_rows, pgrst.db_plan_enabled,
  pgrst.db_pre_request, pgrst.db_schemas, pgrst.jwt_secret, pgrst.openapi_mode, pgrst.server_timing_enabled to postgres;

-- Schema public belongs to pg_database_owner, which is the owner of the database: postgres. New tables in it get no
-- grants by default (hosted projects since 2026-10-30): migrations grant what each role may do.
grant usage on schema public to postgres, anon, authenticated, service_role;

create schema if not exists extensions authorization postgres;
grant usage on schema extensions to anon, authenticated, service_role;
create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;
create extension if not exists supabase_vault;

-- Migrations call it in place of such a statement. One alone: there is no semicolon to hide another behind.
create or replace function extensions.supapush_event_trigger(p_statement text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if p_statement !~* '^(create|alter|drop)\s+event\s+trigger\s[^;]*$' then
    raise exception 'This is no statement about an event trigger.' using errcode = '42501';
  end if;
  execute p_statement;
end
$$;
revoke execute on function extensions.supapush_event_trigger(text) from public;
grant execute on function extensions.supapush_event_trigger(text) to postgres;

create schema if not exists supabase_migrations authorization postgres;
