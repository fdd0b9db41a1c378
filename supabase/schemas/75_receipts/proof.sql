-- What a device may do without a session because it proves its keys: take over a new subscription, or sign out.

create table push.resubscriptions (
  subscription_id uuid not null,
  moments timestamptz[] not null,
  constraint resubscriptions_pkey primary key (subscription_id),
  constraint resubscriptions_subscription_id_fkey foreign key (subscription_id)
    references public.push_subscriptions (id) on delete cascade
);
comment on table push.resubscriptions is 'When devices exchanged their subscription without a session, as far as that limits the next time.';

alter table push.resubscriptions enable row level security;
create policy resubscriptions_nobody on push.resubscriptions for all to public using (false);

create function push.proven_device(p_endpoint text, p_p256dh text, p_auth text)
returns uuid
language plpgsql
stable
set search_path = ''
-- An attacker may call it, so it must use the index, whatever the planner believed of the table when it was small.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_given bytea := sha256(convert_to(concat_ws('.', p_p256dh, p_auth), 'UTF8'));
  v_id uuid;
  v_keys bytea;
begin
  select s.id, sha256(convert_to(concat_ws('.', s.p256dh, s.auth), 'UTF8')) into v_id, v_keys
  from (select p_endpoint as endpoint) as g
  left join public.push_subscriptions as s on s.endpoint = g.endpoint;
  -- Digests are compared, so that how long it takes says nothing about the keys; and as much is done for an unknown endpoint.
  return case when v_keys = v_given then v_id end;
end;
$$;
comment on function push.proven_device(text, text, text) is
  'The device with this endpoint, if these are its keys: only the browser itself has both. Null for other keys and for unknown endpoints.';

create function public.push_proven_devices(p_devices jsonb)
returns jsonb
language sql
stable
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(push.proven_device(d.given ->> 'endpoint', d.given ->> 'p256dh', d.given ->> 'auth') order by d.place), '[]'
  )
  from jsonb_array_elements(p_devices) with ordinality as d (given, place);
$$;
comment on function public.push_proven_devices(jsonb) is
  'Which devices these prove, [{endpoint, p256dh, auth}]: their ids in the same order, null for wrong keys and for unknown devices. '
  'The Edge Function asks for many at once, before anything is written for one of them. Service role only.';

create function public.push_resubscribe(
  p_old_endpoint text,
  p_old_p256dh text,
  p_old_auth text,
  p_endpoint text,
  p_p256dh text,
  p_auth text,
  p_vapid_key text default null,
  p_now timestamptz default clock_timestamp()
)
returns uuid
language plpgsql
-- Definer: writes settings and limits that the service role may not see.
security definer
set search_path = ''
as $$
declare
  v_device public.push_subscriptions;
  v_other public.push_subscriptions;
  v_settings push.settings;
  v_id uuid := push.proven_device(p_old_endpoint, p_old_p256dh, p_old_auth);
begin
  if v_id is not null then
    -- As push.check_subscription() does: no other transaction registers the new endpoint meanwhile.
    perform pg_advisory_xact_lock(hashtextextended('supapush.endpoint.' || p_endpoint, 0));
    select s.* into v_device from public.push_subscriptions as s
    where s.id = v_id and s.endpoint = p_old_endpoint and s.p256dh = p_old_p256dh and s.auth = p_old_auth
    for update;
  end if;
  if v_device.id is null then
    -- A worker that got no answer to its first try gets the same answer again.
    v_id := push.proven_device(p_endpoint, p_p256dh, p_auth);
    if v_id is null then
      perform push.refuse(404, 'subscription_unknown', 'No device is registered with this subscription.',
        'Register the new subscription from the app while its user is signed in.');
    end if;
    return v_id;
  end if;
  if (v_device.endpoint, v_device.p256dh, v_device.auth) = (p_endpoint, p_p256dh, p_auth) then
    return v_id;
  end if;

  select s.* into v_settings from push.settings as s;
  insert into push.resubscriptions as r (subscription_id, moments)
  values (v_id, array[p_now])
  on conflict on constraint resubscriptions_pkey do update
  -- Those to come are of a clock that was set back.
  set moments = array(
        select m.at from unnest(r.moments) as m (at) where m.at > p_now - interval '1 hour' and m.at <= p_now + interval '1 minute'
      ) || p_now
  where v_settings.resubscribe_limit > (
    select count(*) from unnest(r.moments) as m (at) where m.at > p_now - interval '1 hour' and m.at <= p_now + interval '1 minute'
  );
  if not found then
    perform push.refuse(429, 'too_many_resubscriptions',
      format('This device changed its subscription %s times within an hour.', v_settings.resubscribe_limit),
      'Try again in an hour.');
  end if;

  select s.* into v_other from public.push_subscriptions as s where s.endpoint = p_endpoint and s.id <> v_id for update;
  if v_other.id is not null then
    if (v_other.user_id, v_other.p256dh, v_other.auth) is distinct from (v_device.user_id, p_p256dh, p_auth) then
      perform push.refuse(409, 'endpoint_taken', 'This endpoint is already registered.',
        'Register the new subscription from the app while its user is signed in.');
    end if;
    -- The app has registered the same device beside its old row, which has its preferences and what waits for it.
    delete from public.push_subscriptions as s where s.id = v_other.id;
  end if;
  update public.push_subscriptions as s
  set endpoint = p_endpoint, p256dh = p_p256dh, auth = p_auth,
      vapid_key = coalesce(p_vapid_key, v_settings.vapid_public_key), expires_at = null
  where s.id = v_id;
  return v_id;
end;
$$;
comment on function public.push_resubscribe(text, text, text, text, text, text, text, timestamptz) is
  'Gives a device that proves its keys another subscription, as its push service did: the row stays, with its preferences and what waits '
  'for it. Refuses unknown devices and wrong keys alike. Returns the row''s id. Service role only.';

create function public.push_release(p_endpoint text, p_p256dh text, p_auth text)
returns boolean
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_id uuid := push.proven_device(p_endpoint, p_p256dh, p_auth);
begin
  delete from public.push_subscriptions as s
  where s.id = v_id and s.endpoint = p_endpoint and s.p256dh = p_p256dh and s.auth = p_auth;
  return found;
end;
$$;
comment on function public.push_release(text, text, text) is
  'Removes a device that proves its keys, for a user who has signed out already; false for wrong keys and unknown devices. Service role only.';

revoke all on function public.push_proven_devices(jsonb) from public, anon, authenticated;
revoke all on function public.push_resubscribe(text, text, text, text, text, text, text, timestamptz) from public, anon, authenticated;
revoke all on function public.push_release(text, text, text) from public, anon, authenticated;

grant execute on function public.push_proven_devices(jsonb) to service_role;
grant execute on function public.push_resubscribe(text, text, text, text, text, text, text, timestamptz) to service_role;
grant execute on function public.push_release(text, text, text) to service_role;
