-- The rights of a worker's own role.

create function push.allow_worker(p_role regrole)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('grant usage on schema public to %s', p_role);
  execute format('grant execute on function %s to %s', (
    select string_agg(('public.' || f.name)::regproc::regprocedure::text, ', ')
    from unnest('{push_claim,push_complete,push_heartbeat,push_fan_out,push_leave,push_worker_heartbeat,push_worker_leave}'::text[]) as f (name)
  ), p_role);
end;
$$;
comment on function push.allow_worker(regrole) is
  'Lets a role do the work of a worker and nothing else: it may execute the seven functions that claim, report and register. For the database owner.

p_role: A role that exists and may log in, such as supapush_worker.';
