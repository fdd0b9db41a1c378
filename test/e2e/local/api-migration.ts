/** Tables and functions that show what the API does with them. */
export const API_MIGRATION = `
create table public.notes (
  id bigint generated always as identity primary key,
  user_id uuid not null default auth.uid(),
  slug text unique,
  title text not null,
  data jsonb,
  constraint notes_title check (length(title) < 100)
);
alter table public.notes enable row level security;
create policy notes_owner on public.notes for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
grant select, insert, update, delete on public.notes to authenticated;
grant all on public.notes to service_role;

create table public.closed (id int primary key);
alter table public.closed enable row level security;
create policy closed_open on public.closed for all to public using (true);

create schema inner_part;
create table inner_part.things (id int);
alter table inner_part.things enable row level security;

create table public.kinds (
  id int primary key,
  at timestamptz, ats timestamptz[], local_at timestamp, day date, clock time,
  amount numeric, amounts numeric[], big bigint, raw bytea, doc json, docb jsonb, span interval, flag boolean
);
grant select, insert, update on public.kinds to service_role;

create sequence public.attempts;
grant usage, select on public.attempts to service_role;
create function public.clash(p_times int, p_code text) returns bigint language plpgsql as $$
declare
  attempt bigint := nextval('public.attempts');
begin
  if attempt < p_times then
    raise exception using errcode = p_code, message = 'could not serialize access';
  end if;
  return attempt;
end $$;

create table public.defaults (
  id int primary key,
  note text default 'none',
  level int not null default 7
);
grant all on public.defaults to service_role;

create function public.kind_of(p jsonb) returns text language sql immutable as $$ select jsonb_typeof(p) $$;
create function public.echo(p_doc jsonb, p_ids uuid[], p_at timestamptz, p_name text) returns jsonb
  language sql immutable as $$ select jsonb_build_object('doc', p_doc, 'ids', p_ids, 'at', p_at, 'name', p_name) $$;
create function public.me() returns text language sql stable as $$ select current_user::text $$;
create function public.fail(p_code text) returns void language plpgsql as $$
begin
  raise exception using errcode = p_code, message = 'refused', detail = 'machine_code', hint = 'do this';
end $$;
`;
