-- Registering the same devices at once, and taking them over. Part of push.check_subscription().
--
-- Statements that write several devices may meet others that write the same ones in another order. A statement waits for
-- locks only in ascending order; if it holds one and needs a lower one that is taken, it is refused with a code. Rows cannot
-- be ordered so: a statement that holds some waits half a second for others.

create function push.refuse_busy()
returns void
language sql
set search_path = ''
as $$
  select push.refuse(409, 'device_busy', 'Another request is changing the same devices.', 'Try again.');
$$;
comment on function push.refuse_busy() is 'Refuses a statement that could deadlock with others of its kind.';

create function push.wait_briefly(p_lock bigint)
returns void
language plpgsql
set search_path = ''
-- Shorter than deadlock_timeout: in a deadlock this statement ends, with a code, and not that of another user.
set lock_timeout = '500ms'
as $$
begin
  perform pg_advisory_xact_lock(p_lock);
exception when lock_not_available or deadlock_detected then
  perform push.refuse_busy();
end;
$$;
comment on function push.wait_briefly(bigint) is 'Takes an advisory lock for a statement that holds others; refuses after half a second.';

create function push.lock_device(p_row public.push_subscriptions, p_holding boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- Locks of one transaction, two for each device. All transactions share a few thousand: without a limit, an import would use
  -- them up, and everything else in the database would fail for the lack of them.
  c_most constant integer := 512;
  v_count integer := coalesce(nullif(current_setting('push.device_lock_count', true), ''), '0')::integer;
  -- The highest lock that this transaction holds. If all wait only for higher ones, there is no deadlock.
  v_held bigint := nullif(current_setting('push.device_lock', true), '')::bigint;
  v_lock bigint;
  v_all constant bigint := hashtextextended('supapush.devices', 0);
begin
  -- All hold it together, but for one that locks all devices.
  if not pg_try_advisory_xact_lock_shared(v_all) then
    if v_held is not null or p_holding then
      perform push.refuse_busy();
    end if;
    perform pg_advisory_xact_lock_shared(v_all);
  end if;
  -- A user has few devices, and must not be able to keep others waiting by naming one many times.
  if v_count >= c_most and public.push_user_id() is null then
    -- Not the table: reports of deliveries write it as well, and wait for no import.
    if not pg_try_advisory_xact_lock(v_all) then
      perform push.wait_briefly(v_all);
    end if;
    return;
  end if;
  -- One at a time per user and per device: the count of devices and the hand-over must not race. A change of a
  -- device that the user has already is not counted.
  foreach v_lock in array array_remove(array[
    case when not p_holding then hashtextextended('supapush.user.' || p_row.user_id::text, 0) end,
    hashtextextended('supapush.' || coalesce('endpoint.' || p_row.endpoint, 'fcm_token.' || p_row.fcm_token), 0)
  ], null) loop
    if not pg_try_advisory_xact_lock(v_lock) then
      if v_held > v_lock then
        perform push.refuse_busy();
      elsif v_held is not null or p_holding then
        perform push.wait_briefly(v_lock);
      else
        perform pg_advisory_xact_lock(v_lock);
      end if;
    end if;
    v_count := v_count + 1;
  end loop;
  perform set_config('push.device_lock', greatest(v_held, v_lock)::text, true);
  perform set_config('push.device_lock_count', v_count::text, true);
end;
$$;
comment on function push.lock_device(public.push_subscriptions, boolean) is
  'Keeps others from registering a device until the end of the transaction; all devices, after some hundreds. p_holding: the caller has '
  'locked a row of devices already.';

create function push.take_device(p_row public.push_subscriptions, p_keep uuid)
returns boolean
language plpgsql
set search_path = ''
-- See push.wait_briefly().
set lock_timeout = '500ms'
as $$
declare
  v_other public.push_subscriptions;
  v_written_now boolean;
begin
  -- Two look-ups by key: an OR of the two columns would be none.
  if p_row.channel = 'webpush' then
    select s.* into v_other from public.push_subscriptions as s
    where s.endpoint = p_row.endpoint and s.id is distinct from p_keep;
  else
    select s.* into v_other from public.push_subscriptions as s
    where s.fcm_token = p_row.fcm_token and s.id is distinct from p_keep;
  end if;
  if not found then
    return false;
  end if;
  if v_other.user_id is distinct from p_row.user_id then
    -- An FCM token proves that its user has the device. An endpoint does not, since it may be known without its keys.
    if v_other.p256dh <> p_row.p256dh or v_other.auth <> p_row.auth then
      perform push.refuse(409, 'endpoint_taken',
        'This endpoint is registered to another user with different keys.',
        'Unsubscribe in the browser and subscribe again to get a new endpoint.');
    end if;
    -- A shared device changed hands. Its old owner's row goes, and with it every message still waiting for it.
    delete from public.push_subscriptions as s where s.id = v_other.id;
    return false;
  end if;
  if p_keep is null then
    -- An upsert is about to change it.
    perform from public.push_subscriptions as s where s.id = v_other.id for no key update;
    return true;
  end if;
  select s.xmin = pg_current_xact_id()::xid into v_written_now from public.push_subscriptions as s where s.id = v_other.id;
  if v_written_now then
    perform push.refuse(409, 'endpoint_taken', 'Several devices would get the same address.',
      'Change one device at a time: filter by its id or endpoint.');
  end if;
  -- The same device, registered beside its old row: the two become one, which keeps id and preferences of the one that changes.
  delete from public.push_subscriptions as s where s.id = v_other.id;
  return true;
exception when lock_not_available or deadlock_detected then
  perform push.refuse_busy();
  return null;
end;
$$;
comment on function push.take_device(public.push_subscriptions, uuid) is
  'Takes a device that is registered under another row (than p_keep) from there, or refuses that; true when that was its user''s own. '
  'The caller holds the lock of the device.';

create trigger push_subscriptions_serialize
before insert or delete or update of channel, endpoint, p256dh, auth, vapid_key, fcm_token, device_type, user_agent, device_name, user_id,
  expires_at
on public.push_subscriptions
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();
