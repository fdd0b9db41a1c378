-- Supapush: registering devices. What comes in is checked, a shared device is handed over to its new user, and nobody has
-- more devices than the settings allow.
--
-- Statements that write several devices meet others that write the same ones in another order. Locks are waited for in
-- ascending order alone; who has one and needs a lower one that is taken is refused with a code. Rows cannot be ordered so:
-- who holds some waits half a second for others.

create function push.refuse_busy()
returns void
language sql
set search_path = ''
as $$
  select push.refuse(409, 'device_busy', 'The same devices are being written by another request at this moment.', 'Try again.');
$$;
comment on function push.refuse_busy() is 'Refuses a statement that could be part of a circle of such that wait for each other.';

create function push.wait_briefly(p_lock bigint)
returns void
language plpgsql
set search_path = ''
-- Shorter than deadlock_timeout: in a circle it is this statement that ends, with a code, and not somebody else's.
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
  -- The highest lock that this transaction holds: waiting for higher ones alone, nobody waits in a circle.
  v_held bigint := nullif(current_setting('push.device_lock', true), '')::bigint;
  v_lock bigint;
begin
  -- One at a time per user and per device: the count of devices and the hand-over must not race. Who changes a device they
  -- have is not counted.
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
  end loop;
  perform set_config('push.device_lock', greatest(v_held, v_lock)::text, true);
end;
$$;
comment on function push.lock_device(public.push_subscriptions, boolean) is
  'Keeps others from registering a device until the end of the transaction. p_holding: the caller has locked a row of devices already.';

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
    -- Who has an FCM token proves with it that the device is in their hands; an endpoint may be known without its keys.
    if v_other.p256dh <> p_row.p256dh or v_other.auth <> p_row.auth then
      perform push.refuse(409, 'endpoint_taken',
        'This endpoint is registered to another user with other keys.',
        'Unsubscribe in the browser and subscribe again: that gives a new endpoint.');
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
    perform push.refuse(409, 'endpoint_taken', 'One address was given to several devices.',
      'Change one device at a time: filter by its id or endpoint.');
  end if;
  -- The same device, registered beside its old row: the two become one, which keeps id and preferences of the one that changes.
  delete from public.push_subscriptions as s where s.id = v_other.id;
  return true;
exception when lock_not_available or deadlock_detected then
  perform push.refuse_busy();
end;
$$;
comment on function push.take_device(public.push_subscriptions, uuid) is
  'Takes a device that is registered under another row (than p_keep) from there, or refuses that; true when that was its user''s own. '
  'The caller holds the lock of the device.';

create function push.check_subscription()
returns trigger
language plpgsql
-- Definer: reads the allow-list and the settings, and must see a row of the same device that belongs to another user.
security definer
set search_path = ''
as $$
declare
  v_limit integer;
begin
  -- Row-level security looks after this trigger has run. What it would refuse is refused here first, so that nobody
  -- learns from the other answers below how many devices a stranger has.
  if auth.uid() is not null and new.user_id is distinct from auth.uid() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_subscriptions"';
  end if;

  if new.channel is null or new.channel not in ('webpush', 'fcm') then
    perform push.refuse(400, 'channel_unknown', 'This channel is not known.', 'Use channel "webpush" or "fcm".');
  end if;
  perform push.check_address(new);
  if tg_op = 'INSERT'
    or (new.channel, new.endpoint, new.fcm_token) is distinct from (old.channel, old.endpoint, old.fcm_token) then
    new.host := case new.channel
      when 'webpush' then push.host_of(new.endpoint)
      else (select h.origin from push.hosts as h where h.channel = 'fcm')
    end;
    if new.host is null and new.channel = 'webpush' then
      perform push.refuse(400, 'endpoint_not_allowed',
        'The endpoint is not an https URL of a known push service.',
        'Insert subscription.endpoint unchanged. To allow another push service, its origin goes into push.hosts.');
    elsif new.host is null then
      perform push.refuse(400, 'fcm_not_allowed',
        'This project does not send through FCM.',
        'Use web push. To allow FCM, https://fcm.googleapis.com/v1 goes into push.hosts with channel fcm.');
    end if;
  end if;

  -- Remembered, so that the device is signed for with this key after the project has a newer one.
  if tg_op = 'INSERT' and new.channel = 'webpush' and new.vapid_key is null then
    select s.vapid_public_key into new.vapid_key from push.settings as s;
  end if;
  if new.device_type is null or new.device_type not in ('desktop', 'mobile', 'tablet', 'unknown') then
    perform push.refuse(400, 'device_type_unknown', 'This device type is not known.',
      'Use desktop, mobile, tablet or unknown, or leave it out.');
  end if;
  if octet_length(new.user_agent) > 1024 then
    perform push.refuse(400, 'user_agent_too_long', 'The user agent is longer than 1024 bytes.', 'Shorten it or leave it out.');
  end if;
  if octet_length(new.device_name) > 200 then
    perform push.refuse(400, 'device_name_too_long', 'The name of the device is longer than 200 bytes.', 'Shorten it or leave it out.');
  end if;

  if tg_op = 'UPDATE' then
    if (new.endpoint, new.p256dh, new.auth, new.vapid_key, new.fcm_token, new.user_id)
      is distinct from (old.endpoint, old.p256dh, old.auth, old.vapid_key, old.fcm_token, old.user_id) then
      new.updated_at := clock_timestamp();
      -- Another address or other keys: what is known of the old ones says nothing of these.
      new.failures := 0;
      new.failed_at := null;
      new.retry_at := null;
      new.gone_at := null;
    end if;
    if (new.endpoint, new.fcm_token) is distinct from (old.endpoint, old.fcm_token) then
      -- This row is locked already.
      perform push.lock_device(new, true);
      perform push.take_device(new, new.id);
    end if;
    return new;
  end if;

  perform push.lock_device(new, false);
  if not push.take_device(new, null) then
    select s.max_subscriptions_per_user into v_limit from push.settings as s;
    if (select count(*) from public.push_subscriptions as s where s.user_id = new.user_id) >= v_limit then
      perform push.refuse(429, 'too_many_subscriptions',
        format('This user already has %s devices.', v_limit),
        'Delete a device that is no longer used, then subscribe again.');
    end if;
  end if;
  return new;
end;
$$;
comment on function push.check_subscription() is
  'Refuses what may not be called or could not be encrypted for, and hands a shared device over to its new user.';

create trigger push_subscriptions_check
before insert or update of channel, endpoint, p256dh, auth, vapid_key, fcm_token, device_type, user_agent, device_name, user_id
on public.push_subscriptions
for each row execute function push.check_subscription();

create trigger push_subscriptions_turns
before insert or delete or update of channel, endpoint, p256dh, auth, vapid_key, fcm_token, device_type, user_agent, device_name, user_id,
  expires_at
on public.push_subscriptions
for each statement when (current_user = 'authenticated') execute function push.take_turns();

revoke all on all functions in schema push from public;
