-- A message that is no longer wanted is taken back, wherever it waits.

create function push.cancel(p_notification_id uuid, p_now timestamptz default clock_timestamp())
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_cancelled bigint;
begin
  -- Waits for a chunk that is just being made.
  update public.push_notifications as n set status = 'cancelled'
  where n.id = p_notification_id and n.status <> 'cancelled';
  perform from public.push_notifications as n where n.id = p_notification_id for no key update;
  if not found then
    perform push.refuse(404, 'notification_unknown', 'No notification has this id.',
      'Use the id that push.notify() or push.notify_topic() returned.');
  end if;
  if exists (select from push.fan_outs as f where f.notification_id = p_notification_id and f.finished_at is null) then
    perform push.withdraw_chunk(p_notification_id, 10000, p_now);
  end if;
  select p.cancelled into v_cancelled from push.progress(p_notification_id) as p;
  return v_cancelled;
end;
$$;
comment on function push.cancel(uuid, timestamptz) is
  'Takes a notification back: nothing more of it is fanned out or sent. Returns how many deliveries were cancelled so far; of more than '
  '10,000 the rest follows in chunks. Calling it again changes nothing but that number. For the database owner.';

create function public.push_cancel(p_notification_id uuid)
returns bigint
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select push.cancel(p_notification_id);
$$;
comment on function public.push_cancel(uuid) is
  'push.cancel() for servers: supabase.rpc(''push_cancel'', { p_notification_id }) with the secret key. Service role only.';

revoke all on function public.push_cancel(uuid) from public, anon, authenticated;

grant execute on function public.push_cancel(uuid) to service_role;
