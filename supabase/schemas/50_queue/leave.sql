-- A dispatcher leaves when nothing is left to do, or calls the next one.

create function public.push_leave(p_dispatcher uuid, p_final boolean default false, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_lease interval;
  v_worker uuid;
begin
  delete from push.dispatchers as w
  where w.id = (select l.id from push.dispatchers as l where l.id = p_dispatcher for update skip locked)
  returning w.worker_id into v_worker;
  if found then
    -- A new look after the lock: every transaction that held this row has committed, so their rows are visible now.
    if not push.has_work(p_now) then
      return true;
    end if;
    if p_final then
      perform push.ring(p_now);
      return true;
    end if;
    select s.dispatcher_lease into v_lease from push.settings as s;
    insert into push.dispatchers (id, started_at, lease_until, worker_id) values (p_dispatcher, p_now, p_now + v_lease, v_worker);
    return false;
  end if;
  if exists (select from push.dispatchers as w where w.id = p_dispatcher) then
    -- A transaction that counts on us has not committed yet. At the end of our time another dispatcher is called in our
    -- place; if it leaves before that commit, the tick finds the rows.
    if p_final then
      -- Not p_now: a heartbeat that comes meanwhile must know that it has left.
      update push.dispatchers as w set lease_until = '-infinity' where w.id = p_dispatcher;
      perform push.ring(p_now);
    end if;
    return p_final;
  end if;
  if push.has_work(p_now) then
    perform push.wake(p_now);
  end if;
  return true;
end;
$$;
comment on function public.push_leave(uuid, boolean, timestamptz) is
  'True: the dispatcher may stop, nothing waits for it. False: go on. p_final hands over to a new one when there is more. Service role only.';

revoke all on function public.push_leave(uuid, boolean, timestamptz) from public, anon, authenticated;
grant execute on function public.push_leave(uuid, boolean, timestamptz) to service_role;
