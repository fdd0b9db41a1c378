-- The one door into the queue: new messages, scheduled ones and those to a topic all become deliveries here.

create function push.moment_of_writing(p_now timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
begin
  -- The number of the transaction first: from then on claims wait for it before they read from a later moment. See push.note_starts().
  return case
    when pg_current_xact_id() is not null and p_now not between clock_timestamp() - interval '1 minute' and clock_timestamp() then p_now
    else clock_timestamp()
  end;
end;
$$;
comment on function push.moment_of_writing(timestamptz) is
  'The earliest moment for which this transaction may make something due: by the clock, unless p_now is another time altogether.';

create function push.enqueue(p_due push.due_message[], p_now timestamptz)
returns table (state text, deliveries bigint)
language plpgsql
set search_path = ''
-- By key, however many devices there are: see push_claim. And planned once: planning took two thirds of the time of a single message,
-- because the plan for it alone seems cheaper each time.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
-- Else a small table that grows is compared with each row.
set enable_material = off
set jit = off
as $$
#variable_conflict use_column
declare
  -- What one user may have in lane 0: of one statement, and waiting for one device. See lanes.sql.
  c_of_statement constant integer := 100;
  c_of_device constant integer := 30;
  -- First digests and limits: what holds each message back, in the order given.
  v_held_by constant text[] := push.apply_limits(p_due, p_now);
  v_at constant timestamptz := push.moment_of_writing(p_now);
begin
  if array_remove(v_held_by, null) <> '{}' then
    -- A message to a topic goes on to its other members.
    update public.push_notifications as n set status = 'suppressed'
    from unnest(p_due, v_held_by)
      as d (
        notification_id, user_id, to_topic, is_summary, category, urgency, digest_key, due_at, expires_at, tag, position, held_by
      )
    where n.id = d.notification_id and d.held_by in ('throttled', 'daily_ceiling') and not d.to_topic;
  end if;
  return query
  with judged as materialized (
    select d.notification_id, s.id as subscription_id, s.host, greatest(coalesce((v.verdict).due_at, d.due_at), v_at) as due_at, d.expires_at,
      d.tag, d.position, d.place, d.user_id, d.to_topic, d.to_topic or d.is_summary as is_of_many,
      (v.verdict).state, (v.verdict).finished_at, (v.verdict).code
    from unnest(p_due, v_held_by) with ordinality
      as d (
        notification_id, user_id, to_topic, is_summary, category, urgency, digest_key, due_at, expires_at, tag, position, held_by, place
      )
    join public.push_subscriptions as s on s.user_id = d.user_id
    -- As push.judged_devices, which would look the device up once more.
    left join public.push_preferences as p on p.user_id = s.user_id
    left join public.push_device_preferences as o on o.subscription_id = s.id and o.user_id = s.user_id
    -- Of a topic's members not before they are handed out: among a million users, each row of another page is a fifth of all this.
    left join auth.users as u on u.id = case when not d.to_topic or num_nonnulls(p.user_id, o.user_id) > 0 then s.user_id end
      and (u.banned_until is not null or u.deleted_at is not null)
    -- Then preferences. Offset 0 keeps this from being worked out once for each field of a verdict.
    cross join lateral (
      select case
        -- The log says why nothing came.
        when d.held_by is not null then row('suppressed', null, p_now, d.held_by)::push.verdict
        when num_nonnulls(p.user_id, o.user_id, u.id) > 0 then
          push.judge(row(s.id, p, o, u.banned_until, u.deleted_at)::push.judged_devices, d.category, d.urgency, d.expires_at, p_now)
      end offset 0
    ) as v (verdict)
    where d.held_by is distinct from 'digest'
  ), queued as (
    insert into push.queue (notification_id, subscription_id, host, lane, due_at, expires_at, tag, position, last_code)
    select j.notification_id, j.subscription_id, j.host,
      case
        when j.is_of_many then 0
        when j.of_user > c_of_statement or exists (
          select from push.queue as q
          where q.subscription_id = j.subscription_id and q.lease_until is null and q.subscription_id >= '00000000-0000-0000-0000-000000000000'
            -- What waits for the end of quiet hours is not too much.
            and q.due_at <= v_at
          offset c_of_device - 1
        ) then push.side_lane(j.user_id)
        else 0
      end,
      j.due_at, j.expires_at, j.tag, j.position, j.code
    from (select k.*, row_number() over (partition by k.user_id order by k.place) as of_user from judged as k where k.finished_at is null) as j
    -- A device that moved from one member of a topic to another between two chunks, the first of which still waits.
    where not (j.to_topic and exists (
      -- Offset 0 leaves no other plan than a look-up by key for each.
      select from push.queue as q where q.notification_id = j.notification_id and q.subscription_id = j.subscription_id offset 0
    ))
    -- In the order in which they were given: of equal moments, the smaller id goes first.
    order by j.place
    returning 1
  ), ended as (
    insert into push.delivery_log (notification_id, subscription_id, host, state, created_at, due_at, finished_at, last_code)
    select j.notification_id, j.subscription_id, j.host, j.state, now(), j.due_at, j.finished_at, j.code
    from judged as j
    where j.finished_at is not null
    returning state
  )
  select k.state, count(*)
  from (select 'queued' as state from queued as q union all select e.state from ended as e) as k
  group by k.state;
end;
$$;
comment on function push.enqueue(push.due_message[], timestamptz) is
  'Makes one delivery for each device of each of these messages, unless it waits in a digest; says how many came into which state. What a '
  'limit or preferences hold back is there as suppressed.';

create function push.enqueue_one(p_due push.due_message, p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
-- As push.enqueue().
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set enable_material = off
set jit = off
as $$
declare
  c_of_device constant integer := 30;
  v_at constant timestamptz := push.moment_of_writing(p_now);
begin
  if p_due.digest_key is not null then
    return false;
  end if;
  if p_due.category is not null then
    if exists (select from public.push_categories as c where c.throttle_limit is not null) then
      return false;
    end if;
  end if;
  insert into push.queue (notification_id, subscription_id, host, lane, due_at, expires_at, tag, position)
  select p_due.notification_id, s.id, s.host,
    case
      when not p_due.is_summary and exists (
        select from push.queue as q
        where q.subscription_id = s.id and q.lease_until is null and q.subscription_id >= '00000000-0000-0000-0000-000000000000'
          and q.due_at <= v_at
        offset c_of_device - 1
      ) then push.side_lane(p_due.user_id)
      else 0
    end,
    greatest(p_due.due_at, v_at), p_due.expires_at, p_due.tag, p_due.position
  from public.push_subscriptions as s
  where s.user_id = p_due.user_id and (
    select c.daily_ceiling is null
      and not exists (select from public.push_preferences as p where p.user_id = p_due.user_id)
      and not exists (select from public.push_device_preferences as o where o.user_id = p_due.user_id)
      and not exists (select from auth.users as u where u.id = p_due.user_id and (u.banned_until is not null or u.deleted_at is not null))
    from push.settings as c
  );
  -- Without a device there is nothing to queue.
  return found or (select c.daily_ceiling is null from push.settings as c)
    and not exists (select from public.push_subscriptions as s where s.user_id = p_due.user_id);
end;
$$;
comment on function push.enqueue_one(push.due_message, timestamptz) is
  'push.enqueue() of the usual message, one to one user that nothing may hold back, at a third of its cost; false when it is not that, and nothing was done.';

create function push.enqueue_new_notifications()
returns trigger
language plpgsql
-- Definer: the role that inserts a notification (the service, a rule) has no access to the queue.
security definer
set search_path = ''
as $$
declare
  v_clock constant timestamptz := clock_timestamp();
  v_now timestamptz;
  v_due push.due_message[];
begin
  -- What has expired by now is in the inbox alone, as it is of scheduled messages and of those to topics: it must not use up a
  -- limit, nor be told by a digest. The moment of a summary is set by who makes it.
  select array_agg(row(
    n.id, n.user_id, false, n.digest_id is not null, n.category, n.urgency, n.digest_key, n.send_at, n.expires_at,
    coalesce(n.tag, n.collapse_key),
    push.next_position(coalesce(n.tag, n.collapse_key))
  )::push.due_message), coalesce(max(n.send_at) filter (where n.digest_id is not null), v_clock)
  into v_due, v_now
  from push_new_notifications as n
  where n.status = 'queued' and n.user_id is not null and n.expires_at > case when n.digest_id is null then v_clock else n.send_at end;
  if cardinality(v_due) = 1 then
    if push.enqueue_one(v_due[1], v_now) then
      return null;
    end if;
  end if;
  if v_due is not null then
    perform from push.enqueue(v_due, v_now);
  end if;
  return null;
end;
$$;
comment on function push.enqueue_new_notifications() is
  'Has new notifications to users that are due become deliveries. Those to topics fan out in chunks.';

create trigger push_notifications_queue
after insert on public.push_notifications
referencing new table as push_new_notifications
for each statement execute function push.enqueue_new_notifications();

create function push.enqueue_due_notifications(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- An application's open transaction may hold a digest or a limit that is needed here; the tick has other work.
set lock_timeout = '500ms'
as $$
declare
  v_released integer;
  v_due push.due_message[];
  v_put_back uuid[];
begin
  with due as (
    select n.id from public.push_notifications as n
    where n.status = 'scheduled' and n.send_at <= p_now
    order by n.send_at, n.id
    limit p_limit
    for update skip locked
  ), released as (
    -- One for a topic has no user: from now on it fans out in chunks.
    update public.push_notifications as n
    set status = case when n.audience_topic is null then 'queued' else 'fanning_out' end
    from due where n.id = due.id
    returning n.id, n.user_id, n.category, n.urgency, n.send_at, n.expires_at, n.digest_key, n.digest_id,
      coalesce(n.tag, n.collapse_key) as tag
  )
  select count(*), array_agg(row(
      r.id, r.user_id, false, r.digest_id is not null, r.category, r.urgency, r.digest_key, r.send_at, r.expires_at,
      r.tag, push.next_position(r.tag)
    )::push.due_message order by r.send_at, r.id) filter (where r.user_id is not null and r.expires_at > p_now)
  into v_released, v_due
  from (select d.* from released as d order by d.send_at, d.id) as r;

  begin
    perform from push.enqueue(v_due, p_now);
  exception when lock_not_available then
    -- The next tick tries again; what no limit concerns goes on.
    with put_back as (
      update public.push_notifications as n set status = 'scheduled'
      from unnest(v_due) as d
      where n.id = d.notification_id and (d.digest_key is not null or push.is_limited(d.category))
      returning n.id
    )
    select array(select b.id from put_back as b) into v_put_back;
    perform from push.enqueue(array(
      select d from unnest(v_due) as d where d.notification_id not in (select b.id from unnest(v_put_back) as b (id))
    ), p_now);
  end;
  return v_released - coalesce(cardinality(v_put_back), 0);
end;
$$;
comment on function push.enqueue_due_notifications(integer, timestamptz) is
  'Has scheduled notifications whose moment has come become deliveries; returns how many notifications those were.';
