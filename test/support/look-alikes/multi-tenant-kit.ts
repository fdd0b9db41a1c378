/** A kit for apps with teams: its own schema, Storage with policies, a webhook, a hook of the auth server, and functions of all ages. */
export const MULTI_TENANT_KIT: Readonly<Record<string, string>> = {
  'config.toml': `project_id = "multi-tenant-kit"

[api]
schemas = ["public", "graphql_public"]

[db]
major_version = 15

[edge_runtime.secrets]
FROM_CONFIG = "written there"

[functions.members]
verify_jwt = false

[functions.before-deno-serve]
verify_jwt = false
`,
  'migrations/20240201000000_teams.sql': `
create schema if not exists kit;
grant usage on schema kit to authenticated, service_role;
alter default privileges in schema public revoke execute on functions from public;
alter role authenticator set pgrst.db_aggregates_enabled = 'true';

create table public.teams (id uuid primary key default gen_random_uuid(), name text not null, picture text);
create table public.members (
  team_id uuid references public.teams on delete cascade,
  user_id uuid references auth.users on delete cascade,
  primary key (team_id, user_id)
);
alter table public.teams enable row level security;
alter table public.members enable row level security;

create function kit.has_second_factor() returns boolean set search_path = '' language sql security definer as $$
  select exists (select from auth.mfa_factors where user_id = auth.uid() and status = 'verified')
    or auth.jwt() ->> 'aal' = 'aal1'
$$;
create policy "Members read" on public.teams for select to authenticated using (
  exists (select from public.members where team_id = teams.id and user_id = auth.uid())
);
create policy "Second factor" on public.teams as restrictive to authenticated using (kit.has_second_factor());
`,
  'migrations/20240202000000_storage.sql': `
insert into storage.buckets (id, name, public) values ('pictures', 'pictures', true);
alter table storage.objects enable row level security;
create policy "Pictures of own teams" on storage.objects for all using (
  bucket_id = 'pictures' and (storage.foldername(name))[1] = auth.uid()::text
);
grant select on storage.buckets to dashboard_user, supabase_read_only_user, supabase_storage_admin;
`,
  'migrations/20240203000000_hooks.sql': `
create function public.token_hook(event jsonb) returns jsonb language plpgsql as $$ begin return event; end $$;
grant execute on function public.token_hook to supabase_auth_admin;
create trigger team_webhook after insert on public.teams for each row
  execute function supabase_functions.http_request(
    'http://127.0.0.1:9/hook', 'POST', '{"Content-Type":"application/json"}', '{}', '1000'
  );
create extension if not exists pg_cron with schema extensions;
grant usage on schema cron to postgres;
grant all privileges on all tables in schema cron to postgres;
select cron.schedule('nightly', '0 3 * * *', 'select 1');
create extension if not exists pg_net;
grant usage on schema net to anon, authenticated, service_role;

create function public.rls_for_new_tables() returns event_trigger language plpgsql set search_path = '' as $$
declare
  made record;
begin
  for made in select object_identity from pg_event_trigger_ddl_commands() where command_tag = 'CREATE TABLE' loop
    execute 'alter table ' || made.object_identity || ' enable row level security';
  end loop;
end $$;
create event trigger ensure_rls on ddl_command_end when tag in ('CREATE TABLE')
  execute function public.rls_for_new_tables();
create table public.made_later (id int);
`,
  'functions/.env': 'TEAM_SECRET=of the file\nSUPABASE_OWN=refused\nVAPID_PRIVATE_KEY=of production\n',
  'functions/_shared/answer.ts':
    'export const answer = (value: unknown) => new Response(JSON.stringify(value), { headers: { "content-type": "application/json" } });\n',
  'functions/members/index.ts': `
import { answer } from '../_shared/answer.ts';
Deno.serve(() => {
  EdgeRuntime.waitUntil(Promise.resolve());
  const names = ['TEAM_SECRET', 'FROM_CONFIG', 'SUPABASE_URL', 'SUPABASE_ANON_KEY', 'SUPABASE_SERVICE_ROLE_KEY', 'SUPABASE_OWN'];
  return answer(Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? null])));
});
`,
  // Its host does not exist anywhere (RFC 2606).
  'functions/from-elsewhere/index.ts': `
import { serve } from 'https://deno.invalid/std@0.168.0/http/server.ts';
serve(() => new Response('ok'));
`,
  'functions/needs-a-secret/index.ts': `
const key = Deno.env.get('NOT_THERE');
if (!key) throw new Error('NOT_THERE is not set');
Deno.serve(() => new Response('ok'));
`,
  'functions/_shared/old-server.ts': `
export async function serve(handler: (request: Request) => Response | Promise<Response>) {
  for await (const connection of Deno.listen({ port: 8000 })) void answer(connection, handler);
}
async function answer(connection: any, handler: any) {
  for await (const { request, respondWith } of (Deno as any).serveHttp(connection)) await respondWith(handler(request));
}
`,
  'functions/before-deno-serve/index.ts': `
import { serve } from '../_shared/old-server.ts';
serve(async (request) => new Response('got ' + (await request.text())));
`,
};
