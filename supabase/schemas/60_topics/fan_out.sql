-- Fan-outs: messages to many recipients, served in chunks outside the transaction that wrote them.
--
-- A message to a topic is one row; so is one to a long list of users. Dispatchers that find little to send, and the tick,
-- then walk the recipients by user id, a chunk per transaction: where the next one starts is written with what the one before
-- has made, so a crash loses and repeats nothing. While a chunk waits to be sent no other is made: a message to a million
-- is never a million rows in the queue in front of the messages of other users.

create function push.begin_fan_out()
returns trigger
language plpgsql
-- Definer: the role that inserts a notification has no access to the queue.
security definer
set search_path = ''
as $$
begin
  insert into push.fan_outs (notification_id, position)
  values (new.id, push.next_position(coalesce(new.tag, new.collapse_key)))
  on conflict (notification_id) do nothing;
  perform push.wake() from push.fan_outs as f where f.notification_id = new.id and not push.is_fan_out_held(f);
  return null;
end;
$$;
comment on function push.begin_fan_out() is 'Leaves the members of a topic to dispatchers, and makes sure that there is one.';

create trigger push_notifications_fan_out_new
after insert on public.push_notifications
for each row when (new.status = 'fanning_out')
execute function push.begin_fan_out();

create trigger push_notifications_fan_out_due
after update of status on public.push_notifications
for each row when (new.status = 'fanning_out' and old.status = 'scheduled')
execute function push.begin_fan_out();

create function push.put_off_fan_out(p_id uuid, p_error text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_fan_out push.fan_outs;
  v_kind text;
  v_subject text;
begin
  update push.fan_outs as f
  set failures = f.failures + 1,
      next_at = p_now + push.backoff(f.failures + 1, s.backoff_base, s.backoff_max),
      worked_at = p_now,
      last_error = p_error,
      finished_at = case when f.failures + 1 >= s.max_attempts then p_now end,
      stopped = case when f.failures + 1 >= s.max_attempts then 'given_up' end
  from push.settings as s
  where f.id = p_id
  returning f.* into v_fan_out;
  v_kind := case when v_fan_out.message is null then 'topic' else 'list of users' end;
  v_subject := coalesce(v_fan_out.notification_id, v_fan_out.id)::text;
  if v_fan_out.finished_at is null then
    perform push.raise_alarm('fan_out_failed', v_subject,
      format('A message to a %s could not be fanned out, and is tried again: %s', v_kind, p_error), p_now);
    return;
  end if;
  update public.push_notifications as n set status = 'queued' where n.id = v_fan_out.notification_id and n.status = 'fanning_out';
  -- Even if the alarm is fresh, it says from now on that nothing more is done.
  perform push.resolve_alarm('fan_out_failed', v_subject, p_now);
  perform push.raise_alarm('fan_out_failed', v_subject,
    format('A message to a %s was given up after %s failures, with %s recipients served: %s', v_kind, v_fan_out.failures,
      v_fan_out.members, p_error),
    p_now);
end;
$$;
comment on function push.put_off_fan_out(uuid, text, timestamptz) is
  'Notes that a fan-out as a whole failed: it is tried again later, and given up after push.settings.max_attempts failures in a row.';

create function push.fan_out_chunk(p_fan_out push.fan_outs, p_limit integer, p_now timestamptz, p_skip text default null)
returns void
language plpgsql
set search_path = ''
-- An application's open transaction may hold a recipient's limit; dispatchers have other work.
set lock_timeout = '500ms'
as $$
declare
  v_notification public.push_notifications;
  v_users uuid[];
  v_walked bigint := 0;
  v_next uuid;
  v_outcome push.serving := row(0, 0, 0, null, null)::push.serving;
begin
  select n.* into v_notification from public.push_notifications as n where n.id = p_fan_out.notification_id;
  if p_fan_out.message is not null or v_notification.expires_at > p_now then
    select array_agg(r.user_id order by r.place) filter (where r.place <= p_limit and r.is_served),
      count(*) filter (where r.place <= p_limit), (array_agg(r.user_id) filter (where r.place > p_limit))[1]
    into v_users, v_walked, v_next
    from push.next_recipients(p_fan_out, p_limit + 1) as r;
    if p_skip is null then
      v_outcome := push.serve(p_fan_out, v_notification, v_users, p_now);
    else
      v_outcome := row(0, 0, cardinality(v_users), v_users[1], p_skip)::push.serving;
    end if;
  end if;

  if p_fan_out.message is not null then
    perform push.drop_recipients(p_fan_out, v_next);
  end if;
  update push.fan_outs as f
  set members = f.members + v_walked - v_outcome.failed,
      deliveries = f.deliveries + v_outcome.made,
      failed = f.failed + v_outcome.failed,
      failures = case when v_outcome.served > 0 or v_outcome.failed = 0 then 0 else f.failures end,
      last_error = coalesce(v_outcome.error, f.last_error),
      -- It grows again in small steps: each step too far costs the time of a whole statement.
      chunk = case when f.chunk < 9000 then f.chunk + greatest(f.chunk / 10, 1) end,
      next_id = coalesce(v_next, f.next_id),
      worked_at = p_now,
      finished_at = case when v_next is null then p_now end
  where f.id = p_fan_out.id;
  if v_next is null then
    update public.push_notifications as n set status = 'queued' where n.id = p_fan_out.notification_id;
  end if;
  if v_outcome.failed > 0 then
    perform push.raise_alarm('fan_out_failed', coalesce(p_fan_out.notification_id, p_fan_out.id)::text,
      format('A message to a %s leaves out those for whom it fails: %s',
        case when p_fan_out.message is null then 'topic' else 'list of users' end, v_outcome.error),
      p_now);
    if v_outcome.served = 0 and v_next is not null then
      perform push.put_off_fan_out(p_fan_out.id, v_outcome.error, p_now);
    end if;
  end if;
end;
$$;
comment on function push.fan_out_chunk(push.fan_outs, integer, timestamptz, text) is
  'Serves the next recipients of a fan-out, or leaves them out because of the error p_skip. The caller holds its lock.';

create function push.withdraw_chunk(p_notification_id uuid, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_next uuid;
  v_withdrawn bigint[];
begin
  with page as (
    select w.id, w.subscription_id, row_number() over (order by w.subscription_id) as place
    from (
      select d.id, d.subscription_id from push.queue as d
      where d.notification_id = p_notification_id
        and d.subscription_id >= (select f.next_id from push.fan_outs as f where f.notification_id = p_notification_id)
      order by d.subscription_id
      limit p_limit + 1
    ) as w
  ), withdrawn as (
    -- Skip locked: such a one is being claimed or reported. If it comes back to the queue, the next claim ends it.
    select q.id from push.queue as q
    join page as p on q.id = any (array[p.id])
    where p.place <= p_limit and q.lease_until is null
    for update of q skip locked
  )
  select (select p.subscription_id from page as p where p.place > p_limit), array(select w.id from withdrawn as w)
  into v_next, v_withdrawn;
  perform push.end_deliveries(v_withdrawn, 'cancelled', 'notification_cancelled', p_now);

  update push.fan_outs as f
  set next_id = coalesce(v_next, f.next_id), worked_at = p_now, failures = 0, finished_at = case when v_next is null then p_now end
  where f.notification_id = p_notification_id;
end;
$$;
comment on function push.withdraw_chunk(uuid, integer, timestamptz) is
  'Takes back the next of a cancelled topic message''s deliveries. The caller holds the notification''s row.';

create function push.take_fan_out(p_now timestamptz)
returns push.fan_outs
language plpgsql
set search_path = ''
as $$
declare
  v_fan_out push.fan_outs;
  v_next_at timestamptz;
begin
  for v_fan_out in select f.* from push.open_fan_outs(p_now) as f loop
    -- The one lock of a fan-out; of a topic's message it is what cancelling waits for, and rows that refer to it may be
    -- added meanwhile.
    if v_fan_out.notification_id is not null then
      perform from public.push_notifications as n where n.id = v_fan_out.notification_id for no key update skip locked;
    else
      perform from push.fan_outs as f where f.id = v_fan_out.id for no key update skip locked;
    end if;
    if found then
      -- As it is now: another transaction may have worked on it until we had the lock.
      v_next_at := v_fan_out.next_at;
      select f.* into v_fan_out from push.fan_outs as f where f.id = v_fan_out.id;
      continue when v_fan_out.next_at is distinct from v_next_at;
      return v_fan_out;
    end if;
  end loop;
  return null;
end;
$$;
comment on function push.take_fan_out(timestamptz) is
  'The fan-out whose last chunk was longest ago, locked until the transaction ends; null when there is none that is free and not put off.';

create function push.fan_out(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_fan_out constant push.fan_outs := push.take_fan_out(p_now);
  v_status text;
  v_limit integer;
begin
  if v_fan_out.id is null then
    return false;
  elsif v_fan_out.finished_at is not null then
    -- Another transaction finished it.
    return true;
  end if;

  select n.status into v_status from public.push_notifications as n where n.id = v_fan_out.notification_id;
  select least(greatest(coalesce(p_limit, s.fan_out_chunk), 1), v_fan_out.chunk, 10000) into v_limit from push.settings as s;
  begin
    if v_fan_out.message is not null or v_status = 'fanning_out' then
      perform push.fan_out_chunk(v_fan_out, v_limit, p_now);
    elsif v_status = 'cancelled' then
      perform push.withdraw_chunk(v_fan_out.notification_id, v_limit * 10, p_now);
    else
      update push.fan_outs as f set finished_at = p_now where f.id = v_fan_out.id;
    end if;
  exception
    when lock_not_available or deadlock_detected or serialization_failure then
      -- Another transaction holds a recipient's limit: this fan-out goes to the end of the line, and dispatchers may leave.
      update push.fan_outs as f set worked_at = p_now, next_at = p_now + interval '2 seconds' where f.id = v_fan_out.id;
      return false;
    when query_canceled then
      -- By statement_timeout, which ends a statement once: only little may follow here.
      if v_limit > 1 then
        update push.fan_outs as f set worked_at = p_now, chunk = v_limit / 2 where f.id = v_fan_out.id;
        return true;
      elsif v_fan_out.failures >= 3 and v_status is distinct from 'cancelled' then
        perform push.fan_out_chunk(v_fan_out, 1, p_now, sqlerrm);
        return true;
      end if;
      perform push.put_off_fan_out(v_fan_out.id, sqlerrm, p_now);
      return false;
    when assert_failure or others then
      -- The tick and the dispatchers have other work.
      perform push.put_off_fan_out(v_fan_out.id, sqlerrm, p_now);
      return false;
  end;
  perform push.resolve_alarm('fan_out_failed', coalesce(f.notification_id, f.id)::text, p_now)
  from push.fan_outs as f where f.id = v_fan_out.id and f.failed = 0;
  return true;
end;
$$;
comment on function push.fan_out(integer, timestamptz) is
  'Serves the next recipients of one fan-out, or takes back deliveries of a cancelled one; false when there is none, or it was put off.';

create function public.push_fan_out(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  -- While something waits that a push service has no room for, more of it would only stand in front of others.
  -- What one user has too much of, in the side lanes, holds up no message to many. Nor does what waits for a push service that
  -- throttles, which may take hours: the other services have room. But not without end, or it would all stand in front of others there.
  select not push.has_due_in('{0}', p_now + interval '1 second', 0, array(select p.origin from push.paces(p_now) as p))
    and not push.has_due_in('{0}', p_now + interval '1 second', s.backlog_per_dispatcher)
    and push.fan_out(p_limit, p_now)
  from push.settings as s;
$$;
comment on function public.push_fan_out(integer, timestamptz) is
  'Works on one chunk of a message to a topic or a long list of users; for dispatchers whose claim left room. False: there was nothing to do. Service role only.';

revoke all on function public.push_fan_out(integer, timestamptz) from public, anon, authenticated;

grant execute on function public.push_fan_out(integer, timestamptz) to service_role;
