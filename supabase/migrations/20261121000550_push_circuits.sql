-- Supapush: circuits, what the dispatchers together know about each push service.
--
--   closed ──refused key, unreachable──► paused ──time──► probing (one delivery) ──success──► closed
--      │                                    ▲                       └──────────failure──► paused, twice as long
--      └──throttled──► paused for Retry-After, then slower: half the places, more again with each success

create function push.host_succeeded(p_origin text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Written at most every few seconds: this row is shared by every dispatcher.
  update push.hosts as h
  set last_success_at = p_now,
      paused_until = null,
      pauses = 0,
      unreachable = 0,
      slowed_to = case when h.slowed_to * 2 < h.max_in_flight then h.slowed_to * 2 end
  where h.origin = p_origin
    and (h.paused_until is not null or h.pauses > 0 or h.unreachable > 0 or h.slowed_to is not null
      or h.last_success_at is null or h.last_success_at < p_now - interval '5 seconds');
  if found then
    perform push.resolve_alarm(a.code, p_origin, p_now)
    from (values ('vapid_refused'), ('fcm_misconfigured'), ('push_service_unreachable')) as a (code);
  end if;
end;
$$;
comment on function push.host_succeeded(text, timestamptz) is
  'Notes that a push service accepts us: closes its circuit, ends its alarms, gives back half of what throttling took.';

create function push.pause_host(p_origin text, p_message text, p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update push.hosts as h
  set paused_until = p_now + least(s.pause_base * power(2, least(h.pauses, 20)), s.pause_max),
      pauses = h.pauses + 1,
      last_error_at = p_now,
      last_error = left(p_message, 500)
  from push.settings as s
  -- What was under way when the pause began says nothing new.
  where h.origin = p_origin and (h.paused_until is null or h.paused_until <= p_now);
  return found;
end;
$$;
comment on function push.pause_host(text, text, timestamptz) is
  'Opens the circuit of a push service, each time for twice as long; false when it is open already.';

create function push.host_misconfigured(p_origin text, p_message text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if not push.pause_host(p_origin, p_message, p_now) then
    return;
  end if;
  if (select h.channel from push.hosts as h where h.origin = p_origin) = 'fcm' then
    perform push.raise_alarm('fcm_misconfigured', p_origin,
      'Nothing can be sent through FCM. Deliveries wait; no device is deleted. Check FCM_SERVICE_ACCOUNT of '
        || 'push-dispatch. It said: ' || coalesce(left(p_message, 300), 'nothing'),
      p_now);
  else
    perform push.raise_alarm('vapid_refused', p_origin,
      'This push service refuses our VAPID key. Deliveries wait; no subscription is deleted. Check VAPID_PUBLIC_KEY, '
        || 'VAPID_PRIVATE_KEY and VAPID_SUBJECT of push-dispatch. It said: ' || coalesce(left(p_message, 300), 'nothing'),
      p_now);
  end if;
end;
$$;
comment on function push.host_misconfigured(text, text, timestamptz) is
  'Pauses a push service that refuses us (401, 403), or that we lack the credentials for, and raises an alarm; no subscription is deleted.';

create function push.host_unreachable(p_origin text, p_failures integer, p_message text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_open boolean;
begin
  update push.hosts as h
  set unreachable = h.unreachable + p_failures, last_error_at = p_now, last_error = left(p_message, 500)
  from push.settings as s
  where h.origin = p_origin
  -- A single probe that fails is enough; otherwise some in a row must, without a success between them.
  returning h.pauses > 0 or h.unreachable >= s.circuit_failures into v_open;
  if v_open and push.pause_host(p_origin, p_message, p_now) then
    perform push.raise_alarm('push_service_unreachable', p_origin,
      'This push service does not answer. Deliveries wait. The last error was: ' || coalesce(left(p_message, 300), 'unknown'),
      p_now);
  end if;
end;
$$;
comment on function push.host_unreachable(text, integer, text, timestamptz) is
  'Counts requests without a useful answer, and opens the circuit of a push service when there are only such.';

create function push.host_throttled(p_origin text, p_retry_after interval, p_message text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update push.hosts as h
  set paused_until = greatest(h.paused_until, p_now + greatest(p_retry_after, s.throttle_pause)),
      -- Once per pause: all that was under way when the service had enough is told the same.
      slowed_to = case
        when h.paused_until > p_now then h.slowed_to
        else greatest(coalesce(h.slowed_to, h.max_in_flight) / 2, 1)
      end,
      last_error_at = p_now,
      last_error = left(p_message, 500)
  from push.settings as s
  where h.origin = p_origin;
end;
$$;
comment on function push.host_throttled(text, interval, text, timestamptz) is
  'Slows a push service down for everyone: nothing until Retry-After is over, then half as much at a time.';

revoke all on all functions in schema push from public;
