-- What a subscription must be before it is stored, and whose device it was before.

create function push.check_address(p_row public.push_subscriptions)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_mistake record;
begin
  if p_row.channel = 'fcm' then
    if num_nonnulls(p_row.endpoint, p_row.p256dh, p_row.auth, p_row.vapid_key) > 0 then
      perform push.refuse(400, 'address_ambiguous', 'A device of channel fcm has an fcm_token and no web push columns.',
        'Leave out endpoint, p256dh, auth and vapid_key, or use channel "webpush".');
    end if;
    select m.* into v_mistake from push.mistaken_address('fcm_token', p_row.fcm_token) as m;
    if found then
      perform push.refuse(400, 'fcm_token_malformed', format('The fcm_token %s.', v_mistake.what), v_mistake.hint);
    end if;
    -- Real ones have about 160 characters; Google promises no length.
    if p_row.fcm_token is null or length(p_row.fcm_token) not between 20 and 4096 or p_row.fcm_token !~ '^[!-~]+$' then
      perform push.refuse(400, 'fcm_token_malformed',
        'The fcm_token must be 20 to 4096 printable ASCII characters without spaces.',
        'Insert the registration token unchanged.');
    end if;
    return;
  end if;

  if p_row.fcm_token is not null then
    perform push.refuse(400, 'address_ambiguous', 'A device of channel webpush has no fcm_token.',
      'Leave it out, or use channel "fcm".');
  end if;
  select m.* into v_mistake from push.mistaken_address('endpoint', p_row.endpoint) as m;
  if found then
    perform push.refuse(400, 'endpoint_malformed', format('The endpoint %s.', v_mistake.what), v_mistake.hint);
  end if;
  if p_row.endpoint is null or octet_length(p_row.endpoint) > 2048 or p_row.endpoint !~ '^[!-~]+$' then
    perform push.refuse(400, 'endpoint_malformed',
      'The endpoint must be a URL of at most 2048 printable ASCII characters.',
      'Insert subscription.endpoint unchanged.');
  end if;
  if push.is_p256_point(push.decode_base64url(p_row.p256dh)) is not true then
    if length(push.decode_base64url(p_row.p256dh)) = 16 and push.is_p256_point(push.decode_base64url(p_row.auth)) then
      perform push.refuse(400, 'p256dh_invalid', 'p256dh and auth are swapped: p256dh must be a P-256 public key.',
        'Insert subscription.toJSON().keys.p256dh as p256dh and keys.auth as auth.');
    end if;
    perform push.refuse(400, 'p256dh_invalid',
      'p256dh must be an uncompressed P-256 public key: 65 bytes, base64url without padding.',
      'Insert subscription.toJSON().keys.p256dh unchanged.');
  end if;
  -- The device could not decrypt what is encrypted for the VAPID key.
  if p_row.p256dh = coalesce(p_row.vapid_key, (select s.vapid_public_key from push.settings as s)) then
    perform push.refuse(400, 'p256dh_invalid', 'p256dh is the VAPID key, not the P-256 public key of the device.',
      'Insert subscription.toJSON().keys.p256dh as p256dh.');
  end if;
  if length(push.decode_base64url(p_row.auth)) is distinct from 16 then
    perform push.refuse(400, 'auth_invalid',
      'auth must be 16 bytes, base64url without padding.',
      'Insert subscription.toJSON().keys.auth unchanged.');
  end if;
  if p_row.vapid_key is not null and push.is_p256_point(push.decode_base64url(p_row.vapid_key)) is not true then
    perform push.refuse(400, 'vapid_key_invalid',
      'vapid_key must be an uncompressed P-256 public key: 65 bytes, base64url without padding.',
      case when length(push.decode_base64url(p_row.vapid_key)) = 32
        then 'This looks like a private key, which must never reach a browser. Insert the public key, or leave it out.'
        else 'Insert the applicationServerKey that you passed to PushManager.subscribe(), or leave it out.'
      end);
  end if;
end;
$$;
comment on function push.check_address(public.push_subscriptions) is
  'Refuses a device that lacks what its channel needs to reach it, has it malformed, or has what belongs to another channel.';

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
  -- Row-level security checks after this trigger has run. What it would refuse is refused here first, so that a user
  -- cannot learn from the other answers below how many devices another user has.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_subscriptions"';
  end if;

  if new.channel is null or new.channel not in ('webpush', 'fcm') then
    perform push.refuse(400, 'channel_unknown', 'Unknown channel.', 'Use channel "webpush" or "fcm".');
  end if;
  -- One spelling for each key: they are compared as text, here and by the function that proves a device.
  new.p256dh := push.as_base64url(new.p256dh);
  new.auth := push.as_base64url(new.auth);
  new.vapid_key := push.as_base64url(new.vapid_key);
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
        'Insert subscription.endpoint unchanged. To allow another push service, add its origin to push.hosts.');
    elsif new.host is null then
      perform push.refuse(400, 'fcm_not_allowed',
        'FCM is not enabled in this project.',
        'Use web push. To enable FCM, add https://fcm.googleapis.com/v1 to push.hosts with channel fcm.');
    end if;
  end if;

  -- Remembered, so that the device is signed for with this key after the project has a newer one.
  if tg_op = 'INSERT' and new.channel = 'webpush' and new.vapid_key is null then
    select s.vapid_public_key into new.vapid_key from push.settings as s;
  end if;
  if new.device_type is null or new.device_type not in ('desktop', 'mobile', 'tablet', 'unknown') then
    perform push.refuse(400, 'device_type_unknown', 'Unknown device type.',
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
      -- Another address or other keys: failures of the old ones say nothing of the new ones.
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
