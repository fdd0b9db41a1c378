-- Supapush: circuits, what the dispatchers together know about each push service.
--
--   closed ──several users refused, throttled or not answered, no acceptance in between──► paused ──acceptance──► closed
--
-- A pause never depends on one user, and it is no full stop: every half second the deliveries of a few users pass as
-- probes, each user once before any comes again. The first one that the service accepts closes the circuit. So a user
-- whose own devices fail can neither open a circuit that others wait behind, nor use up its probes.

create function push.host_succeeded(p_origin text, p_users uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- What throttling took comes back by doubling, as slowly as it is taken.
  c_step constant interval := interval '2 seconds';
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
      known_users = (h.known_users || array(select u.id from unnest(p_users) as u (id) where u.id <> all (h.known_users)))[1:10],
      slowed_to = case
        when h.slowed_at > p_now - c_step then h.slowed_to
        when h.slowed_to * 2 < h.max_in_flight then h.slowed_to * 2
      end,
      slowed_at = case
        when h.slowed_at > p_now - c_step then h.slowed_at
        when h.slowed_to * 2 < h.max_in_flight then p_now
      end
  where h.origin = p_origin
    and (h.evidence is not null or h.paused_at is not null
      or (h.slowed_to is not null and coalesce(h.slowed_at <= p_now - c_step, true))
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
  'Notes that a push service accepts messages, for these users: closes its circuit, ends its alarms, gives back half of what throttling took.';

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
  -- A pause that ends by itself within this time is a connection that broke, and nobody has to be told.
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
    -- Others take their places, or the last ones could leave the word to a stranger. Bounded: this row waits for it.
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
    -- The service has never taken a message of ours: then everybody who was asked speaks for it.
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
    if v_host.evidence = 'throttled' then
      perform push.slow_host(p_origin, p_now);
    end if;
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
  'without an acceptance in between. Only devices that it took a message for count, once there are such; a fault of ours that '
  'needs no witness (p_certain) counts alone.';

create function push.slow_host(p_origin text, p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  -- Once every two seconds: all that was under way when the service had enough is told the same. Not below ten, or one
  -- user's few places in flight would be all there are.
  update push.hosts as h
  set slowed_to = greatest(coalesce(h.slowed_to, h.max_in_flight) / 2, least(10, h.max_in_flight)), slowed_at = p_now
  where h.origin = p_origin and (h.slowed_at is null or h.slowed_at <= p_now - interval '2 seconds');
$$;
comment on function push.slow_host(text, timestamptz) is
  'Halves what may be under way at a push service that throttles several users at once.';

create function push.is_gone_wave(p_origin text, p_count integer, p_sent integer, p_since timestamptz, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_sent numeric;
begin
  -- A handful proves nothing, and is asked again anyway.
  if p_count < 10 then
    return false;
  end if;
  -- Of the newest thousand, those that this service took. If a thousand do not reach back to the beginning, the rest of
  -- the time is taken to have been like them.
  select count(*) filter (where n.host = p_origin and n.state = 'sent')
    * case when count(*) < 1000 then 1 else
      extract(epoch from p_now - p_since) / greatest(extract(epoch from p_now - min(n.finished_at)), 0.001)
    end
  into v_sent
  from (
    select d.host, d.state, d.finished_at from push.deliveries as d
    where d.finished_at > p_since - interval '1 second' and d.finished_at <= p_now
    order by d.finished_at desc
    limit 1000
  ) as n;
  return p_count > 0.2 * (p_count + p_sent + v_sent);
end;
$$;
comment on function push.is_gone_wave(text, integer, integer, timestamptz, timestamptz) is
  'Whether so many working devices called dead since then are more than a fifth of those that this push service was asked about: '
  'p_sent, which are not in the log yet, and those that are.';

create function push.gone_waves(p_outcomes jsonb, p_now timestamptz)
returns text[]
language plpgsql
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_gone record;
  v_count integer;
  v_since timestamptz;
begin
  -- In the order in which the end of push_complete() writes them: two batches never wait for each other in a circle.
  perform from push.hosts as h
  where h.origin in (
    select d.host from jsonb_to_recordset(p_outcomes) as r (delivery_id bigint)
    join push.deliveries as d on d.id = r.delivery_id
  )
  order by h.origin
  for no key update;
  for v_gone in
    select g.host, sum(least(g.devices, 2)) as devices, sum(g.sent) as sent
    from (
      select d.host, s.user_id,
        count(distinct s.id) filter (
          where r.outcome = 'gone' and push.worked_lately(s.last_used_at, s.updated_at, p_now)
            -- Each device once, however many messages it gets, and two of a user: one with twenty makes no wave.
            and (s.gone_at is null or s.failed_at < coalesce(h.gone_since, p_now))
        ) as devices,
        count(*) filter (where r.outcome = 'sent') as sent
      from jsonb_to_recordset(p_outcomes) as r (delivery_id bigint, outcome text)
      join push.deliveries as d on d.id = r.delivery_id
      join public.push_subscriptions as s on s.id = d.subscription_id
      join push.hosts as h on h.origin = d.host
      group by d.host, s.user_id
    ) as g
    group by g.host
    order by g.host
  loop
    continue when v_gone.devices = 0;
    update push.hosts as h
    set gone_count = h.gone_count + v_gone.devices, gone_since = coalesce(h.gone_since, p_now)
    where h.origin = v_gone.host
    returning h.gone_count, h.gone_since into v_count, v_since;
    if push.is_gone_wave(v_gone.host, v_count, v_gone.sent::integer, v_since, p_now) then
      perform push.raise_alarm('gone_unusual', v_gone.host,
        format('Within ten minutes this push service reported %s devices as gone that worked in the last week. None of them is '
          || 'deleted for now, and each is tried again later. Check the status page of the push service.', v_count), p_now);
    end if;
  end loop;
  return array(select a.subject from push.alarms as a where a.code = 'gone_unusual' and a.resolved_at is null);
end;
$$;
comment on function push.gone_waves(jsonb, timestamptz) is
  'Counts the working devices that a batch of reports calls dead, and gives the push services that do so of an unusual share: in '
  'June 2024 FCM answered 404 to live subscriptions for hours.';

create function push.end_gone_waves(p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
begin
  update push.alarms as a set resolved_at = p_now
  where a.code = 'gone_unusual' and a.resolved_at is null
    -- Those that were called dead are asked again an hour later: what they answer then belongs to the same wave.
    and a.last_seen_at <= p_now - (select s.gone_confirm + interval '10 minutes' from push.settings as s);
  update push.hosts as h set gone_count = 0, gone_since = null
  where h.gone_since <= p_now - interval '10 minutes';
end;
$$;
comment on function push.end_gone_waves(timestamptz) is
  'Begins the next ten minutes of counting, and lets devices be deleted again once a wave is over. Run by the tick.';

create function push.worked_lately(p_last_used timestamptz, p_updated timestamptz, p_now timestamptz)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_last_used >= p_updated and p_last_used > p_now - interval '7 days', false);
$$;
comment on function push.worked_lately(timestamptz, timestamptz, timestamptz) is
  'Whether a push service took a message for this device, as it is registered now, within the last week.';

revoke all on all functions in schema push from public;
