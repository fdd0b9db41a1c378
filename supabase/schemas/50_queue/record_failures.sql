-- What was not sent is tried again later or has ended: retries, backoff, devices that rest, devices that are gone.

create type push.failure as (
  id bigint, outcome text, status integer, code text, message text, host text, subscription_id uuid, claimed_at timestamptz, evidence text,
  certain boolean, user_id uuid, proven boolean, unconfirmed boolean, counts integer, counts_unanswered integer, next_due timestamptz,
  device_rests_until timestamptz, new_state text
);
comment on type push.failure is
  'An outcome other than sent: what it says of its push service (evidence) and its device, whether it uses up an attempt, and what becomes of '
  'the delivery.';

create function push.judge_failures(p_outcomes jsonb, p_waves text[], p_now timestamptz)
returns setof push.failure
language plpgsql
set search_path = ''
-- See push.record_sent().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_settings push.settings;
begin
  select s.* into v_settings from push.settings as s;
  return query
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
    select d.id, r.outcome, r.status, r.code, r.message, r.retry_after, d.host, d.expires_at, d.failures, d.unanswered,
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
        d.claims > 0 and d.last_code in ('lease_lost', 'quiet_hours') and r.outcome in ('gone', 'failed')
      )
    )
    where r.outcome in ('gone', 'retry', 'failed', 'misconfigured')
  ), known as (
    select m.*, x.user_id, coalesce(x.proven, false) as proven, coalesce(x.paused, false) as paused,
      coalesce(x.failures, 0) as device_failures,
      -- A service may be wrong about a device that works: see push.gone_waves().
      m.outcome = 'gone' and coalesce(x.worked_lately and (
        m.host = any (p_waves)
        or (m.status = 404 and coalesce(x.gone_at > p_now - v_settings.gone_confirm, true))
      ), false) as unconfirmed
    from matched as m
    left join lateral (
      select s.user_id, s.failures, s.gone_at, h.paused_at is not null or h.evidence = 'refused' as paused,
        s.last_used_at >= s.updated_at and s.updated_at <= m.claimed_at as proven,
        push.worked_lately(s.last_used_at, s.updated_at, p_now) as worked_lately
      from public.push_subscriptions as s
      cross join push.hosts as h
      where s.id = m.subscription_id and h.origin = m.host
      offset 0
    ) as x on true
  ), judged as (
    select k.*,
      -- A failure while the push service is paused, or because of our key, uses up no attempt.
      (k.outcome = 'retry' and not k.paused)::integer as counts,
      (k.outcome = 'retry' and not k.paused and k.code is not distinct from 'timed_out')::integer as counts_unanswered,
      case
        when k.outcome = 'gone' and k.unconfirmed then p_now + v_settings.gone_confirm
        when k.outcome in ('gone', 'failed') then null
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
  )
  select j.id, j.outcome, j.status, j.code, j.message, j.host, j.subscription_id, j.claimed_at, j.evidence, j.certain, j.user_id, j.proven,
    j.unconfirmed, j.counts, j.counts_unanswered, j.next_due, j.device_rests_until,
      case
        when j.outcome = 'failed' or (j.outcome = 'gone' and not j.unconfirmed) then j.outcome
        when j.counts > 0 and j.failures + j.counts >= v_settings.max_attempts then 'failed'
        when j.counts_unanswered > 0 and j.unanswered + j.counts_unanswered >= v_settings.max_unanswered then 'failed'
        when j.next_due >= j.expires_at then 'expired'
        when j.is_superseded then 'cancelled'
        else 'queued'
      end
  from judged as j;
end;
$$;
comment on function push.judge_failures(jsonb, text[], timestamptz) is
  'What becomes of the deliveries of these outcomes, those that say sent left out; none is gone for a push service of p_waves. The caller has '
  'locked them.';

create function push.record_failures(p_outcomes jsonb, p_sent_to uuid[], p_waves text[], p_now timestamptz)
returns push.recorded
language plpgsql
set search_path = ''
-- See push.record_sent().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_recorded push.recorded;
  v_at constant timestamptz := push.moment_of_writing(p_now);
begin
  with decided as materialized (
    select f.* from push.judge_failures(p_outcomes, p_waves, p_now) as f
  ), retried as (
    update push.queue as d
    set lease_until = null,
        due_at = greatest(k.next_due, v_at),
        failures = d.failures + k.counts,
        unanswered = d.unanswered + k.counts_unanswered,
        last_status = k.status,
        last_code = case when k.unconfirmed then 'gone_unconfirmed' else k.code end,
        last_error = k.message
    from decided as k
    where d.id = any (array[k.id]) and k.new_state = 'queued'
  ), ended as (
    delete from push.queue as d
    using decided as k
    where d.id = any (array[k.id]) and k.new_state <> 'queued'
    returning d.id, d.notification_id, d.subscription_id, d.host, d.created_at, coalesce(d.parked_due_at, d.due_at) as due_at,
      d.claimed_at, d.claims,
      d.failures + k.counts as failures, d.unanswered + k.counts_unanswered as unanswered,
      k.new_state, k.status, k.message, case when k.new_state = 'cancelled' then 'superseded' else k.code end as code
  ), logged as (
    insert into push.delivery_log (
      id, notification_id, subscription_id, host, state, created_at, due_at, claimed_at, finished_at, claims, failures, unanswered,
      last_status, last_code, last_error
    )
    select e.id, e.notification_id, e.subscription_id, e.host, e.new_state, e.created_at, e.due_at, e.claimed_at, p_now,
      e.claims, e.failures, e.unanswered, e.status, e.code, e.message
    from ended as e
  ), troubled as (
    -- Skip locked, here and below: see push.record_sent().
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
      and s.id <> all (p_sent_to)
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
  select
    (select coalesce(jsonb_object_agg(c.new_state, c.n), '{}') from counts as c),
    (select count(*) from decided),
    (select count(*) from deleted),
    '{}'::uuid[],
    array(
      select row(
        k.host, 0, '{}',
        -- Refused before throttled before unreachable, as the alphabet has it.
        min(k.evidence),
        count(k.evidence),
        coalesce(array_agg(distinct k.user_id) filter (where k.evidence is not null and k.user_id is not null), '{}'),
        count(k.evidence) filter (where k.proven),
        coalesce(array_agg(distinct k.user_id) filter (where k.evidence is not null and k.proven), '{}'),
        coalesce(bool_or(k.certain), false),
        max(k.message) filter (where k.evidence is not null)
      )::push.host_report
      from decided as k
      group by k.host
      order by k.host
    )
  into v_recorded.states, v_recorded.recorded, v_recorded.deleted, v_recorded.sent_to, v_recorded.hosts;
  return v_recorded;
end;
$$;
comment on function push.record_failures(jsonb, uuid[], text[], timestamptz) is
  'Records those of a batch of outcomes that do not say `sent`: what is tried again and when, what has ended, and which devices rest or are '
  'gone. What a device of p_sent_to failed at says nothing of it; no device is gone for a push service of p_waves.';
