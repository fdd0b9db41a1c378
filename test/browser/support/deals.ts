import type postgres from 'postgres';

/** The table of an app, under row-level security, and the rule about it in docs/guides/rules.md. */
const DEALS = `
  create table public.deals (
    id bigint generated always as identity primary key,
    name text not null,
    stage text not null default 'new',
    owner_id uuid not null default auth.uid() references auth.users (id)
  );
  alter table public.deals enable row level security;
  create policy deals_select on public.deals for select to authenticated using ((select auth.uid()) = owner_id);
  create policy deals_insert on public.deals for insert to authenticated with check ((select auth.uid()) = owner_id);
  create policy deals_update on public.deals for update to authenticated
    using ((select auth.uid()) = owner_id) with check ((select auth.uid()) = owner_id);
  grant select, insert, update on public.deals to authenticated;

  select push.watch(
    'deal_stage', 'public.deals',
    p_events     => '{update}',
    p_columns    => '{stage}',
    p_recipients => $$ new.owner_id $$,
    p_title      => $$ new.name || ' is ' || new.stage $$,
    p_body       => $$ 'It was ' || old.stage || ' until now.' $$,
    p_url        => $$ '/deals/' || new.id $$,
    p_params     => $$ jsonb_build_object('deal', new.id, 'from', old.stage) $$
  );
`;

export async function createDealsApp(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(DEALS);
}
