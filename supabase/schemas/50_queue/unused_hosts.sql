-- A push service that is still used cannot be removed.

create function push.check_host_unused()
returns trigger
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
  v_devices bigint;
begin
  select count(*) into v_devices from public.push_subscriptions as s where s.host = old.origin;
  if v_devices > 0 then
    perform push.refuse(409, 'host_in_use', format('%s devices still use %s.', v_devices, old.origin),
      'To stop sending there, use push.pause(). To remove it, delete its rows in push_subscriptions first.');
  end if;
  perform push.end_deliveries(array(
    select d.id from push.queue as d
    where d.host = old.origin and d.lease_until is null and d.due_at >= '-infinity'
    for update
  ), 'cancelled', 'host_removed', clock_timestamp());
  return old;
end;
$$;
comment on function push.check_host_unused() is
  'Refuses that a push service is deleted through which devices are reached, and ends what waits there for devices that are gone.';

create trigger hosts_check_unused
before delete on push.hosts
for each row execute function push.check_host_unused();
