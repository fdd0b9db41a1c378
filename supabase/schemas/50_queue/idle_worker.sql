-- Which worker the bell calls.

create function push.worker_channel(p_worker uuid)
returns text
language sql
immutable
set search_path = ''
as $$
  select 'supapush_' || replace(p_worker::text, '-', '');
$$;
comment on function push.worker_channel(uuid) is 'The channel on which a worker hears that it was called.';

create function push.can_be_called(p_worker push.workers, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return p_worker.lease_until > p_now
    and p_worker.lease_until <= p_now + (select s.worker_lease + interval '1 minute' from push.settings as s)
    -- Neither at work nor called already; one that was called and has not come is not called again.
    and not exists (
      select from push.dispatchers as d where d.worker_id = p_worker.id and (d.is_awaited or d.lease_until > p_now)
    )
    -- The session of a worker that was killed ends with it, long before its lease.
    and (p_worker.backend_pid is null or exists (select from pg_catalog.pg_stat_get_activity(p_worker.backend_pid)));
end;
$$;
comment on function push.can_be_called(push.workers, timestamptz) is 'Whether a worker is live and idle.';

create function push.idle_worker(p_now timestamptz)
returns push.workers
language plpgsql
set search_path = ''
as $$
declare
  v_worker push.workers;
begin
  begin
    select w.* into v_worker from push.workers as w
    where push.can_be_called(w, p_now)
    order by random()
    limit 1
    for key share skip locked;
  exception when serialization_failure then
    -- In repeatable read a sign of life since our snapshot reads as a conflict. It is not held then: if it ends meanwhile, the
    -- tick calls another.
    select w.* into v_worker from push.workers as w where push.can_be_called(w, p_now) order by random() limit 1;
  end;
  return v_worker;
end;
$$;
comment on function push.idle_worker(timestamptz) is
  'A worker that can be called, kept from ending until commit; null where there is none.';
