-- Out of the queue without being sent: cancelled, expired, or handed out again because its lease is over.

create function push.cancel_deliveries_of_deleted()
returns trigger
language plpgsql
-- Definer: the owner who deletes a subscription has no access to the queue.
security definer
set search_path = ''
as $$
begin
  -- Fires after every batch of reports, which seldom has any.
  if not exists (select from push_deleted_subscriptions) then
    return null;
  end if;
  -- Skip locked: a transaction that holds such a row is about to send, cancel or expire it. A delivery that stays queued
  -- after all finds no subscription at its claim. Waiting here could be a deadlock.
  update push.deliveries as d
  set state = 'cancelled', finished_at = clock_timestamp(), last_code = 'subscription_deleted'
  where d.id in (
    select q.id from push_deleted_subscriptions as s
    cross join lateral (
      select w.id from push.deliveries as w
      where w.subscription_id = s.id and w.state = 'queued'
      for update skip locked
    ) as q
  );
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
as $$
begin
  update push.deliveries as d
  set state = 'cancelled', finished_at = clock_timestamp(), last_code = 'notification_cancelled'
  where d.notification_id = new.id and d.state = 'queued';
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
as $$
declare
  v_count integer;
begin
  -- The clock was set back: the dispatcher of these may live, and gets a full lease to report.
  update push.deliveries as d set lease_until = p_now + s.delivery_lease
  from push.settings as s
  where d.id in (
    select f.id from push.deliveries as f
    where f.state = 'sending' and f.claimed_at > p_now and f.lease_until > p_now + (select l.delivery_lease from push.settings as l)
    for update skip locked
  );
  with lost as (
    select d.id from push.deliveries as d
    where d.state = 'sending' and d.lease_until <= p_now
    for update skip locked
  )
  update push.deliveries as d
  set state = case when d.failures + 1 >= s.max_attempts then 'failed' else 'queued' end,
      finished_at = case when d.failures + 1 >= s.max_attempts then p_now end,
      failures = d.failures + 1,
      -- The first time at once: dispatchers end. A second time in a row, one of those that were under way together may be
      -- what ended it, and would take the others along until all are given up: the jitter parts them.
      due_at = case
        when d.last_code = 'lease_lost' then p_now + push.backoff(d.failures + 1, s.backoff_base, s.backoff_max)
        else d.due_at
      end,
      lease_until = null,
      last_code = 'lease_lost'
  from lost, push.settings as s
  where d.id = lost.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.recover_leases(timestamptz) is
  'Hands back what a dead dispatcher held; one that kills its dispatcher every time is given up like any other failure.';

create function push.expire_deliveries(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  with late as (
    select d.id from push.deliveries as d
    where d.state = 'queued' and d.expires_at <= p_now
    order by d.expires_at
    limit p_limit
    for update skip locked
  )
  update push.deliveries as d
  set state = 'expired',
      finished_at = p_now,
      last_code = case when d.host = any ((select push.held_hosts(p_now))::text[]) then 'paused' else d.last_code end
  from late where d.id = late.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.expire_deliveries(integer, timestamptz) is 'Ends deliveries that are no longer needed.';
