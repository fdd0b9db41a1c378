-- Of the messages of one tag to one device, the newest wins: an older one that waits is not sent any more.
--
-- An older one may be under way when a newer one is handed out. It is not tried again then, and a device that gets it after
-- all sees by its order that it shows a newer one: see src/device/service-worker.

create function push.is_superseded(p_subscription_id uuid, p_tag text, p_position bigint, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_bitmapscan = off
set enable_seqscan = off
as $$
begin
  return exists (
    select from push.queue as q
    where q.subscription_id = p_subscription_id and q.tag = p_tag and q.position > p_position
      -- One that waits for the end of quiet hours, or for its device to answer again, comes later and replaces this one then.
      and (q.lease_until is not null or q.due_at <= p_now) and q.expires_at > p_now
  );
end;
$$;
comment on function push.is_superseded(uuid, text, bigint, timestamptz) is
  'Whether a newer message of this tag is due for this device, or under way.';

create function push.supersede_older(p_ids bigint[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_waiting bigint[];
begin
  with older as materialized (
    select o.id, o.lease_until is null as is_waiting
    from push.queue as n
    cross join lateral (
      -- Skip locked: such a one is being reported.
      select q.id, q.lease_until from push.queue as q
      where q.subscription_id = n.subscription_id and q.tag = n.tag and q.position < n.position and not q.is_superseded
      for update skip locked
    ) as o
    where n.id = any (p_ids)
  ), marked as (
    update push.queue as d set is_superseded = true
    from older as o
    where d.id = any (array[o.id]) and not o.is_waiting
  )
  select array_agg(distinct o.id) filter (where o.is_waiting) into v_waiting from older as o;
  perform push.end_deliveries(v_waiting, 'cancelled', 'superseded', p_now);
end;
$$;
comment on function push.supersede_older(bigint[], timestamptz) is
  'Takes back what is older than these deliveries, which were just handed out, and of the same tag and device; what is under way is not tried again.';
