-- What a worker tells the database: that it lives, and that it ends. What it works on it claims and reports as any dispatcher.

create function public.push_worker_heartbeat(
  p_worker uuid,
  p_name text,
  p_version text,
  p_listens boolean default false,
  p_look boolean default false,
  p_now timestamptz default clock_timestamp()
)
returns json
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_settings push.settings;
  v_backend constant integer := case when p_listens then pg_backend_pid() end;
begin
  select s.* into v_settings from push.settings as s;
  -- A worker that asks whether it was called writes nothing most of the time.
  if not exists (
    select from push.workers as w
    where w.id = p_worker and w.name = left(p_name, 100) and w.version = p_version and w.backend_pid is not distinct from v_backend
      and w.lease_until between p_now + v_settings.worker_lease * 0.75 and p_now + v_settings.worker_lease
  ) then
    -- A non-key update: it does not collide with the key-share locks by which push.ring() keeps a worker from ending.
    insert into push.workers as w (id, name, version, registered_at, lease_until, backend_pid)
    values (p_worker, left(p_name, 100), p_version, p_now, p_now + v_settings.worker_lease, v_backend)
    on conflict (id) do update
    set name = excluded.name, version = excluded.version, lease_until = excluded.lease_until, backend_pid = excluded.backend_pid;
  end if;
  -- What was rung for while no worker was there, or while this one could not hear.
  if p_look and push.has_work(p_now)
    and not exists (select from push.dispatchers as d where d.worker_id = p_worker and d.is_awaited)
    and (select count(*) from push.dispatchers as d where d.lease_until > p_now) < v_settings.max_dispatchers then
    insert into push.dispatchers (id, started_at, lease_until, worker_id, is_awaited)
    values (gen_random_uuid(), p_now, p_now + v_settings.call_lease, p_worker, true);
  end if;
  return json_build_object(
    'protocol', 1,
    'calls', (
      select coalesce(json_agg(d.id), '[]') from push.dispatchers as d where d.worker_id = p_worker and d.is_awaited
    ),
    'channel', push.worker_channel(p_worker),
    'lease_seconds', extract(epoch from v_settings.worker_lease),
    'now', extract(epoch from clock_timestamp())
  );
end;
$$;
comment on function public.push_worker_heartbeat(uuid, text, text, boolean, boolean, timestamptz) is
  'Says that a worker is alive: {protocol, calls: [dispatcher ids it was called as and has not begun], channel, lease_seconds, now}. p_listens: this '
  'session listens on its channel. p_look: it is called, too, when there is work already. Service role only.';

create function public.push_worker_leave(p_worker uuid, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_call uuid;
begin
  -- From now on it is called no more; a transaction that has called it holds the row until it ends.
  update push.workers as w set lease_until = p_now where w.id = p_worker and w.lease_until > p_now;
  delete from push.workers as w
  where w.id = (select l.id from push.workers as l where l.id = p_worker for update skip locked);
  if not found and exists (select from push.workers as w where w.id = p_worker) then
    return false;
  end if;
  -- What it was called for and has not begun is another's: every transaction that called it has committed.
  foreach v_call in array array(select d.id from push.dispatchers as d where d.worker_id = p_worker and d.is_awaited) loop
    perform public.push_leave(v_call, true, p_now);
  end loop;
  return true;
end;
$$;
comment on function public.push_worker_leave(uuid, timestamptz) is
  'True: the worker may end, and what it was called for was handed over. False: a transaction that calls it has not committed, ask again. '
  'Service role only.';

revoke all on function public.push_worker_heartbeat(uuid, text, text, boolean, boolean, timestamptz) from public, anon, authenticated;
revoke all on function public.push_worker_leave(uuid, timestamptz) from public, anon, authenticated;

grant execute on function public.push_worker_heartbeat(uuid, text, text, boolean, boolean, timestamptz) to service_role;
grant execute on function public.push_worker_leave(uuid, timestamptz) to service_role;
