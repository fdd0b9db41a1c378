-- What was sent leaves the queue for the log: the part of push_complete() that nearly all outcomes take.

create type push.host_report as (
  origin text, sent integer, accepted_users uuid[], evidence text, count integer, users uuid[], proven_count integer, proven_users uuid[],
  certain boolean, message text
);
comment on type push.host_report is
  'What a batch of outcomes says of one push service: what it accepted, for which users, and the evidence against it, by whose devices.';

create type push.recorded as (states jsonb, recorded integer, deleted integer, sent_to uuid[], hosts push.host_report[]);
comment on type push.recorded is
  'Deliveries by the state they got, and how many; subscriptions that were deleted; those that were sent to; what that says of push services.';

create function push.record_sent(p_outcomes jsonb, p_now timestamptz)
returns push.recorded
language plpgsql
set search_path = ''
-- As in push_claim: one look-up by primary key for each report, however empty the planner believes the queue to be.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_recorded push.recorded;
begin
  with report as (
    -- In the order of their ids, in which heartbeats and deletions lock them too.
    select r.delivery_id, r.claim_number, r.status, left(r.code, 100) as code, left(r.message, 500) as message
    from jsonb_to_recordset(p_outcomes) as r (delivery_id bigint, claim_number integer, outcome text, status integer, code text, message text)
    where r.outcome = 'sent'
    order by r.delivery_id
  ), ended as (
    -- Only the running claim may report, and of a claim whose lease ran out only how it ended, so that what was sent is not
    -- sent again, even if it waits for the end of quiet hours by now.
    delete from push.queue as d
    using report as r
    where d.id = any (array[r.delivery_id]) and d.claims = r.claim_number
      and (d.lease_until is not null or (d.claims > 0 and d.last_code in ('lease_lost', 'quiet_hours')))
    returning d.id, d.notification_id, d.subscription_id, d.host, d.created_at,
      coalesce(d.parked_due_at, d.due_at) as due_at, d.claimed_at, d.claims, d.failures, d.unanswered,
      r.status, r.code, r.message
  ), logged as (
    insert into push.delivery_log (
      id, notification_id, subscription_id, host, state, created_at, due_at, claimed_at, finished_at, claims, failures, unanswered,
      last_status, last_code, last_error
    )
    select e.id, e.notification_id, e.subscription_id, e.host, 'sent', e.created_at, e.due_at, e.claimed_at, p_now,
      e.claims, e.failures, e.unanswered, e.status, e.code, e.message
    from ended as e
  ), sent as materialized (
    select e.host, e.subscription_id, s.user_id, s.id as accepted_by, s.is_news
    from ended as e
    left join lateral (
      select u.id, u.user_id, u.updated_at,
        -- To the hour: a device that gets a hundred messages a day is written ten times.
        u.last_used_at is null or u.last_used_at < u.updated_at or u.last_used_at not between p_now - interval '1 hour' and p_now
          or num_nonnulls(u.failed_at, u.retry_at, u.gone_at) > 0 or u.failures > 0 as is_news
      from public.push_subscriptions as u where u.id = e.subscription_id
      offset 0
      -- Unless the device has other keys since: a service took a message for the old ones.
    ) as s on s.updated_at <= e.claimed_at
  ), used as (
    -- Skip locked: a row that another transaction holds is being used or deleted anyway, and two dispatchers that report about
    -- the same devices must never wait for each other in a circle.
    update public.push_subscriptions as s
    set last_used_at = p_now, failures = 0, failed_at = null, retry_at = null, gone_at = null
    where s.id = any (array(
      select u.id from public.push_subscriptions as u
      where u.id = any (array(select a.accepted_by from sent as a where a.is_news))
      for no key update of u skip locked
    ))
  ), by_host as (
    select k.host, count(*)::integer as number, coalesce(array_agg(distinct k.user_id) filter (where k.accepted_by is not null), '{}') as users
    from sent as k
    group by k.host
  )
  select
    case when count(*) > 0 then jsonb_build_object('sent', sum(h.number)) else '{}' end,
    coalesce(sum(h.number), 0),
    0,
    array(select k.subscription_id from sent as k),
    coalesce(array_agg(row(h.host, h.number, h.users, null, 0, '{}', 0, '{}', false, null)::push.host_report order by h.host), '{}')
  into v_recorded.states, v_recorded.recorded, v_recorded.deleted, v_recorded.sent_to, v_recorded.hosts
  from by_host as h;
  return v_recorded;
end;
$$;
comment on function push.record_sent(jsonb, timestamptz) is 'Records those of a batch of outcomes that say `sent`.';
