-- A push service that says "gone" of unusually many devices is not believed at once.

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
  -- How many of the newest thousand this service took. If a thousand do not reach back to the beginning, the rest of the
  -- time is assumed to be like them.
  select count(*) filter (where n.host = p_origin and n.state = 'sent')
    * case when count(*) < 1000 then 1 else
      extract(epoch from p_now - p_since) / greatest(extract(epoch from p_now - min(n.finished_at)), 0.001)
    end
  into v_sent
  from (
    select d.host, d.state, d.finished_at from push.delivery_log as d
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
    join push.queue as d on d.id = any (array[r.delivery_id])
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
      join push.queue as d on d.id = any (array[r.delivery_id])
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
comment on function push.worked_lately(timestamptz, timestamptz, timestamptz) is
  'Whether a push service took a message for this device, as it is registered now, within the last week.';
