-- Run after the auth schema of @supabase/lite: who may use it, and its helpers as hosted projects have them, which
-- read the claims one by one (older PostgREST) or as one JSON object.

grant usage on schema auth to postgres, anon, authenticated, service_role, dashboard_user;
grant all on schema auth to supabase_auth_admin;

-- What @supabase/lite has no use for, and seeds and policies of projects name.
alter table auth.users add column if not exists instance_id uuid;
alter table auth.users add column if not exists is_super_admin boolean;
alter table auth.users alter column phone_change set default '';
alter table auth.users alter column phone_change_token set default '';
alter table auth.users alter column email_change_token_current set default '';
alter table auth.users alter column reauthentication_token set default '';
alter table auth.identities alter column id set default gen_random_uuid();
alter table auth.sessions add column if not exists oauth_client_id uuid;
alter table auth.refresh_tokens add column if not exists instance_id uuid;
alter table auth.audit_log_entries add column if not exists instance_id uuid;

do $$
declare
  v_type record;
begin
  for v_type in
    select * from (values
      ('aal_level', '{aal1, aal2, aal3}'::text[]),
      ('code_challenge_method', '{s256, plain}'),
      ('factor_type', '{totp, webauthn, phone}'),
      ('factor_status', '{unverified, verified}'),
      ('one_time_token_type', '{confirmation_token, reauthentication_token, recovery_token, email_change_token_new,
        email_change_token_current, phone_change_token}')
    ) as types (name, labels)
  loop
    if pg_catalog.to_regtype('auth.' || v_type.name) is null then
      execute pg_catalog.format('create type auth.%I as enum (%s)', v_type.name,
        (select pg_catalog.string_agg(pg_catalog.quote_literal(label), ', ') from pg_catalog.unnest(v_type.labels) as label));
    end if;
  end loop;
end
$$;

create table if not exists auth.instances (
  id uuid primary key, uuid uuid, raw_base_config text, created_at timestamptz, updated_at timestamptz
);
create table if not exists auth.mfa_factors (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  friendly_name text,
  factor_type auth.factor_type not null,
  status auth.factor_status not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  secret text,
  phone text,
  last_challenged_at timestamptz,
  web_authn_credential jsonb,
  web_authn_aaguid uuid
);
create table if not exists auth.mfa_challenges (
  id uuid primary key,
  factor_id uuid not null references auth.mfa_factors (id) on delete cascade,
  created_at timestamptz not null,
  verified_at timestamptz,
  ip_address inet not null,
  otp_code text,
  web_authn_session_data jsonb
);
create table if not exists auth.mfa_amr_claims (
  id uuid primary key,
  session_id uuid not null references auth.sessions (id) on delete cascade,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  authentication_method text not null,
  unique (session_id, authentication_method)
);
create table if not exists auth.one_time_tokens (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  token_type auth.one_time_token_type not null,
  token_hash text not null,
  relates_to text not null,
  created_at timestamp not null default now(),
  updated_at timestamp not null default now()
);
create table if not exists auth.sso_providers (
  id uuid primary key, resource_id text, disabled boolean, created_at timestamptz, updated_at timestamptz
);
create table if not exists auth.sso_domains (
  id uuid primary key,
  sso_provider_id uuid not null references auth.sso_providers (id) on delete cascade,
  domain text not null,
  created_at timestamptz,
  updated_at timestamptz
);
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
