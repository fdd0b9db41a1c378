-- Supapush: the inbox, what a user finds in the app: own messages and those of the topics they are in, what of it is
-- unread, and marking it.
--
-- Everything here runs with the rights of the user who calls it: row-level security decides what is theirs.

-- A message to one user carries its read_at. Of a topic's message that is known per member, and costs nothing until
-- somebody reads: one moment per membership up to which all is read, and a row for each message that differs from it.
alter table public.push_topic_members add column read_until timestamptz;
comment on column public.push_topic_members.read_until is
  'The topic''s messages sent until then are read, except where push_reads says otherwise. Moved by push_mark_all_read().';

create policy push_topic_members_update on public.push_topic_members
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
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

create trigger push_reads_turns
before insert or update or delete on public.push_reads
for each statement when (current_user = 'authenticated') execute function push.take_turns();

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
create policy push_reads_update on public.push_reads
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
create policy push_reads_delete on public.push_reads
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_reads from anon, authenticated, service_role;
grant select, delete on public.push_reads to authenticated;
grant insert (user_id, notification_id, read_at), update (read_at) on public.push_reads to authenticated;
grant select, insert, update, delete on public.push_reads to service_role;

-- read ---------------------------------------------------------------------------------------------------------

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
    -- From joining on: who joins a topic has not missed what was said before.
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
    -- What was marked as unread after all had been read.
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
  -- What a topic's message says in the user's language, or in the one nearest to it.
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

create function push.unread_count(p_user_id uuid)
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
    select from public.push_topic_members as m
    cross join lateral (
      select from public.push_notifications as n
      left join public.push_reads as r on r.user_id = m.user_id and r.notification_id = n.id
      where n.audience_topic = m.topic and n.inbox and n.status not in ('scheduled', 'cancelled')
        and n.send_at >= greatest(m.created_at, m.read_until)
        and r.read_at is null and (r.user_id is not null or m.read_until is null or n.send_at > m.read_until)
      limit 100
    ) as t
    where m.user_id = p_user_id
    union all
    select from public.push_reads as r
    join public.push_notifications as n on n.id = r.notification_id
    join public.push_topic_members as m on m.topic = n.audience_topic and m.user_id = r.user_id
    where r.user_id = p_user_id and r.read_at is null
      and n.inbox and n.status not in ('scheduled', 'cancelled')
      and n.send_at >= m.created_at and n.send_at < m.read_until
    limit 100
  ) as u;
$$;
comment on function push.unread_count(uuid) is 'How many messages of a user''s inbox are unread, counted up to 100.';

create function public.push_unread_count()
returns integer
language sql
stable
-- Definer: badges count the same, for users who are not calling, so the count stands in the private schema.
security definer
set search_path = ''
as $$
  select push.unread_count(public.push_user_id());
$$;
comment on function public.push_unread_count() is
  'How many messages of the calling user''s inbox are unread, counted up to 100, which is to say "99+".';

alter table push.settings add column unread_badge boolean not null default false;
comment on column push.settings.unread_badge is
  'Whether the app''s icon shows the unread count of its user with each message whose presentation says no app_badge.';

-- mark ---------------------------------------------------------------------------------------------------------

create function public.push_mark_read(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_user uuid := public.push_user_id();
begin
  -- Locked in one order, for two devices of a user who mark the same ones at once.
  update public.push_notifications as n set read_at = p_now
  where n.id in (
    select o.id from public.push_notifications as o
    where o.id = any (p_ids) and o.user_id = v_user and o.read_at is null
    order by o.id
    for no key update
  );
  insert into public.push_reads as r (user_id, notification_id, read_at)
  select v_user, n.id, p_now
  from public.push_notifications as n
  join public.push_topic_members as m on m.topic = n.audience_topic and m.user_id = v_user
  left join public.push_reads as k on k.user_id = v_user and k.notification_id = n.id
  where n.id = any (p_ids) and k.read_at is null
    and (k.user_id is not null or m.read_until is null or n.send_at > m.read_until)
  order by n.id
  on conflict on constraint push_reads_pkey do update set read_at = excluded.read_at where r.read_at is null;
  return public.push_unread_count();
end;
$$;
comment on function public.push_mark_read(uuid[], timestamptz) is
  'Marks messages of the calling user as read, and skips ids of others; those that were read keep their moment. Returns what push_unread_count() now says.';

create function public.push_mark_unread(p_ids uuid[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_user uuid := public.push_user_id();
begin
  update public.push_notifications as n set read_at = null
  where n.id in (
    select o.id from public.push_notifications as o
    where o.id = any (p_ids) and o.user_id = v_user and o.read_at is not null
    order by o.id
    for no key update
  );
  insert into public.push_reads as r (user_id, notification_id, read_at)
  select v_user, n.id, null
  from public.push_notifications as n
  join public.push_topic_members as m on m.topic = n.audience_topic and m.user_id = v_user
  left join public.push_reads as k on k.user_id = v_user and k.notification_id = n.id
  where n.id = any (p_ids)
    and case when k.user_id is null then n.send_at <= m.read_until else k.read_at is not null end
  order by n.id
  on conflict on constraint push_reads_pkey do update set read_at = null;
  return public.push_unread_count();
end;
$$;
comment on function public.push_mark_unread(uuid[]) is
  'Marks messages of the calling user as unread, and skips ids of others. Returns what push_unread_count() now says.';

create function public.push_mark_all_read(p_until timestamptz default null, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_user uuid := public.push_user_id();
  -- An app whose clock is ahead would otherwise mark what nobody has seen.
  v_until timestamptz := least(p_until, p_now);
begin
  update public.push_notifications as n set read_at = p_now
  where n.id in (
    select o.id from public.push_notifications as o
    where o.read_at is null and o.user_id = v_user and o.inbox and o.status not in ('scheduled', 'cancelled')
      and o.send_at <= v_until
    order by o.id
    for no key update
  );
  -- Up to the newest there is, not up to now: what is being written at this moment stays unread.
  update public.push_topic_members as m set read_until = w.send_at
  from (
    select k.topic, s.send_at
    from public.push_topic_members as k
    cross join lateral (
      select n.send_at from public.push_notifications as n
      where n.audience_topic = k.topic and n.inbox and n.status not in ('scheduled', 'cancelled')
        and n.send_at >= k.created_at and n.send_at <= v_until
      order by n.send_at desc, n.id desc
      limit 1
    ) as s
    where k.user_id = v_user and (k.read_until is null or s.send_at > k.read_until)
    order by k.topic
    for no key update of k
  ) as w
  where m.topic = w.topic and m.user_id = v_user;
  delete from public.push_reads as r
  using public.push_notifications as n
  where r.user_id = v_user and r.read_at is null and n.id = r.notification_id and n.send_at <= v_until;
  return public.push_unread_count();
end;
$$;
comment on function public.push_mark_all_read(timestamptz, timestamptz) is
  'Marks all messages of the calling user as read that were sent until p_until: give the send_at of the newest that the app has shown. '
  'Returns what push_unread_count() now says.';

revoke all on all functions in schema push from public;
revoke all on function public.push_inbox(integer, timestamptz, uuid, boolean, text) from public, anon, authenticated;
revoke all on function public.push_unread_count() from public, anon, authenticated;
revoke all on function public.push_mark_read(uuid[], timestamptz) from public, anon, authenticated;
revoke all on function public.push_mark_unread(uuid[]) from public, anon, authenticated;
revoke all on function public.push_mark_all_read(timestamptz, timestamptz) from public, anon, authenticated;
grant execute on function public.push_inbox(integer, timestamptz, uuid, boolean, text) to authenticated;
grant execute on function public.push_unread_count() to authenticated;
grant execute on function public.push_mark_read(uuid[], timestamptz) to authenticated;
grant execute on function public.push_mark_unread(uuid[]) to authenticated;
grant execute on function public.push_mark_all_read(timestamptz, timestamptz) to authenticated;
