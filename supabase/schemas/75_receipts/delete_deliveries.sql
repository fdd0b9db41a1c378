-- With a notification go its deliveries, waiting and ended, and what devices said of them.

create function push.delete_deliveries()
returns trigger
language plpgsql
-- Definer: the role that deletes a notification has no access to the queue.
security definer
set search_path = ''
-- A look-up by index for each, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
begin
  -- In the order in which reports are settled: neither waits for the other in a circle.
  with waiting as (
    delete from push.queue as d
    where d.id in (
      select o.id from push.queue as o
      join push_deleted_notifications as n on n.id = o.notification_id
      order by o.id
      for update of o
    )
    returning d.id
  ), ended as (
    delete from push.delivery_log as d using push_deleted_notifications as n where d.notification_id = n.id
    returning d.id
  )
  delete from push.receipts as r
  using (select w.id from waiting as w union all select e.id from ended as e) as d
  where r.delivery_id = d.id;
  return null;
end;
$$;
comment on function push.delete_deliveries() is 'Deletes the deliveries of deleted notifications, queued and done, and their receipts.';

create trigger push_notifications_delete_deliveries
after delete on public.push_notifications
referencing old table as push_deleted_notifications
for each statement execute function push.delete_deliveries();
