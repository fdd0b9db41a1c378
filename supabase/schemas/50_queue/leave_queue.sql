-- Out of the queue without being sent: cancelled, expired, or handed out again because its lease is over.

create function push.cancel_deliveries_to(p_subscription_ids uuid[], p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  -- Skip locked: a transaction that holds such a row is about to send, cancel or expire it. A delivery that stays queued
  -- after all finds no subscription at its claim. Waiting here could be a deadlock.
  return push.end_deliveries(array(
    select q.id from unnest(p_subscription_ids) as s (id)
    cross join lateral (
      select w.id from push.queue as w
      where w.subscription_id = s.id and w.lease_until is null and w.subscription_id >= '00000000-0000-0000-0000-000000000000'
      for update skip locked
    ) as q
  ), 'cancelled', 'subscription_deleted', p_now);
end;
$$;
comment on function push.cancel_deliveries_to(uuid[], timestamptz) is 'Takes back what waits for these devices; returns how many deliveries.';

create function push.cancel_deliveries_of_deleted()
returns trigger
language plpgsql
-- Definer: the owner who deletes a subscription has no access to the queue.
security definer
set search_path = ''
as $$
begin
  -- Fires after every batch of reports, which seldom has any.
  if exists (select from push_deleted_subscriptions) then
    perform push.cancel_deliveries_to(array(select s.id from push_deleted_subscriptions as s), clock_timestamp());
  end if;
  return null;
end;
$$;
comment on function push.cancel_deliveries_of_deleted() is
  'Takes back what still waits for a device that is no longer registered, so that its next user never sees it.';

create trigger push_subscriptions_cancel
after delete on public.push_subscriptions
referencing old table as push_deleted_subscriptions
for each statement execute function push.cancel_deliveries_of_deleted();

create function push.cancel_deliveries_of_cancelled()
returns trigger
language plpgsql
-- Definer: the service that cancels a notification has no access to the queue.
security definer
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  perform push.end_deliveries(array(
    select d.id from push.queue as d where d.notification_id = new.id and d.lease_until is null for update
  ), 'cancelled', 'notification_cancelled', clock_timestamp());
  return null;
end;
$$;
comment on function push.cancel_deliveries_of_cancelled() is 'Takes back what still waits of a cancelled notification to one user.';

create trigger push_notifications_cancel
after update of status on public.push_notifications
for each row when (new.status = 'cancelled' and old.status <> 'cancelled' and new.user_id is not null)
execute function push.cancel_deliveries_of_cancelled();

create function push.backoff(p_attempt integer, p_base interval, p_max interval)
returns interval
language sql
volatile
set search_path = ''
as $$
  -- Between half and all of base · 2^(attempt − 1): those who failed together do not come back together.
  select least(p_base * power(2, least(greatest(p_attempt, 1) - 1, 20)), p_max) * (0.5 + random() / 2);
$$;
comment on function push.backoff(integer, interval, interval) is 'Exponential backoff with jitter.';

create function push.recover_leases(p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_count integer;
  v_given_up bigint[];
  v_superseded bigint[];
  v_lost bigint[];
begin
  if exists (
    select from push.claim_starts as s
    where s.host = '' and s.lane = -1 and s.read_whole_at > p_now - interval '1 minute' and s.read_whole_at <= p_now
  ) then
    v_lost := array(
      select o.id from push.queue_lanes(p_now, '{-1}') as l
      cross join lateral (
        select d.id from push.queue as d
        where d.host = l.host and d.lease_until >= '-infinity' and d.lease_until >= l.due_from and d.lease_until <= p_now
        for update skip locked
      ) as o
    );
  else
    -- Once a minute all that is under way, also at push services that have no row any more.
    insert into push.claim_starts (host, lane, due_from, read_whole_at) values ('', -1, '-infinity', p_now);
    perform push.drop_old_starts();
    v_lost := array(
      select d.id from push.queue as d where d.lease_until >= '-infinity' and d.lease_until <= p_now for update skip locked
    );
    -- The clock was set back: the dispatcher of these may live, and gets a full lease to report.
    update push.queue as d set lease_until = p_now + s.delivery_lease
    from push.settings as s
    where d.id = any (array(
      select f.id from push.queue as f
      where f.lease_until >= '-infinity' and f.claimed_at > p_now and f.lease_until > p_now + (select l.delivery_lease from push.settings as l)
      for update skip locked
    ));
    if found then
      perform push.forget_starts();
    end if;
  end if;
  with returned as (
    update push.queue as d
    set failures = d.failures + 1,
      -- The first time at once: dispatchers end. A second time in a row, one of those that were under way together may be
      -- what ended it, and would take the others along until all are given up: the jitter parts them.
      due_at = case
        when d.last_code = 'lease_lost' then p_now + push.backoff(d.failures + 1, s.backoff_base, s.backoff_max)
        else d.due_at
      end,
      lease_until = null,
      last_code = 'lease_lost'
    from push.settings as s
    where d.id = any (v_lost)
    returning d.id, d.failures >= s.max_attempts as is_given_up, d.is_superseded
  )
  select count(*), array_agg(r.id) filter (where r.is_given_up), array_agg(r.id) filter (where r.is_superseded and not r.is_given_up)
  into v_count, v_given_up, v_superseded
  from returned as r;
  if v_count > 0 then
    perform push.forget_starts();
  end if;
  perform push.end_deliveries(v_given_up, 'failed', null, p_now);
  perform push.end_deliveries(v_superseded, 'cancelled', 'superseded', p_now);
  return v_count;
end;
$$;
comment on function push.recover_leases(timestamptz) is
  'Hands back what a dead dispatcher held; one that kills its dispatcher every time is given up like any other failure.';

create function push.expire_deliveries(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_late bigint[];
  v_late_in_pause bigint[];
begin
  with late as (
    select d.id, d.host from push.queue as d
    where d.lease_until is null and d.expires_at >= '-infinity' and d.expires_at <= p_now
    order by d.expires_at
    limit p_limit
    for update skip locked
  )
  select array_agg(l.id) filter (where l.host <> all (h.origins)), array_agg(l.id) filter (where l.host = any (h.origins))
  into v_late, v_late_in_pause
  from late as l, (select push.held_hosts(p_now) offset 0) as h (origins);
  return push.end_deliveries(v_late, 'expired', null, p_now) + push.end_deliveries(v_late_in_pause, 'expired', 'paused', p_now);
end;
$$;
comment on function push.expire_deliveries(integer, timestamptz) is 'Ends deliveries that are no longer needed.';
