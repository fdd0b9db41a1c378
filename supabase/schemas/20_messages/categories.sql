-- Categories, what a message is about. Users mute them; the project says how each is treated.
--
-- A notification names a category freely; a row here is needed only for what shall be treated differently, or shown in
-- the settings of an app. They are hierarchical: `alerts:DAX` is treated as `alerts` unless it has a row of its own.

create function push.is_category(p_category text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select p_category ~ '^[^:]+(:[^:]+)*$' and p_category !~ '[[:cntrl:]]' and octet_length(p_category) <= 100;
$$;
comment on function push.is_category(text) is 'Whether a message may be of this category, and a user mute it.';

create function push.refuse_category(p_category text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if octet_length(p_category) > 100 then
    perform push.refuse(400, 'category_too_long', 'A category has at most 100 bytes.', 'Shorten it, such as alerts:DAX.');
  elsif not push.is_category(p_category) then
    perform push.refuse(400, 'category_malformed', 'A category has parts that are not empty, separated by one colon each.',
      'Write it like alerts or alerts:DAX, or leave it out.');
  end if;
end;
$$;
comment on function push.refuse_category(text) is 'Raises what is wrong with a category; returns when nothing is, or there is none.';

create table public.push_categories (
  key text not null,
  title text not null,
  description text,
  critical boolean not null default false,
  quiet_hours text not null default 'defer',
  throttle_limit integer,
  throttle_interval interval,
  throttle_overflow text,
  created_at timestamptz not null default now(),
  constraint push_categories_pkey primary key (key),
  constraint push_categories_key check (
    key ~ '^[^[:space:]:]+(:[^[:space:]:]+)*$' and octet_length(key) <= 100
  ),
  constraint push_categories_title check (octet_length(title) between 1 and 200),
  constraint push_categories_description check (octet_length(description) <= 1000),
  constraint push_categories_quiet_hours check (quiet_hours in ('defer', 'drop')),
  constraint push_categories_throttle check (
    (throttle_limit is null) = (throttle_interval is null)
    and throttle_limit between 1 and 1000 and throttle_interval > interval '0'
    and (throttle_overflow is null or throttle_limit is not null)
  )
);
comment on table public.push_categories is
  'What messages are about, as the project treats them and as users mute them. Every user who is signed in may read it.';
comment on column public.push_categories.key is 'Hierarchical, parts separated by a colon: alerts, alerts:DAX.';
comment on column public.push_categories.title is 'What users read where they mute categories.';
comment on column public.push_categories.critical is
  'May pass quiet hours, where the settings allow that of critical messages; never waits in a digest, and passes the daily ceiling.';
comment on column public.push_categories.quiet_hours is 'What becomes of a message in its user''s quiet hours: defer (to their end) or drop.';
comment on column public.push_categories.throttle_limit is
  'At most so many pushes to one user within any interval of throttle_interval; counts together what this row applies to.';
comment on column public.push_categories.throttle_overflow is
  'Where messages beyond the limit go: into the digest of this key, or into the inbox alone when it is null. Messages to a '
  'topic always do the latter.';

alter table public.push_categories enable row level security;
create policy push_categories_select on public.push_categories for select to authenticated using (true);

revoke all on public.push_categories from anon, authenticated, service_role;
grant select on public.push_categories to authenticated;
grant select, insert, update, delete on public.push_categories to service_role;
