-- push_complete() takes what became of deliveries, and decides about retries and backoff.

create function public.push_complete(p_outcomes jsonb, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
-- As in push_claim: one look-up by primary key for each report, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_settings push.settings;
  v_waves text[] := '{}'::text[];
  v_result jsonb;
  v_host record;
begin
  select s.* into v_settings from push.settings as s;
  if p_outcomes @> '[{"outcome": "gone"}]' then
    v_waves := push.gone_waves(p_outcomes, p_now);
  end if;
  -- In the order of their ids, in which heartbeats and deletions lock them too: what ends and what is tried again are two writes.
  if jsonb_path_exists(p_outcomes, '$[*] ? (@.outcome != "sent" && @.outcome != "failed")') then
    perform from push.queue as q
    where q.id = any (array(select r.delivery_id from jsonb_to_recordset(p_outcomes) as r (delivery_id bigint)))
    order by q.id
    for update;
  end if;

  with report as (
    select distinct on (r.delivery_id) r.delivery_id, r.claim_number, r.outcome, r.status, left(r.code, 100) as code, left(r.message, 500) as message,
      make_interval(secs => least(greatest(coalesce(r.retry_after, 0), 0), 86400)) as retry_after
    from jsonb_to_recordset(p_outcomes) as r (
      delivery_id bigint, claim_number integer, outcome text, status integer, code text, message text, retry_after numeric
    )
    order by r.delivery_id, r.claim_number desc
  ), matched as (
    -- Only the running claim may report, and of a claim whose lease ran out only how it ended, so that what was sent is
    -- not sent again, even if it waits for the end of quiet hours by now. That it failed is known already.
    select d.id, d.claims, r.outcome, r.status, r.code, r.message, r.retry_after, d.host, d.expires_at, d.failures, d.unanswered,
      d.subscription_id, d.claimed_at, d.is_superseded,
      -- What the answer says of the push service, unless it is only about one device. A delivery that our side could not
      -- make a request of says nothing of the service.
      case
        when r.outcome = 'misconfigured' then 'refused'
        when r.outcome = 'retry' and r.status in (429, 503, 406) then 'throttled'
        when r.outcome = 'retry' and coalesce(r.code, '') not in ('channel_failed', 'delivery_unreadable') then 'unreachable'
      end as evidence,
      -- Without a status no push service was asked: our side has no credentials that it could try.
      r.outcome = 'misconfigured' and r.status is null as certain
    from report as r
    join push.queue as d on d.id = any (array[r.delivery_id]) and d.claims = r.claim_number and (
      d.lease_until is not null
      or (
        d.claims > 0 and d.last_code in ('lease_lost', 'quiet_hours') and r.outcome in ('sent', 'gone', 'failed')
      )
    )
    where r.outcome in ('sent', 'gone', 'retry', 'failed', 'misconfigured')
  ), known as (
    select m.*, x.user_id, coalesce(x.proven, false) as proven, coalesce(x.paused, false) as paused,
      coalesce(x.failures, 0) as device_failures,
      -- A service may be wrong about a device that works: see push.gone_waves().
      m.outcome = 'gone' and coalesce(x.worked_lately and (
        m.host = any (v_waves)
        or (m.status = 404 and coalesce(x.gone_at > p_now - v_settings.gone_confirm, true))
      ), false) as unconfirmed
    from matched as m
    left join lateral (
      select s.user_id, s.failures, s.gone_at, h.paused_at is not null or h.evidence = 'refused' as paused,
        s.last_used_at >= s.updated_at and s.updated_at <= m.claimed_at as proven,
        push.worked_lately(s.last_used_at, s.updated_at, p_now) as worked_lately
      from public.push_subscriptions as s
      cross join push.hosts as h
      where m.outcome <> 'sent' and s.id = m.subscription_id and h.origin = m.host
      offset 0
    ) as x on true
  ), judged as (
    select k.*,
      -- A failure while the push service is paused, or because of our key, uses up no attempt.
      (k.outcome = 'retry' and not k.paused)::integer as counts,
      (k.outcome = 'retry' and not k.paused and k.code is not distinct from 'timed_out')::integer as counts_unanswered,
      case
        when k.outcome = 'gone' and k.unconfirmed then p_now + v_settings.gone_confirm
        when k.outcome in ('sent', 'gone', 'failed') then null
        when k.certain then p_now + v_settings.backoff_base
        -- Once more before its end, however long the device waits.
        when k.outcome = 'misconfigured' or k.paused then
          p_now + greatest(least(b.device_backoff, 0.8 * (k.expires_at - p_now)), k.retry_after)
        else p_now + greatest(
          -- Twice the step after each that was not answered: few repeats, over a longer time.
          push.backoff(
            k.failures + 1 + k.unanswered + (k.code is not distinct from 'timed_out')::integer,
            v_settings.backoff_base, v_settings.backoff_max
          ), b.device_backoff, k.retry_after
        )
      end as next_due,
      case when b.device_backoff is not null then
        p_now + greatest(b.device_backoff, least(k.retry_after, v_settings.retry_after_max))
      end as device_rests_until
    from known as k
    cross join lateral (
      select case when k.evidence is not null and not k.certain then push.backoff(
        k.device_failures + 1, v_settings.backoff_base,
        case when k.paused then least(v_settings.probe_backoff_max, v_settings.backoff_max) else v_settings.backoff_max end
      ) end as device_backoff
      offset 0
    ) as b
  ), resolved as materialized (
    select j.*,
      case
        when j.outcome in ('sent', 'failed') or (j.outcome = 'gone' and not j.unconfirmed) then j.outcome
        when j.counts > 0 and j.failures + j.counts >= v_settings.max_attempts then 'failed'
        when j.counts_unanswered > 0 and j.unanswered + j.counts_unanswered >= v_settings.max_unanswered then 'failed'
        when j.next_due >= j.expires_at then 'expired'
        when j.is_superseded then 'cancelled'
        else 'queued'
      end as new_state
    from judged as j
  ), retried as (
    update push.queue as d
    set lease_until = null,
        due_at = k.next_due,
        failures = d.failures + k.counts,
        unanswered = d.unanswered + k.counts_unanswered,
        last_status = k.status,
        last_code = case when k.unconfirmed then 'gone_unconfirmed' else k.code end,
        last_error = k.message
    from resolved as k
    -- Repeated, here and below, because Postgres evaluates this once more when another transaction has changed the row since.
    where d.id = any (array[k.id]) and k.new_state = 'queued' and d.claims = k.claims and (
      d.lease_until is not null
      or (d.claims > 0 and d.last_code in ('lease_lost', 'quiet_hours') and k.outcome in ('sent', 'gone', 'failed'))
    )
    returning k.outcome, k.unconfirmed, k.evidence, k.certain, k.new_state, k.message, k.user_id, k.proven, k.device_rests_until, k.host,
      k.subscription_id, k.claimed_at
  ), ended as (
    delete from push.queue as d
    using resolved as k
    where d.id = any (array[k.id]) and k.new_state <> 'queued' and d.claims = k.claims and (
      d.lease_until is not null
      or (d.claims > 0 and d.last_code in ('lease_lost', 'quiet_hours') and k.outcome in ('sent', 'gone', 'failed'))
    )
    returning k.outcome, k.unconfirmed, k.evidence, k.certain, k.new_state, k.message, k.user_id, k.proven, k.device_rests_until, k.host,
      k.subscription_id, k.claimed_at,
      d.id, d.notification_id, d.created_at, d.due_at, d.claimed_at as handed_out_at, d.claims, d.failures + k.counts as failures,
      d.unanswered + k.counts_unanswered as unanswered, k.status, case when k.new_state = 'cancelled' then 'superseded' else k.code end as code
  ), logged as (
    insert into push.delivery_log (
      id, notification_id, subscription_id, host, state, created_at, due_at, claimed_at, finished_at, claims, failures, unanswered,
      last_status, last_code, last_error
    )
    select e.id, e.notification_id, e.subscription_id, e.host, e.new_state, e.created_at, e.due_at, e.handed_out_at, p_now,
      e.claims, e.failures, e.unanswered, e.status, e.code, e.message
    from ended as e
  ), decided as materialized (
    -- Returned by both, and not looked for among all that was reported: that would compare each with each.
    select * from retried
    union all
    select k.outcome, k.unconfirmed, k.evidence, k.certain, k.new_state, k.message, k.user_id, k.proven, k.device_rests_until, k.host,
      k.subscription_id, k.claimed_at
    from ended as k
  ), accepted as materialized (
    select s.id, s.user_id, s.host, s.is_news
    from decided as k
    cross join lateral (
      select u.id, u.user_id, u.host, u.updated_at,
        -- To the hour: a device that gets a hundred messages a day is written ten times.
        u.last_used_at is null or u.last_used_at < u.updated_at or u.last_used_at not between p_now - interval '1 hour' and p_now
          or num_nonnulls(u.failed_at, u.retry_at, u.gone_at) > 0 or u.failures > 0 as is_news
      from public.push_subscriptions as u where u.id = k.subscription_id
      offset 0
    ) as s
    -- Unless the device has other keys since: a service took a message for the old ones.
    where k.outcome = 'sent' and s.updated_at <= k.claimed_at
  ), used as (
    -- Skip locked, here and below: a row that another transaction holds is being used or deleted anyway, and two
    -- dispatchers that report about the same devices must never wait for each other in a circle.
    update public.push_subscriptions as s
    set last_used_at = p_now, failures = 0, failed_at = null, retry_at = null, gone_at = null
    where s.id = any (array(
      select u.id from public.push_subscriptions as u
      where u.id = any (array(select a.id from accepted as a where a.is_news))
      for no key update of u skip locked
    ))
  ), troubled as (
    update public.push_subscriptions as s
    set failures = s.failures + (t.rests_until is not null)::integer,
        failed_at = p_now,
        retry_at = greatest(t.rests_until, s.retry_at),
        gone_at = case when t.unconfirmed then coalesce(s.gone_at, p_now) else s.gone_at end
    from (
      select k.subscription_id, max(k.device_rests_until) as rests_until, bool_or(k.unconfirmed) as unconfirmed
      from decided as k
      where k.device_rests_until is not null or k.unconfirmed
      group by k.subscription_id
    ) as t
    where s.id = t.subscription_id
      and not exists (select from decided as k where k.subscription_id = s.id and k.outcome = 'sent')
      and s.id in (
        select u.id from public.push_subscriptions as u
        join decided as k on k.subscription_id = u.id
        where (k.device_rests_until is not null or k.unconfirmed) and u.updated_at <= k.claimed_at
        for no key update of u skip locked
      )
  ), deleted as (
    -- Unless the device has re-registered since: then the push service spoke of an endpoint that is no longer there.
    delete from public.push_subscriptions as s
    where s.id in (
      select u.id from public.push_subscriptions as u
      join decided as k on k.subscription_id = u.id
      where k.outcome = 'gone' and not k.unconfirmed and u.updated_at <= k.claimed_at
      for update of u skip locked
    )
    returning s.id
  ), counts as (
    select k.new_state, count(*) as n from decided as k group by k.new_state
  )
  select jsonb_build_object(
    'states', (select coalesce(jsonb_object_agg(c.new_state, c.n), '{}') from counts as c),
    'recorded', (select count(*) from decided),
    'subscriptions_deleted', (select count(*) from deleted),
    'accepted', (
      select coalesce(jsonb_agg(jsonb_build_object('origin', g.host, 'users', g.users) order by g.host), '[]')
      from (select a.host, array_agg(distinct a.user_id) as users from accepted as a group by a.host) as g
    ),
    'hosts', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'origin', g.host, 'sent', g.sent, 'evidence', g.evidence, 'count', g.count, 'users', g.users,
        'proven_count', g.proven_count, 'proven_users', g.proven_users, 'throttled_users', g.throttled_users,
        'certain', g.certain, 'message', g.message
      ) order by g.host), '[]')
      from (
        select k.host, count(*) filter (where k.outcome = 'sent') as sent,
          -- Refused before throttled before unreachable, as the alphabet has it.
          min(k.evidence) as evidence,
          count(k.evidence) as count,
          array_agg(distinct k.user_id) filter (where k.evidence is not null and k.user_id is not null) as users,
          count(k.evidence) filter (where k.proven) as proven_count,
          array_agg(distinct k.user_id) filter (where k.evidence is not null and k.proven) as proven_users,
          count(distinct k.user_id) filter (where k.evidence = 'throttled' and k.proven) as throttled_users,
          coalesce(bool_or(k.certain), false) as certain,
          max(k.message) filter (where k.evidence is not null) as message
        from decided as k
        group by k.host
      ) as g
    )
  ) into v_result;

  for v_host in
    select h.*, coalesce(a.users, '{}') as accepted_users
    from jsonb_to_recordset(v_result -> 'hosts') as h (
      origin text, sent integer, evidence text, count integer, users uuid[], proven_count integer, proven_users uuid[],
      throttled_users integer, certain boolean, message text
    )
    left join jsonb_to_recordset(v_result -> 'accepted') as a (origin text, users uuid[]) on a.origin = h.origin
  loop
    if v_host.sent > 0 then
      -- More users throttled than accepted, and not the devices of a few.
      if v_host.throttled_users > greatest(cardinality(v_host.accepted_users), 5) then
        perform push.slow_host(v_host.origin, p_now);
      end if;
      perform push.host_succeeded(v_host.origin, v_host.accepted_users, p_now);
    elsif v_host.evidence is not null then
      perform push.host_failed(
        v_host.origin, v_host.evidence, v_host.count, coalesce(v_host.users, '{}'), v_host.proven_count,
        coalesce(v_host.proven_users, '{}'), v_host.certain, v_host.message, p_now
      );
    end if;
  end loop;
  return v_result - 'hosts' - 'accepted';
end;
$$;
comment on function public.push_complete(jsonb, timestamptz) is
  'Records a batch of outcomes: [{delivery_id, claim_number, outcome: sent|gone|retry|failed|misconfigured, status, code, message, retry_after}]. Service role only.';

revoke all on function public.push_complete(jsonb, timestamptz) from public, anon, authenticated;

grant execute on function public.push_complete(jsonb, timestamptz) to service_role;
