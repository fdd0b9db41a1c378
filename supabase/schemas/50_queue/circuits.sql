-- Circuits, what the dispatchers together know about each push service.
--
--   closed ──several users refused, throttled or not answered, no acceptance in between──► paused ──acceptance──► closed
--
-- A pause depends on one user only where there is no other, and it is no full stop: every half second a delivery of each of
-- three users passes as a probe, and users who were not probed lately come first. The first probe that the service accepts closes
-- the circuit. So a user whose own devices fail can neither open a circuit that others wait behind, nor use up its probes.

create function push.host_succeeded(p_origin text, p_users uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Written at most every few seconds: this row is shared by every dispatcher.
  update push.hosts as h
  set last_success_at = p_now,
      paused_at = null,
      probe_at = null,
      probed_users = '{}',
      resumed_at = case when h.paused_at is not null then p_now else h.resumed_at end,
      evidence = null,
      evidence_since = null,
      evidence_count = 0,
      evidence_users = '{}',
      -- The first ten: push.host_failed() lets go of those who have left.
      known_users = (h.known_users || array(select u.id from unnest(p_users) as u (id) where u.id <> all (h.known_users)))[1:10]
  where h.origin = p_origin
    and (h.evidence is not null or h.paused_at is not null
      or (cardinality(h.known_users) < 10 and not p_users <@ h.known_users)
      or h.last_success_at is null or h.last_success_at < p_now - interval '5 seconds');
  if found then
    perform push.resolve_alarm(a.code, p_origin, p_now)
    from (values ('vapid_refused'), ('fcm_misconfigured'), ('push_service_unreachable'), ('push_service_throttles'))
      as a (code);
  end if;
end;
$$;
comment on function push.host_succeeded(text, uuid[], timestamptz) is
  'Notes that a push service accepts messages, for these users: closes its circuit, ends its alarms.';

create function push.raise_host_alarm(p_origin text, p_evidence text, p_message text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_said text := coalesce(left(p_message, 300), 'nothing');
begin
  case
    when p_evidence = 'throttled' then
      perform push.raise_alarm('push_service_throttles', p_origin,
        'This push service says that too much is sent. Deliveries wait. Its answer: ' || v_said, p_now);
    when p_evidence = 'unreachable' then
      perform push.raise_alarm('push_service_unreachable', p_origin,
        'This push service does not answer. Deliveries wait. The last error: ' || v_said, p_now);
    when (select h.channel from push.hosts as h where h.origin = p_origin) = 'fcm' then
      perform push.raise_alarm('fcm_misconfigured', p_origin,
        'Nothing can be sent through FCM. Deliveries wait; no device is deleted. Check FCM_SERVICE_ACCOUNT of '
          || 'push-dispatch. Its answer: ' || v_said, p_now);
    else
      perform push.raise_alarm('vapid_refused', p_origin,
        'This push service refuses our VAPID key. Deliveries wait; no subscription is deleted. Check VAPID_PUBLIC_KEY, '
          || 'VAPID_PRIVATE_KEY and VAPID_SUBJECT of push-dispatch. Its answer: ' || v_said, p_now);
  end case;
end;
$$;
comment on function push.raise_host_alarm(text, text, text, timestamptz) is
  'Tells an operator what keeps a push service paused.';

create function push.host_failed(
  p_origin text,
  p_evidence text,
  p_count integer,
  p_users uuid[],
  p_proven_count integer,
  p_proven_users uuid[],
  p_certain boolean,
  p_message text,
  p_now timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- A pause that ends by itself within this time is a connection that broke, and the operator need not know.
  c_patience constant interval := interval '10 seconds';
  v_settings push.settings;
  v_host push.hosts;
  v_known_users uuid[];
  v_known integer;
  v_count integer := p_proven_count;
  v_users uuid[] := p_proven_users;
begin
  select h.* into v_host from push.hosts as h where h.origin = p_origin;
  -- Users without a device that the service still takes messages for can no longer speak for it.
  v_known_users := array(
    select k.id from unnest(v_host.known_users) as k (id)
    where exists (
      select from public.push_subscriptions as s
      where s.user_id = k.id and s.host = p_origin and s.last_used_at >= s.updated_at
    )
  );
  if cardinality(v_known_users) < 2 and cardinality(v_host.known_users) > cardinality(v_known_users) then
    -- Others take their places, or an attacker could soon be the only evidence. Bounded: the lock of this row lasts as long.
    v_known_users := v_known_users || array(
      select distinct o.user_id
      from (
        select s.user_id, s.last_used_at >= s.updated_at as proven from public.push_subscriptions as s
        where s.host = p_origin
        limit 20000
      ) as o
      where o.proven and o.user_id <> all (v_known_users)
      limit 10
    );
    update push.hosts as h set known_users = v_known_users where h.origin = p_origin;
  end if;
  v_known := cardinality(v_known_users);
  if v_known = 0 then
    -- The service has never taken a message of ours: then the devices of all users count as evidence.
    v_count := p_count;
    v_users := p_users;
  end if;
  if v_count = 0 and not p_certain then
    return;
  end if;

  select s.* into v_settings from push.settings as s;
  update push.hosts as h
  set last_error_at = p_now,
      last_error = left(p_message, 500),
      -- A refused key weighs more than a service that is slow beside it.
      evidence = case when h.evidence = 'refused' then h.evidence else p_evidence end,
      evidence_since = coalesce(h.evidence_since, p_now),
      evidence_count = least(h.evidence_count + v_count, 1000000),
      evidence_users = (array(select distinct u.id from unnest(h.evidence_users || v_users) as u (id)))[1:2]
  where h.origin = p_origin
  returning h.* into v_host;

  if v_host.paused_at is null and (
    p_certain
    or (
      v_host.evidence_count >= case v_host.evidence
        when 'unreachable' then v_settings.circuit_failures else v_settings.circuit_refusals
      end
      -- Two users, or the only one there is.
      and cardinality(v_host.evidence_users) >= least(greatest(v_known, 1), 2)
    )
  ) then
    update push.hosts as h
    set paused_at = p_now,
        probe_at = p_now + v_settings.probe_every,
        probed_users = '{}'
    where h.origin = p_origin
    returning h.* into v_host;
  end if;
  -- A key that is refused for a while and taken by no device is an operator's matter, also while one user alone is asked.
  if v_host.paused_at <= p_now - c_patience or (v_host.evidence = 'refused' and (
    v_host.paused_at is not null
    or (v_host.evidence_count >= v_settings.circuit_refusals and v_host.evidence_since <= p_now - 2 * c_patience)
  )) then
    perform push.raise_host_alarm(p_origin, v_host.evidence, p_message, p_now);
  end if;
end;
$$;
comment on function push.host_failed(text, text, integer, uuid[], integer, uuid[], boolean, text, timestamptz) is
  'Weighs answers that speak against a push service, and pauses it when two users (or the only one) have got enough of them '
  'without an acceptance in between. Only devices that it took a message for count, where there are such; a fault of ours that '
  'needs no witness (p_certain) counts alone.';

create function push.end_host_pauses_to_come(p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  -- A pause that began after now began before the clock was set back.
  update push.hosts as h set paused_at = p_now, probe_at = p_now
  where h.paused_at > p_now + interval '1 minute';
$$;
comment on function push.end_host_pauses_to_come(timestamptz) is 'Has pauses of push services count from now that began by a clock that was set back since.';
