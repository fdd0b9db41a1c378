-- Expansions: messages to many recipients, served in chunks outside the transaction that wrote them.
--
-- A message to a topic is one row; so is one to a long list of users. Dispatchers that find little to send, and the tick,
-- then walk the recipients by user id, a chunk per transaction: where the next one starts is written with what the one before
-- has made, so a crash loses and repeats nothing. While a chunk waits to be sent no other is made: a message to a million
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
  perform push.wake() from push.expansions as e where e.notification_id = new.id and not push.is_expansion_held(e);
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

create function push.next_recipients(p_expansion push.expansions, p_limit integer)
returns table (user_id uuid, place bigint, is_served boolean)
language plpgsql
stable
set search_path = ''
-- A range of an index, however short the planner believes the table to be.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  if p_expansion.message is not null then
    return query select r.user_id, row_number() over (order by r.user_id), true
    from push.expansion_recipients as r
    where r.expansion_id = p_expansion.id and r.user_id >= p_expansion.next_id
    order by r.user_id
    limit p_limit;
    return;
  end if;
  return query select m.user_id, row_number() over (order by m.user_id), m.created_at <= p_expansion.started_at
  from public.push_topic_members as m
  where m.topic = (select n.audience_topic from public.push_notifications as n where n.id = p_expansion.notification_id)
    and m.user_id >= p_expansion.next_id
  order by m.user_id
  limit p_limit;
end;
$$;
comment on function push.next_recipients(push.expansions, integer) is
  'The next recipients of an expansion by user id: users of its list, or members of its topic, not served if they joined later.';

create function push.deliver_to_members(p_notification public.push_notifications, p_user_ids uuid[], p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_deliveries bigint;
begin
  with queued as (
    -- Due now, not at send_at: messages that others wrote meanwhile are older than this chunk and go before it.
    select q.state, q.deliveries from push.enqueue(array(
      select row(
        p_notification.id, m.id, true, false, p_notification.category, p_notification.urgency, null, p_now, p_notification.expires_at
      )::push.due_message
      from unnest(p_user_ids) as m (id)
      -- What does not reach a member anyway, for lack of a device, must not count against the limit.
      where exists (select from public.push_subscriptions as s where s.user_id = m.id)
    ), p_now) as q
  ), counted as (
    -- Those that preferences and limits ended at once; push.count_finished_deliveries() counts what changes later.
    insert into push.delivery_counts (notification_id, state, deliveries)
    select p_notification.id, q.state, q.deliveries from queued as q where q.state <> 'queued'
  )
  select sum(q.deliveries) into v_deliveries from queued as q;
  return v_deliveries;
end;
$$;
comment on function push.deliver_to_members(public.push_notifications, uuid[], timestamptz) is
  'Makes the deliveries of a message to a topic for these members; returns how many.';

create function push.expand_chunk(p_expansion push.expansions, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- An application's open transaction may hold a recipient's limit; dispatchers have other work.
set lock_timeout = '500ms'
as $$
declare
  v_notification public.push_notifications;
  v_served uuid[];
  v_walked bigint;
  v_next uuid;
  v_made bigint;
begin
  select n.* into v_notification from public.push_notifications as n where n.id = p_expansion.notification_id;
  if p_expansion.message is not null or v_notification.expires_at > p_now then
    select array_agg(r.user_id order by r.place) filter (where r.place <= p_limit and r.is_served),
      count(*) filter (where r.place <= p_limit), (array_agg(r.user_id) filter (where r.place > p_limit))[1]
    into v_served, v_walked, v_next
    from push.next_recipients(p_expansion, p_limit + 1) as r;
    v_made := case
      when p_expansion.message is null then push.deliver_to_members(v_notification, v_served, p_now)
      else push.send_to_each(v_served, jsonb_populate_record(null::push.message, p_expansion.message))
    end;
  end if;

  if v_next is null and p_expansion.message is not null then
    delete from push.expansions as e where e.id = p_expansion.id;
    return;
  end if;
  update push.expansions as e
  set members = e.members + coalesce(v_walked, 0),
      deliveries = e.deliveries + coalesce(v_made, 0),
      next_id = coalesce(v_next, e.next_id),
      worked_at = p_now,
      finished_at = case when v_next is null then p_now end
  where e.id = p_expansion.id;
  if v_next is null then
    update public.push_notifications as n set status = 'queued' where n.id = p_expansion.notification_id;
  end if;
end;
$$;
comment on function push.expand_chunk(push.expansions, integer, timestamptz) is
  'Serves the next recipients of an expansion. The caller holds its lock.';

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

create function push.take_expansion(p_now timestamptz)
returns push.expansions
language plpgsql
set search_path = ''
as $$
declare
  v_expansion push.expansions;
begin
  for v_expansion in
    select e.* from push.expansions as e
    where e.finished_at is null and not push.is_expansion_held(e, p_now)
    order by e.worked_at, e.id
  loop
    -- The one lock of an expansion; of a topic's message it is what cancelling waits for, and rows that refer to it may be
    -- added meanwhile.
    if v_expansion.notification_id is not null then
      perform from public.push_notifications as n where n.id = v_expansion.notification_id for no key update skip locked;
    else
      perform from push.expansions as e where e.id = v_expansion.id for no key update skip locked;
    end if;
    if found then
      -- As it is now: another transaction may have worked on it until we had the lock.
      select e.* into v_expansion from push.expansions as e where e.id = v_expansion.id;
      return v_expansion;
    end if;
  end loop;
  return null;
end;
$$;
comment on function push.take_expansion(timestamptz) is
  'The expansion whose last chunk was longest ago, locked until the transaction ends; null when there is none that is free.';

create function push.expand(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_expansion constant push.expansions := push.take_expansion(p_now);
  v_status text;
  v_limit integer;
begin
  if v_expansion.id is null then
    return false;
  elsif v_expansion.finished_at is not null then
    -- Another transaction finished it.
    return true;
  end if;

  select n.status into v_status from public.push_notifications as n where n.id = v_expansion.notification_id;
  select least(greatest(coalesce(p_limit, s.expansion_chunk), 1), 10000) into v_limit from push.settings as s;
  begin
    if v_expansion.message is not null or v_status = 'expanding' then
      perform push.expand_chunk(v_expansion, v_limit, p_now);
    elsif v_status = 'cancelled' then
      perform push.withdraw_chunk(v_expansion.notification_id, v_limit * 10, p_now);
    else
      update push.expansions as e set finished_at = p_now where e.id = v_expansion.id;
    end if;
  exception when lock_not_available then
    -- Another transaction holds a recipient's limit: this expansion goes to the end of the line.
    update push.expansions as e set worked_at = p_now where e.id = v_expansion.id;
    return false;
  when others then
    -- The tick and the dispatchers have other work: this expansion goes to the end of the line, and an alarm is raised.
    update push.expansions as e set worked_at = p_now where e.id = v_expansion.id;
    perform push.raise_alarm('expansion_failed', coalesce(v_expansion.notification_id, v_expansion.id)::text,
      format('A message to a %s could not be expanded: %s', case when v_expansion.message is null then 'topic' else 'list of users' end, sqlerrm),
      p_now);
    return false;
  end;
  perform push.resolve_alarm('expansion_failed', coalesce(v_expansion.notification_id, v_expansion.id)::text, p_now);
  return true;
end;
$$;
comment on function push.expand(integer, timestamptz) is
  'Serves the next recipients of one expansion, or takes back deliveries of a cancelled one; false when there is none.';

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
  'Works on one chunk of a message to a topic or a long list of users; for dispatchers whose claim left room. False: there was nothing to do. Service role only.';

revoke all on function public.push_expand(integer, timestamptz) from public, anon, authenticated;

grant execute on function public.push_expand(integer, timestamptz) to service_role;
