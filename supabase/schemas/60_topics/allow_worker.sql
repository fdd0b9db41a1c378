-- The rights of a worker's own role.

create function push.allow_worker(p_role regrole)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('grant usage on schema public to %s', p_role);
  execute format(
    'grant execute on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text), '
      || 'public.push_complete(jsonb, timestamptz), public.push_heartbeat(uuid, bigint[], timestamptz), '
      || 'public.push_fan_out(integer, timestamptz), public.push_leave(uuid, boolean, timestamptz), '
      || 'public.push_worker_heartbeat(uuid, text, text, boolean, boolean, timestamptz), public.push_worker_leave(uuid, timestamptz) to %s',
    p_role
  );
end;
$$;
comment on function push.allow_worker(regrole) is
  'Lets a role do the work of a worker and nothing else: it may execute the seven functions that claim, report and register. For the database owner.

p_role: A role that exists and may log in, such as supapush_worker.';
