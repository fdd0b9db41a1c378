-- Queued deliveries follow their device: to another endpoint, another user, another push service.

create function push.rename_host_of_deliveries()
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
begin
  -- The log keeps the name under which it was sent.
  update push.queue as d set host = new.origin where d.host = old.origin;
  perform push.forget_starts();
  return null;
end;
$$;
comment on function push.rename_host_of_deliveries() is 'Keeps queued deliveries under their push service when that is renamed.';

create trigger hosts_deliveries
after update of origin on push.hosts
for each row when (old.origin <> new.origin)
execute function push.rename_host_of_deliveries();

create function push.end_hostless(p_limit integer, p_now timestamptz default clock_timestamp())
returns bigint
language plpgsql
set search_path = ''
-- See push_claim.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  -- From one push service to the next along the claim's index. What was under way when its row was deleted, or written at
  -- that moment, comes back to a queue that no claim reads.
  return push.end_deliveries(array(
    with recursive waiting (host) as (
      (select d.host from push.queue as d where d.lease_until is null and d.due_at >= '-infinity' order by d.host limit 1)
      union all
      select (
        select d.host from push.queue as d
        where d.lease_until is null and d.due_at >= '-infinity' and d.host > w.host
        order by d.host
        limit 1
      )
      from waiting as w
      where w.host is not null
    )
    select q.id from waiting as w
    cross join lateral (
      select o.id from push.queue as o
      where o.host = w.host and o.lease_until is null and o.due_at >= '-infinity'
        and not exists (select from public.push_subscriptions as s where s.id = o.subscription_id)
      order by o.lane, o.due_at, o.id
      limit p_limit
      for update skip locked
    ) as q
    where not exists (select from push.hosts as h where h.origin = w.host)
  ), 'cancelled', 'host_removed', p_now);
end;
$$;
comment on function push.end_hostless(integer, timestamptz) is
  'Ends what waits for devices that are gone at push services that have no row any more; returns how many.';

create function push.update_deliveries_of_device()
returns trigger
language plpgsql
-- Definer: the owner who updates a subscription has no access to the queue.
security definer
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_paused constant boolean := exists (select from push.pauses as p where p.cleared_at is null);
begin
  if new.user_id is distinct from old.user_id then
    perform push.end_deliveries(array(
      select d.id from push.queue as d
      where d.subscription_id = new.id and d.lease_until is null and d.subscription_id >= '00000000-0000-0000-0000-000000000000'
      for update
    ), 'cancelled', 'subscription_handed_over', clock_timestamp());
  else
    update push.queue as d
    set host = new.host,
        -- A delivery that waited for the old address to work again is tried at the new one. Nothing is made due in the past,
        -- where claims do not look any more.
        due_at = case
          -- With another moment it would look as if it had become due after what is discarded.
          when v_paused then d.due_at
          when d.due_at <= clock_timestamp() or (d.claims > 0 and d.due_at <= old.retry_at) then clock_timestamp()
          else d.due_at
        end
    where d.subscription_id = new.id and d.lease_until is null and d.subscription_id >= '00000000-0000-0000-0000-000000000000';
    if found and v_paused then
      -- They keep their moment, and came to another push service.
      perform push.forget_starts();
    end if;
  end if;
  return null;
end;
$$;
comment on function push.update_deliveries_of_device() is
  'Takes back what waits for a device that changed hands; keeps the rest under the push service that the device uses now.';

create trigger push_subscriptions_deliveries
after update of channel, endpoint, fcm_token, user_id on public.push_subscriptions
for each row when (
  old.host is distinct from new.host or old.user_id is distinct from new.user_id
  or (old.retry_at is not null and (old.endpoint, old.fcm_token) is distinct from (new.endpoint, new.fcm_token))
)
execute function push.update_deliveries_of_device();
