-- A topic's message that is cancelled is withdrawn in chunks.

create function push.begin_withdrawal()
returns trigger
language plpgsql
-- Definer: the service that cancels a notification has no access to the queue.
security definer
set search_path = ''
as $$
begin
  update push.fan_outs as f
  set finished_at = null, next_id = '00000000-0000-0000-0000-000000000000', failures = 0, next_at = '-infinity', chunk = null, stopped = null
  where f.notification_id = new.id;
  return null;
end;
$$;
comment on function push.begin_withdrawal() is
  'Stops the fan-out of a cancelled message to a topic and has its deliveries taken back, in chunks too.';

create trigger push_notifications_withdraw
after update of status on public.push_notifications
for each row when (new.status = 'cancelled' and old.status <> 'cancelled' and new.audience_topic is not null)
execute function push.begin_withdrawal();
