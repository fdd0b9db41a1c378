-- Unread and read: counting and marking.

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
  -- An app whose clock is ahead would otherwise mark what its user has not seen.
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

revoke all on function public.push_unread_count() from public, anon, authenticated;
revoke all on function public.push_mark_read(uuid[], timestamptz) from public, anon, authenticated;
revoke all on function public.push_mark_unread(uuid[]) from public, anon, authenticated;
revoke all on function public.push_mark_all_read(timestamptz, timestamptz) from public, anon, authenticated;

grant execute on function public.push_unread_count() to authenticated;
grant execute on function public.push_mark_read(uuid[], timestamptz) to authenticated;
grant execute on function public.push_mark_unread(uuid[]) to authenticated;
grant execute on function public.push_mark_all_read(timestamptz, timestamptz) to authenticated;
