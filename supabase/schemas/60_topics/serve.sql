-- Who is served by a chunk of a fan-out: the next recipients, without those for whom it fails.

create function push.next_recipients(p_fan_out push.fan_outs, p_limit integer)
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
  if p_fan_out.message is not null then
    return query select r.user_id, row_number() over (order by r.user_id), true
    from push.fan_out_recipients as r
    where r.fan_out_id = p_fan_out.id and r.user_id >= p_fan_out.next_id
    order by r.user_id
    limit p_limit;
    return;
  end if;
  return query select m.user_id, row_number() over (order by m.user_id), m.created_at <= p_fan_out.started_at
  from public.push_topic_members as m
  where m.topic = (select n.audience_topic from public.push_notifications as n where n.id = p_fan_out.notification_id)
    and m.user_id >= p_fan_out.next_id
  order by m.user_id
  limit p_limit;
end;
$$;
comment on function push.next_recipients(push.fan_outs, integer) is
  'The next recipients of a fan-out by user id: users of its list, or members of its topic, not served if they joined later.';

create function push.deliver_to_members(
  p_notification public.push_notifications, p_position bigint, p_user_ids uuid[], p_now timestamptz
)
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
        p_notification.id, m.id, true, false, p_notification.category, p_notification.urgency, null, p_now, p_notification.expires_at,
        coalesce(p_notification.tag, p_notification.collapse_key), p_position
      )::push.due_message
      from unnest(p_user_ids) as m (id)
      -- What does not reach a member anyway, for lack of a device, must not count against the limit.
      where exists (select from public.push_subscriptions as s where s.user_id = m.id)
    ), p_now) as q
  )
  select sum(q.deliveries) into v_deliveries from queued as q;
  return v_deliveries;
end;
$$;
comment on function push.deliver_to_members(public.push_notifications, bigint, uuid[], timestamptz) is
  'Makes the deliveries of a message to a topic for these members; returns how many.';

create type push.serving as (made bigint, served bigint, failed bigint, failed_user_id uuid, error text);
comment on type push.serving is
  'What became of a chunk: how many deliveries or notifications were made, how many users were served, for how many it failed, and of the last '
  'of these who it was and why.';

create function push.serve(p_fan_out push.fan_outs, p_notification public.push_notifications, p_user_ids uuid[], p_now timestamptz)
returns push.serving
language plpgsql
set search_path = ''
as $$
declare
  v_outcome push.serving := row(0, 0, 0, null, null)::push.serving;
  -- Parts of the list that are still to be served, by their first and last places; the last part comes first.
  v_first integer[] := array[1];
  v_last integer[] := array[cardinality(p_user_ids)];
  v_part uuid[];
  v_middle integer;
  v_top integer := 1;
  v_state text;
begin
  if p_user_ids is null then
    return v_outcome;
  end if;
  while v_top > 0 loop
    v_part := p_user_ids[v_first[v_top]:v_last[v_top]];
    begin
      v_outcome.made := v_outcome.made + coalesce(case
        when p_fan_out.message is null then push.deliver_to_members(p_notification, p_fan_out.position, v_part, p_now)
        else push.send_to_each(v_part, jsonb_populate_record(null::push.message, p_fan_out.message))
      end, 0);
      v_outcome.served := v_outcome.served + cardinality(v_part);
      v_top := v_top - 1;
    exception
      when lock_not_available or deadlock_detected or serialization_failure then
        raise;
      when assert_failure or others then
        if cardinality(v_part) > 1 then
          -- In halves, the first one first: locks are taken in one order.
          v_middle := (v_first[v_top] + v_last[v_top]) / 2;
          v_first[v_top + 1] := v_first[v_top];
          v_last[v_top + 1] := v_middle;
          v_first[v_top] := v_middle + 1;
          v_top := v_top + 1;
        else
          v_outcome.failed := v_outcome.failed + 1;
          v_outcome.failed_user_id := v_part[1];
          v_outcome.error := sqlerrm;
          v_state := sqlstate;
          v_top := v_top - 1;
        end if;
    end;
  end loop;
  -- It fails for every user, so it is not they. A few may be all that is left of a list: they are tried some times first.
  if v_outcome.served = 0 and (v_outcome.failed >= 10 or p_fan_out.failures < 3) then
    raise exception using errcode = v_state, message = v_outcome.error;
  end if;
  return v_outcome;
end;
$$;
comment on function push.serve(push.fan_outs, public.push_notifications, uuid[], timestamptz) is
  'Serves these users, and halves what fails until the users are left for whom it does: they are left out. Raises the last error when it fails '
  'for every user.';

create function push.drop_recipients(p_fan_out push.fan_outs, p_next uuid)
returns void
language plpgsql
set search_path = ''
-- A range of an index, however short the planner believes the table to be.
set enable_seqscan = off
as $$
begin
  delete from push.fan_out_recipients as r
  where r.fan_out_id = p_fan_out.id and r.user_id >= p_fan_out.next_id and (p_next is null or r.user_id < p_next);
end;
$$;
comment on function push.drop_recipients(push.fan_outs, uuid) is
  'Takes users off the list of a fan-out, from where its chunk began up to p_next, or all to its end when that is null.';
