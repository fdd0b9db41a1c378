-- The private schema, and the extensions that everything else needs.
--
-- Schema `push` is never exposed by the Data API. Tables that clients use live in `public` with the prefix `push_`.

create schema push;
comment on schema push is 'Supapush: queue, rules and settings. Private: not exposed by the Data API, no access for API roles.';
revoke all on schema push from public;

create function push.require_extensions()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Looked for first: "if not exists" gives a notice of each that is there.
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_net') then
    -- It names no schema of its own: without one its entry would stand in public.
    create extension pg_net with schema extensions;
  end if;
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_cron') then
    create extension pg_cron;
  end if;
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'supabase_vault') then
    create extension supabase_vault;
  end if;
end;
$$;
comment on function push.require_extensions() is
  'Makes the extensions that are missing: at the first migration, and by push.connect() after a restore that left them out.';

select push.require_extensions();
