-- Messages to a topic, expanded in chunks outside the transaction that wrote them.
--
-- A message to a topic is one row. Dispatchers that find little to send, and the tick, then walk its members by
-- user id, a chunk per transaction: where the next one starts is written with the deliveries of the one before, so a
-- crash loses and repeats nothing. While a chunk waits to be sent no other is made: a message to a million members
-- is never a million rows in the queue in front of the messages of other users.

create function push.begin_expansion()
returns trigger
language plpgsql
-- Definer: the role that inserts a notification has no access to the queue.
security definer
set search_path = ''
as $$
begin
  insert into push.expansions (notification_id) values (new.id) on conflict (notification_id) do nothing;
  if not push.is_expansion_held(new.id) then
    perform push.wake();
  end if;
  return null;
end;
$$;
comment on function push.begin_expansion() is 'Leaves the members of a topic to dispatchers, and makes sure that there is one.';

create trigger push_notifications_expand_new
after insert on public.push_notifications
for each row when (new.status = 'expanding')
execute function push.begin_expansion();

create trigger push_notifications_expand_due
after update of status on public.push_notifications
for each row when (new.status = 'expanding' and old.status = 'scheduled')
execute function push.begin_expansion();

create function push.expand_chunk(p_notification_id uuid, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- An application's open transaction may hold a member's limit; dispatchers have other work.
set lock_timeout = '500ms'
as $$
declare
  v_notification public.push_notifications;
  v_expansion push.expansions;
  v_due push.due_message[];
  v_members bigint;
  v_deliveries bigint;
  v_next uuid;
begin
  select n.* into v_notification from public.push_notifications as n where n.id = p_notification_id;
  select e.* into v_expansion from push.expansions as e where e.notification_id = p_notification_id;
  if v_notification.expires_at > p_now then
    with page as (
      select m.user_id, m.created_at, row_number() over (order by m.user_id) as place
      from (
        select t.user_id, t.created_at from public.push_topic_members as t
        where t.topic = v_notification.audience_topic and t.user_id >= v_expansion.next_id
        order by t.user_id
        limit p_limit + 1
      ) as m
    )
    -- Due now, not at send_at: messages that others wrote meanwhile are older than this chunk and go before it.
    select array_agg(row(
        p_notification_id, m.user_id, true, false, v_notification.category, v_notification.urgency, null, p_now, v_notification.expires_at
      )::push.due_message order by m.place) filter (
        -- What does not reach a member anyway, for lack of a device, must not count against the limit.
        where m.place <= p_limit and m.created_at <= v_expansion.started_at
          and exists (select from public.push_subscriptions as s where s.user_id = m.user_id)
      ),
      count(*) filter (where m.place <= p_limit),
      max(m.user_id::text) filter (where m.place > p_limit)
    into v_due, v_members, v_next
    from page as m;

    with queued as (
      select q.state, q.deliveries from push.enqueue(v_due, p_now) as q
    ), counted as (
      -- Those that preferences and limits ended at once; the trigger above counts what changes later.
      insert into push.delivery_counts (notification_id, state, deliveries)
      select p_notification_id, q.state, q.deliveries from queued as q where q.state <> 'queued'
    )
    select sum(q.deliveries) into v_deliveries from queued as q;
  end if;

  update push.expansions as e
  set members = e.members + coalesce(v_members, 0),
      deliveries = e.deliveries + coalesce(v_deliveries, 0),
      next_id = coalesce(v_next, e.next_id),
      worked_at = p_now,
      finished_at = case when v_next is null then p_now end
  where e.notification_id = p_notification_id;
  if v_next is null then
    update public.push_notifications as n set status = 'queued' where n.id = p_notification_id;
  end if;
end;
$$;
comment on function push.expand_chunk(uuid, integer, timestamptz) is
  'Makes the deliveries of a topic''s next members. The caller holds the notification''s row.';

create function push.withdraw_chunk(p_notification_id uuid, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_next uuid;
begin
  with page as (
    select w.id, w.subscription_id, row_number() over (order by w.subscription_id) as place
    from (
      select d.id, d.subscription_id from push.deliveries as d
      where d.notification_id = p_notification_id
        and d.subscription_id >= (select e.next_id from push.expansions as e where e.notification_id = p_notification_id)
      order by d.subscription_id
      limit p_limit + 1
    ) as w
  ), withdrawn as (
    -- Skip locked: such a one is being claimed or reported. If it comes back to the queue, the next claim ends it.
    update push.deliveries as d
    set state = 'cancelled', finished_at = p_now, last_code = 'notification_cancelled'
    where d.id in (
      select q.id from push.deliveries as q
      join page as p on p.id = q.id
      where p.place <= p_limit and q.state = 'queued'
      for update of q skip locked
    )
  )
  select p.subscription_id into v_next from page as p where p.place > p_limit;

  update push.expansions as e
  set next_id = coalesce(v_next, e.next_id), worked_at = p_now, finished_at = case when v_next is null then p_now end
  where e.notification_id = p_notification_id;
end;
$$;
comment on function push.withdraw_chunk(uuid, integer, timestamptz) is
  'Takes back the next of a cancelled topic message''s deliveries. The caller holds the notification''s row.';

create function push.expand(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
  v_status text;
  v_limit integer;
begin
  select n.id, n.status into v_id, v_status
  from push.expansions as e
  join public.push_notifications as n on n.id = e.notification_id
  where e.finished_at is null and not push.is_expansion_held(e.notification_id, p_now)
  order by e.worked_at, e.notification_id
  limit 1
  -- The one lock of an expansion, which cancelling waits for; rows that refer to it may be added meanwhile.
  for no key update of n skip locked;
  if not found then
    return false;
  end if;
  if exists (select from push.expansions as e where e.notification_id = v_id and e.finished_at is not null) then
    -- Another transaction finished it between our snapshot and our lock.
    return true;
  end if;

  select least(greatest(coalesce(p_limit, s.expansion_chunk), 1), 10000) into v_limit from push.settings as s;
  begin
    if v_status = 'expanding' then
      perform push.expand_chunk(v_id, v_limit, p_now);
    elsif v_status = 'cancelled' then
      perform push.withdraw_chunk(v_id, v_limit * 10, p_now);
    else
      update push.expansions as e set finished_at = p_now where e.notification_id = v_id;
    end if;
  exception when lock_not_available then
    -- Another transaction holds a member's limit: this expansion goes to the end of the line.
    update push.expansions as e set worked_at = p_now where e.notification_id = v_id;
    return false;
  when others then
    -- The tick and the dispatchers have other work: this expansion goes to the end of the line, and an alarm is raised.
    update push.expansions as e set worked_at = p_now where e.notification_id = v_id;
    perform push.raise_alarm('expansion_failed', v_id::text, 'A message to a topic could not be expanded: ' || sqlerrm, p_now);
    return false;
  end;
  perform push.resolve_alarm('expansion_failed', v_id::text, p_now);
  return true;
end;
$$;
comment on function push.expand(integer, timestamptz) is
  'Makes the deliveries of the next members of one topic message, or takes back those of a cancelled one; false when there is none.';

create function public.push_expand(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  -- While something waits that a push service has no room for, more of it would only stand in front of others.
  select not push.has_due(p_now) and push.expand(p_limit, p_now);
$$;
comment on function public.push_expand(integer, timestamptz) is
  'Works on one chunk of a message to a topic; for dispatchers whose claim left room. False: there was nothing to do. Service role only.';

revoke all on function public.push_expand(integer, timestamptz) from public, anon, authenticated;

grant execute on function public.push_expand(integer, timestamptz) to service_role;
