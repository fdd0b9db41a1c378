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
declare
  v_waiting bigint[];
  v_ended bigint[];
  v_finished timestamptz[];
begin
  -- Three statements: a report that this waited for has moved rows to the log, which only the next one sees. In the order in which
  -- reports lock them: neither waits for the other in a circle. Offset 0 has each notification's rows looked up by its id, and
  -- not each row of the queue compared with all that are deleted.
  v_waiting := array(
    select o.id
    from push_deleted_notifications as n
    cross join lateral (select q.id from push.queue as q where q.notification_id = n.id offset 0) as w
    join push.queue as o on o.id = any (array[w.id])
    order by w.id
    for update of o
  );
  delete from push.queue as d where d.id = any (v_waiting);
  v_ended := array(
    select w.id
    from push_deleted_notifications as n
    cross join lateral (select l.id from push.delivery_log as l where l.notification_id = n.id offset 0) as w
  );
  with gone as (delete from push.delivery_log as d where d.id = any (v_ended) returning d.finished_at)
  select array_agg(g.finished_at) into v_finished from gone as g;
  if v_finished is not null then
    perform push.recount_later(v_finished, clock_timestamp());
  end if;
  delete from push.receipts as r where r.delivery_id = any (v_waiting || v_ended);
  return null;
end;
$$;
comment on function push.delete_deliveries() is 'Deletes the deliveries of deleted notifications, queued and done, and their receipts.';

create trigger push_notifications_delete_deliveries
after delete on public.push_notifications
referencing old table as push_deleted_notifications
for each statement execute function push.delete_deliveries();
