-- The inbox, what a user finds in the app: their own messages and those of the topics they are in, which of them are
-- unread, and marking them.
--
-- Everything here runs with the rights of the user who calls it: row-level security decides what is theirs.

-- A message to one user carries its read_at. For a topic's message that is known per member, and costs nothing until
-- a member reads: one moment per membership up to which all is read, and a row for each message that differs from it.
alter table public.push_topic_members add column read_until timestamptz;
comment on column public.push_topic_members.read_until is
  'The topic''s messages sent until then are read, except where push_reads says otherwise. Moved by push_mark_all_read().';

grant update (read_until) on public.push_topic_members to authenticated, service_role;

create table public.push_reads (
  user_id uuid not null default public.push_user_id(),
  notification_id uuid not null,
  read_at timestamptz default now(),
  constraint push_reads_pkey primary key (user_id, notification_id),
  constraint push_reads_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_reads_notification_id_fkey foreign key (notification_id)
    references public.push_notifications (id) on delete cascade
);
comment on table public.push_reads is
  'Which messages of topics a member has read. What has no row is read if it was sent until push_topic_members.read_until.';
comment on column public.push_reads.read_at is 'Null: marked as unread.';

create index push_reads_notification_id_idx on public.push_reads (notification_id);
create index push_reads_unread_idx on public.push_reads (user_id) where read_at is null;

create trigger push_reads_serialize
before insert or update or delete on public.push_reads
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();

alter table public.push_reads enable row level security;

create policy push_reads_select on public.push_reads
for select to authenticated using ((select public.push_user_id()) = user_id);
-- The subquery sees what the user may read. Messages to one user have no rows here: they carry their own read_at.
create policy push_reads_insert on public.push_reads
for insert to authenticated with check (
  (select public.push_user_id()) = user_id
  and exists (
    select from public.push_notifications as n where n.id = notification_id and n.audience_topic is not null
  )
);
comment on policy push_reads_insert on public.push_reads is 'their own, of messages to topics that they may read';
create policy push_reads_update on public.push_reads
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
create policy push_reads_delete on public.push_reads
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_reads from anon, authenticated, service_role;
grant select, delete on public.push_reads to authenticated;
grant insert (user_id, notification_id, read_at), update (read_at) on public.push_reads to authenticated;
grant select, insert, update, delete on public.push_reads to service_role;

create function public.push_inbox(
  p_limit integer default 20,
  p_before timestamptz default null,
  p_before_id uuid default null,
  p_unread_only boolean default false,
  p_category text default null
)
returns table (
  id uuid,
  title text,
  body text,
  url text,
  params jsonb,
  presentation jsonb,
  category text,
  tag text,
  audience_topic text,
  send_at timestamptz,
  read_at timestamptz
)
language plpgsql
stable
set search_path = ''
-- Each part is a range of an index in that index's order, at most a page long. The planner does not know how short a
-- page is and might read and sort a whole inbox; jit would take longer than the query.
set enable_bitmapscan = off
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_user uuid := public.push_user_id();
  v_locale text := (select lower(p.locale) from public.push_preferences as p where p.user_id = public.push_user_id());
  v_page integer := least(greatest(coalesce(p_limit, 20), 1), 100);
  v_unread boolean := coalesce(p_unread_only, false);
  v_before timestamptz := coalesce(p_before, 'infinity');
  v_before_id uuid := coalesce(p_before_id, '00000000-0000-0000-0000-000000000000');
begin
  return query
  with part as (
    (
      select n.id, n.send_at, n.read_at
      from public.push_notifications as n
      where n.read_at is null and n.user_id = v_user and n.inbox and n.status not in ('scheduled', 'cancelled')
        and (n.send_at, n.id) < (v_before, v_before_id)
        and (p_category is null or n.category = p_category or starts_with(n.category, p_category || ':'))
      order by n.send_at desc, n.id desc
      limit v_page
    )
    union all
    (
      select n.id, n.send_at, n.read_at
      from public.push_notifications as n
      where not v_unread and n.read_at is not null and n.user_id = v_user and n.inbox and n.status not in ('scheduled', 'cancelled')
        and (n.send_at, n.id) < (v_before, v_before_id)
        and (p_category is null or n.category = p_category or starts_with(n.category, p_category || ':'))
      order by n.send_at desc, n.id desc
      limit v_page
    )
    union all
    -- Only messages sent since the user joined: earlier ones are not unread for them.
    select t.* from public.push_topic_members as m
    cross join lateral (
      select n.id, n.send_at, case when r.user_id is null then s.read_until else r.read_at end as read_at
      from public.push_notifications as n
      cross join lateral (select case when n.send_at <= m.read_until then m.read_until end as read_until) as s
      left join public.push_reads as r on r.user_id = v_user and r.notification_id = n.id
      where n.audience_topic = m.topic and n.inbox and n.status not in ('scheduled', 'cancelled')
        and n.send_at >= greatest(m.created_at, case when v_unread then m.read_until end)
        and (n.send_at, n.id) < (v_before, v_before_id)
        and (not v_unread or case when r.user_id is null then s.read_until else r.read_at end is null)
        and (p_category is null or n.category = p_category or starts_with(n.category, p_category || ':'))
      order by n.send_at desc, n.id desc
      limit v_page
    ) as t
    where m.user_id = v_user
    union all
    -- Messages that were marked as unread after all had been read.
    (
      select n.id, n.send_at, r.read_at
      from public.push_reads as r
      join public.push_notifications as n on n.id = r.notification_id
      join public.push_topic_members as m on m.topic = n.audience_topic and m.user_id = v_user
      where v_unread and r.user_id = v_user and r.read_at is null
        and n.inbox and n.status not in ('scheduled', 'cancelled')
        and n.send_at >= m.created_at and n.send_at < m.read_until
        and (n.send_at, n.id) < (v_before, v_before_id)
        and (p_category is null or n.category = p_category or starts_with(n.category, p_category || ':'))
      order by n.send_at desc, n.id desc
      limit v_page
    )
  ), page as (
    select i.id, i.send_at, i.read_at from part as i order by i.send_at desc, i.id desc limit v_page
  )
  select n.id,
    case when own.text is null then n.title else own.text ->> 'title' end,
    case when own.text is null then n.body else own.text ->> 'body' end,
    case when own.text is null then n.url else own.text ->> 'url' end,
    n.params,
    case when own.text is null then n.presentation else nullif(own.text -> 'presentation', 'null') end,
    n.category, n.tag, n.audience_topic, p.send_at, p.read_at
  from page as p
  join public.push_notifications as n on n.id = p.id
  -- The text of a topic's message in the user's language, or in the one nearest to it.
  left join lateral (
    select l.text from jsonb_each(n.localized) as l (locale, text)
    where v_locale = lower(l.locale) or starts_with(v_locale, lower(l.locale) || '-')
    order by length(l.locale) desc
    limit 1
  ) as own on true
  order by p.send_at desc, p.id desc;
end;
$$;
comment on function public.push_inbox(integer, timestamptz, uuid, boolean, text) is
  'A page of what the calling user finds in the app, newest first: own messages, and those of topics sent since they joined. p_limit: 1 to '
  '100. The next page: p_before and p_before_id are send_at and id of the last row. p_category: with all that lie below it.';

create function push.unread_count(p_user_id uuid, p_looks integer default null)
returns integer
language sql
stable
set search_path = ''
-- See push_inbox.
set enable_bitmapscan = off
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
  select count(*)::integer from (
    (
      select from public.push_notifications as n
      where n.read_at is null and n.user_id = p_user_id and n.inbox and n.status not in ('scheduled', 'cancelled')
      limit 100
    )
    union all
    -- What is looked at is bounded, not only what is found: a member who reads one by one leaves thousands that are read.
    select from (
      select n.id, n.send_at, m.read_until
      from public.push_topic_members as m
      cross join lateral (
        select n.id, n.send_at from public.push_notifications as n
        where n.audience_topic = m.topic and n.inbox and n.status not in ('scheduled', 'cancelled')
          and n.send_at >= greatest(m.created_at, m.read_until)
        limit p_looks
      ) as n
      where m.user_id = p_user_id
      limit p_looks
    ) as c
    left join public.push_reads as r on r.user_id = p_user_id and r.notification_id = c.id
    where r.read_at is null and (r.user_id is not null or c.read_until is null or c.send_at > c.read_until)
    union all
    select from (
      select r.notification_id from public.push_reads as r where r.user_id = p_user_id and r.read_at is null limit p_looks
    ) as r
    join public.push_notifications as n on n.id = r.notification_id
    join public.push_topic_members as m on m.topic = n.audience_topic and m.user_id = p_user_id
    where n.inbox and n.status not in ('scheduled', 'cancelled')
      and n.send_at >= m.created_at and n.send_at < m.read_until
    limit 100
  ) as u;
$$;
comment on function push.unread_count(uuid, integer) is
  'How many messages of a user''s inbox are unread, counted up to 100, and among no more than p_looks messages of topics where a claim asks.';

revoke all on function public.push_inbox(integer, timestamptz, uuid, boolean, text) from public, anon, authenticated;

grant execute on function public.push_inbox(integer, timestamptz, uuid, boolean, text) to authenticated;
