-- Supapush: stands in for quotes and alerts until they are merged; deleted with that merge.

create schema stand_in;
comment on schema stand_in is 'Stands in for the tables of quotes and alerts.';
revoke all on schema stand_in from public;

create table stand_in.watches (
  symbol text not null,
  constraint watches_pkey primary key (symbol)
);
alter table stand_in.watches enable row level security;
create policy watches_nobody on stand_in.watches for all to public using (false);

create table stand_in.quotes (
  symbol text not null,
  value numeric not null,
  quoted_at timestamptz not null,
  source text,
  constraint quotes_pkey primary key (symbol)
);
alter table stand_in.quotes enable row level security;
create policy quotes_nobody on stand_in.quotes for all to public using (false);

create function public.push_watched_symbols(p_now timestamptz default clock_timestamp())
returns table (symbol text)
language sql
stable
-- Definer: the table is private.
security definer
set search_path = ''
as $$
  select w.symbol from stand_in.watches as w where p_now is not null;
$$;
comment on function public.push_watched_symbols(timestamptz) is 'Symbols that somebody watches. Service role only.';

create function public.push_record_quotes(p_quotes jsonb, p_now timestamptz default clock_timestamp())
returns jsonb
language sql
-- Definer: the table is private.
security definer
set search_path = ''
as $$
  with recorded as (
    insert into stand_in.quotes as q (symbol, value, quoted_at, source)
    select n.symbol, n.value, coalesce(n.quoted_at, p_now), n.source
    from jsonb_to_recordset(p_quotes) as n (symbol text, value numeric, quoted_at timestamptz, source text)
    on conflict (symbol) do update
    set value = excluded.value, quoted_at = excluded.quoted_at, source = excluded.source
    where excluded.quoted_at > q.quoted_at
    returning 1
  )
  select jsonb_build_object('recorded', (select count(*) from recorded), 'ignored', jsonb_build_object(), 'fired', 0);
$$;
comment on function public.push_record_quotes(jsonb, timestamptz) is 'Records quotes in bulk. Service role only.';

revoke all on function public.push_watched_symbols(timestamptz) from public, anon, authenticated;
revoke all on function public.push_record_quotes(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function public.push_watched_symbols(timestamptz) to service_role;
grant execute on function public.push_record_quotes(jsonb, timestamptz) to service_role;
