-- Into the queue: one delivery for each device, when a notification is made or due.

create function push.queue_new_notifications()
returns trigger
language plpgsql
-- Definer: the role that inserts a notification (the service, a rule) has no access to the queue.
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_held uuid[] := array[]::uuid[];
begin
  -- Projects without digests and limits pay for this question alone.
  if exists (
    select from push_new_notifications as n
    where num_nonnulls(n.digest_key, n.digest_id) > 0 or (n.category is not null and exists (
      select from public.push_categories as c where c.throttle_limit is not null
    ))
  ) or (select s.daily_ceiling is not null from push.settings as s) then
    -- The moment of a summary is set by who makes it.
    v_now := coalesce((select max(n.send_at) from push_new_notifications as n where n.digest_id is not null), v_now);
    v_held := push.hold_back(
      array(select n.id from push_new_notifications as n where n.status = 'queued' and n.user_id is not null), v_now
    );
  end if;
  insert into push.deliveries (
    notification_id, subscription_id, host, due_at, expires_at, state, finished_at, last_code
  )
  select n.id, s.id, s.host, coalesce((v.verdict).due_at, n.send_at), n.expires_at,
    coalesce((v.verdict).state, 'queued'), (v.verdict).finished_at, (v.verdict).code
  from push_new_notifications as n
  join public.push_subscriptions as s on s.user_id = n.user_id
  -- Here and wherever deliveries are made or claimed: three look-ups by key for each, whatever the planner believes, and no
  -- judgement for users without preferences who are not banned. Offset 0 keeps it from judging once for each field.
  cross join lateral (
    select (
      select push.judge(p, o, n.category, n.urgency, n.expires_at, v_now, u.banned_until, u.deleted_at)
      from (values (s.id)) as x (subscription_id)
      left join public.push_preferences as p on p.user_id = s.user_id
      left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
      left join auth.users as u on u.id = s.user_id and (u.banned_until > v_now or u.deleted_at is not null)
      where p.user_id is not null or o.user_id is not null or u.id is not null
    ) offset 0
  ) as v (verdict)
  where n.status = 'queued' and (v_held = '{}' or n.id not in (select h.id from unnest(v_held) as h (id)));
  return null;
end;
$$;
comment on function push.queue_new_notifications() is
  'Makes one delivery for each device of each new notification that is due, unless it waits in a digest, is beyond a limit, or '
  'is for a topic: those expand in chunks.';

create trigger push_notifications_queue
after insert on public.push_notifications
referencing new table as push_new_notifications
for each statement execute function push.queue_new_notifications();

create function push.delete_deliveries()
returns trigger
language plpgsql
-- Definer: the role that deletes a notification has no access to the queue.
security definer
set search_path = ''
-- A look-up by index for each, however empty the planner believes the queue to be.
set enable_seqscan = off
as $$
begin
  -- In the order in which reports are settled: neither waits for the other in a circle.
  delete from push.deliveries as d
  where d.id in (
    select o.id from push.deliveries as o
    join push_deleted_notifications as n on n.id = o.notification_id
    order by o.id
    for update of o
  );
  return null;
end;
$$;
comment on function push.delete_deliveries() is 'Deletes the deliveries of deleted notifications, queued and done.';

create trigger push_notifications_delete_deliveries
after delete on public.push_notifications
referencing old table as push_deleted_notifications
for each statement execute function push.delete_deliveries();

create function push.queue_due_notifications(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- An application's open transaction may hold a digest or a limit that is needed here; the tick has other work.
set lock_timeout = '500ms'
as $$
declare
  v_ids uuid[];
  v_user_ids uuid[];
  v_categories text[];
  v_urgencies text[];
  v_send_ats timestamptz[];
  v_expire_ats timestamptz[];
  v_limited boolean;
  v_held uuid[] := array[]::uuid[];
  v_put_back integer := 0;
begin
  with due as (
    select n.id from public.push_notifications as n
    where n.status = 'scheduled' and n.send_at <= p_now
    order by n.send_at, n.id
    limit p_limit
    for update skip locked
  ), released as (
    -- One for a topic has no user and finds no devices here: from now on it expands in chunks.
    update public.push_notifications as n
    set status = case when n.audience_topic is null then 'queued' else 'expanding' end
    from due where n.id = due.id
    returning n.id, n.user_id, n.category, n.urgency, n.send_at, n.expires_at, n.digest_key
  )
  select coalesce(array_agg(r.id order by r.send_at, r.id), '{}'), array_agg(r.user_id order by r.send_at, r.id),
    array_agg(r.category order by r.send_at, r.id), array_agg(r.urgency order by r.send_at, r.id),
    array_agg(r.send_at order by r.send_at, r.id), array_agg(r.expires_at order by r.send_at, r.id),
    coalesce(bool_or(r.digest_key is not null or (r.category is not null and exists (
      select from public.push_categories as c where c.throttle_limit is not null
    ))), false)
  into v_ids, v_user_ids, v_categories, v_urgencies, v_send_ats, v_expire_ats, v_limited
  from released as r;

  if v_limited or (select s.daily_ceiling is not null from push.settings as s) then
    begin
      v_held := push.hold_back(array(
        select i.id from unnest(v_ids, v_user_ids, v_expire_ats) with ordinality as i (id, user_id, expires_at, place)
        where i.user_id is not null and i.expires_at > p_now
        order by i.place
      ), p_now);
    exception when lock_not_available then
      -- The next tick tries again; what no limit concerns goes on.
      with put_back as (
        update public.push_notifications as n set status = 'scheduled'
        where n.id = any (v_ids) and n.status = 'queued' and (n.digest_key is not null or push.is_limited(n.category))
        returning n.id
      )
      select array(select b.id from put_back as b) into v_held;
      v_put_back := cardinality(v_held);
    end;
  end if;

  insert into push.deliveries (
    notification_id, subscription_id, host, due_at, expires_at, state, finished_at, last_code
  )
  select r.id, s.id, s.host, coalesce((v.verdict).due_at, r.send_at), r.expires_at,
    coalesce((v.verdict).state, 'queued'), (v.verdict).finished_at, (v.verdict).code
  from unnest(v_ids, v_user_ids, v_categories, v_urgencies, v_send_ats, v_expire_ats)
    as r (id, user_id, category, urgency, send_at, expires_at)
  join public.push_subscriptions as s on s.user_id = r.user_id
  cross join lateral (
    select (
      select push.judge(p, o, r.category, r.urgency, r.expires_at, p_now, u.banned_until, u.deleted_at)
      from (values (s.id)) as x (subscription_id)
      left join public.push_preferences as p on p.user_id = s.user_id
      left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
      left join auth.users as u on u.id = s.user_id and (u.banned_until > p_now or u.deleted_at is not null)
      where p.user_id is not null or o.user_id is not null or u.id is not null
    ) offset 0
  ) as v (verdict)
  where r.expires_at > p_now and (v_held = '{}' or r.id not in (select h.id from unnest(v_held) as h (id)));
  return cardinality(v_ids) - v_put_back;
end;
$$;
comment on function push.queue_due_notifications(integer, timestamptz) is
  'Makes the deliveries of scheduled notifications whose moment has come; returns how many notifications those were.';
