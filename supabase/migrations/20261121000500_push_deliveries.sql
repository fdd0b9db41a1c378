-- Supapush: deliveries, one notification on its way to one subscription. The queue and the delivery log.
--
--   queued ─claim─► sending ─► sent
--      ▲              ├─► queued   (retry: 429, 5xx, network; lease over)
--      └──────────────┤
--                     ├─► gone     (404, 410: the subscription is deleted)
--                     ├─► failed   (400, 413, bad keys, or attempts used up)
--                     └─► expired  (no time left)
--   queued ─► expired · suppressed (preferences; limits, when it is made) · cancelled
--
-- Only the functions below change a state.

create table push.deliveries (
  id bigint not null generated always as identity,
  -- No foreign key: its check costs each insert more than a look-up should, and in a young project reads all of
  -- push_notifications, because the plan it keeps is from when that was empty. Deliveries are only made in the transaction
  -- that made or locked the notification, and a trigger deletes them with it.
  notification_id uuid not null,
  -- None here either: the log outlives the device. A delivery without its subscription is cancelled, never sent.
  subscription_id uuid not null,
  -- No foreign key either: it would make every writer lock the row of the same few push services at once, which costs
  -- more than the rest of the insert. The subscription it is copied from has one.
  host text not null,
  state text not null default 'queued',
  due_at timestamptz not null,
  expires_at timestamptz not null,
  attempts integer not null default 0,
  failures integer not null default 0,
  unanswered smallint not null default 0,
  dispatcher_id uuid,
  claimed_at timestamptz,
  lease_until timestamptz,
  finished_at timestamptz,
  last_status integer,
  last_code text,
  last_error text,
  created_at timestamptz not null default now(),
  constraint deliveries_pkey primary key (id),
  constraint deliveries_once unique (notification_id, subscription_id),
  constraint deliveries_state check (
    state in ('queued', 'sending', 'sent', 'gone', 'failed', 'expired', 'suppressed', 'cancelled')
  ),
  constraint deliveries_lease check ((state = 'sending') = (lease_until is not null)),
  constraint deliveries_finished check ((state in ('queued', 'sending')) = (finished_at is null))
);
comment on table push.deliveries is 'One notification on its way to one subscription: the unit of work of the queue, and the log of what became of it.';
comment on column push.deliveries.attempts is 'Claims so far. The number of the running claim fences off reports of an earlier one.';
comment on column push.deliveries.failures is 'Attempts that failed on the way or at the push service, not counting those that were our own fault.';
comment on column push.deliveries.unanswered is 'Those of the failures after which nobody knows whether the message was taken: no answer in time.';
comment on column push.deliveries.lease_until is 'Until when the dispatcher may be silent before the delivery is handed out again.';

-- The claim reads the first index once per host; it holds only what waits, so it stays small.
create index deliveries_due_idx on push.deliveries (host, due_at, id) where state = 'queued';
create index deliveries_sending_idx on push.deliveries (host, lease_until) where state = 'sending';
create index deliveries_expiring_idx on push.deliveries (expires_at) where state = 'queued';
create index deliveries_waiting_for_device_idx on push.deliveries (subscription_id) where state = 'queued';

alter table push.deliveries enable row level security;
create policy deliveries_nobody on push.deliveries for all to public using (false);

-- in -----------------------------------------------------------------------------------------------------------

create function push.queue_new_notifications()
returns trigger
language plpgsql
-- Definer: whoever inserts a notification (the service, a rule) has no access to the queue.
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_held uuid[] := array[]::uuid[];
begin
  -- Projects without digests and limits pay for this question alone.
  if exists (
    select from push_new_notifications as n
    where num_nonnulls(n.digest_key, n.digest_id) > 0 or (n.category is not null and exists (
      select from public.push_categories as c where c.throttle_limit is not null
    ))
  ) or (select s.daily_ceiling is not null from push.settings as s) then
    -- The moment of a summary is set by who makes it.
    v_now := coalesce((select max(n.send_at) from push_new_notifications as n where n.digest_id is not null), v_now);
    v_held := push.hold_back(
      array(select n.id from push_new_notifications as n where n.status = 'queued' and n.user_id is not null), v_now
    );
  end if;
  insert into push.deliveries (
    notification_id, subscription_id, host, due_at, expires_at, state, finished_at, last_code
  )
  select n.id, s.id, s.host, coalesce((v.verdict).due_at, n.send_at), n.expires_at,
    coalesce((v.verdict).state, 'queued'), (v.verdict).finished_at, (v.verdict).code
  from push_new_notifications as n
  join public.push_subscriptions as s on s.user_id = n.user_id
  -- Here and wherever deliveries are made or claimed: three look-ups by key for each, whatever the planner believes, and no
  -- judgement for who said nothing and is not banned. Offset 0 keeps it from judging once for each field that is read.
  cross join lateral (
    select (
      select push.judge(p, o, n.category, n.urgency, n.expires_at, v_now, u.banned_until, u.deleted_at)
      from (values (s.id)) as x (subscription_id)
      left join public.push_preferences as p on p.user_id = s.user_id
      left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
      left join auth.users as u on u.id = s.user_id and (u.banned_until > v_now or u.deleted_at is not null)
      where p.user_id is not null or o.user_id is not null or u.id is not null
    ) offset 0
  ) as v (verdict)
  where n.status = 'queued' and (v_held = '{}' or n.id not in (select h.id from unnest(v_held) as h (id)));
  return null;
end;
$$;
comment on function push.queue_new_notifications() is
  'Makes one delivery for each device of each new notification that is due, unless it waits in a digest, is beyond a limit, or '
  'is for a topic: those expand in chunks.';

create trigger push_notifications_queue
after insert on public.push_notifications
referencing new table as push_new_notifications
for each statement execute function push.queue_new_notifications();

create function push.delete_deliveries()
returns trigger
language plpgsql
-- Definer: whoever deletes a notification has no access to the queue.
security definer
set search_path = ''
-- A look-up by index for each, however empty the planner believes the queue to be.
set enable_seqscan = off
as $$
begin
  -- In the order in which reports are settled: neither waits for the other in a circle.
  delete from push.deliveries as d
  where d.id in (
    select o.id from push.deliveries as o
    join push_deleted_notifications as n on n.id = o.notification_id
    order by o.id
    for update of o
  );
  return null;
end;
$$;
comment on function push.delete_deliveries() is 'Deletes the deliveries of deleted notifications, queued and done.';

create trigger push_notifications_delete_deliveries
after delete on public.push_notifications
referencing old table as push_deleted_notifications
for each statement execute function push.delete_deliveries();

create function push.queue_due_notifications(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- An application's open transaction may hold a digest or a limit that is needed here; the tick has other work.
set lock_timeout = '500ms'
as $$
declare
  v_ids uuid[];
  v_user_ids uuid[];
  v_categories text[];
  v_urgencies text[];
  v_send_ats timestamptz[];
  v_expire_ats timestamptz[];
  v_limited boolean;
  v_held uuid[] := array[]::uuid[];
  v_put_back integer := 0;
begin
  with due as (
    select n.id from public.push_notifications as n
    where n.status = 'scheduled' and n.send_at <= p_now
    order by n.send_at, n.id
    limit p_limit
    for update skip locked
  ), released as (
    -- One for a topic has no user and finds no devices here: from now on it expands in chunks.
    update public.push_notifications as n
    set status = case when n.audience_topic is null then 'queued' else 'expanding' end
    from due where n.id = due.id
    returning n.id, n.user_id, n.category, n.urgency, n.send_at, n.expires_at, n.digest_key
  )
  select coalesce(array_agg(r.id order by r.send_at, r.id), '{}'), array_agg(r.user_id order by r.send_at, r.id),
    array_agg(r.category order by r.send_at, r.id), array_agg(r.urgency order by r.send_at, r.id),
    array_agg(r.send_at order by r.send_at, r.id), array_agg(r.expires_at order by r.send_at, r.id),
    coalesce(bool_or(r.digest_key is not null or (r.category is not null and exists (
      select from public.push_categories as c where c.throttle_limit is not null
    ))), false)
  into v_ids, v_user_ids, v_categories, v_urgencies, v_send_ats, v_expire_ats, v_limited
  from released as r;

  if v_limited or (select s.daily_ceiling is not null from push.settings as s) then
    begin
      v_held := push.hold_back(array(
        select i.id from unnest(v_ids, v_user_ids, v_expire_ats) with ordinality as i (id, user_id, expires_at, place)
        where i.user_id is not null and i.expires_at > p_now
        order by i.place
      ), p_now);
    exception when lock_not_available then
      -- The next tick tries again; what no limit concerns goes on.
      with put_back as (
        update public.push_notifications as n set status = 'scheduled'
        where n.id = any (v_ids) and n.status = 'queued' and (n.digest_key is not null or push.is_limited(n.category))
        returning n.id
      )
      select array(select b.id from put_back as b) into v_held;
      v_put_back := cardinality(v_held);
    end;
  end if;

  insert into push.deliveries (
    notification_id, subscription_id, host, due_at, expires_at, state, finished_at, last_code
  )
  select r.id, s.id, s.host, coalesce((v.verdict).due_at, r.send_at), r.expires_at,
    coalesce((v.verdict).state, 'queued'), (v.verdict).finished_at, (v.verdict).code
  from unnest(v_ids, v_user_ids, v_categories, v_urgencies, v_send_ats, v_expire_ats)
    as r (id, user_id, category, urgency, send_at, expires_at)
  join public.push_subscriptions as s on s.user_id = r.user_id
  cross join lateral (
    select (
      select push.judge(p, o, r.category, r.urgency, r.expires_at, p_now, u.banned_until, u.deleted_at)
      from (values (s.id)) as x (subscription_id)
      left join public.push_preferences as p on p.user_id = s.user_id
      left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
      left join auth.users as u on u.id = s.user_id and (u.banned_until > p_now or u.deleted_at is not null)
      where p.user_id is not null or o.user_id is not null or u.id is not null
    ) offset 0
  ) as v (verdict)
  where r.expires_at > p_now and (v_held = '{}' or r.id not in (select h.id from unnest(v_held) as h (id)));
  return cardinality(v_ids) - v_put_back;
end;
$$;
comment on function push.queue_due_notifications(integer, timestamptz) is
  'Makes the deliveries of scheduled notifications whose moment has come; returns how many notifications those were.';

create function push.follow_host()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- What is finished keeps the name under which it was sent.
  update push.deliveries as d set host = new.origin where d.host = old.origin and d.state in ('queued', 'sending');
  return null;
end;
$$;
comment on function push.follow_host() is 'Keeps what waits under its push service when that is renamed.';

create trigger hosts_follow
after update of origin on push.hosts
for each row when (old.origin <> new.origin)
execute function push.follow_host();

create function push.check_host_unused()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_devices bigint;
begin
  select count(*) into v_devices from public.push_subscriptions as s where s.host = old.origin;
  if v_devices > 0 then
    perform push.refuse(409, 'host_in_use', format('%s devices still use %s.', v_devices, old.origin),
      'To stop sending there, use push.pause(). To remove it, delete its rows in push_subscriptions first.');
  end if;
  update push.deliveries as d set state = 'cancelled', finished_at = clock_timestamp(), last_code = 'host_removed'
  where d.host = old.origin and d.state = 'queued';
  return old;
end;
$$;
comment on function push.check_host_unused() is
  'Refuses that a push service is deleted through which devices are reached, and ends what waits there for devices that are gone.';

create trigger hosts_check_unused
before delete on push.hosts
for each row execute function push.check_host_unused();

create function push.end_hostless(p_limit integer, p_now timestamptz default clock_timestamp())
returns bigint
language plpgsql
set search_path = ''
-- See push_claim.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_count bigint;
begin
  -- From one push service to the next along the claim's index. What was under way when its row was deleted, or written at
  -- that moment, comes back to a queue that no claim reads.
  with recursive waiting (host) as (
    (select d.host from push.deliveries as d where d.state = 'queued' order by d.host limit 1)
    union all
    select (select d.host from push.deliveries as d where d.state = 'queued' and d.host > w.host order by d.host limit 1)
    from waiting as w
    where w.host is not null
  )
  update push.deliveries as d set state = 'cancelled', finished_at = p_now, last_code = 'host_removed'
  where d.id in (
    select q.id from waiting as w
    cross join lateral (
      select o.id from push.deliveries as o
      where o.host = w.host and o.state = 'queued'
        and not exists (select from public.push_subscriptions as s where s.id = o.subscription_id)
      order by o.due_at, o.id
      limit p_limit
      for update skip locked
    ) as q
    where not exists (select from push.hosts as h where h.origin = w.host)
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.end_hostless(integer, timestamptz) is
  'Ends what waits for devices that are gone at push services that have no row any more; returns how many.';

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
  -- Skip locked: whoever holds such a row is about to send, cancel or expire it. What is left queued after all finds no
  -- subscription at its claim. Waiting here could be waiting in a circle.
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

create function push.follow_subscription()
returns trigger
language plpgsql
-- Definer: the owner who updates a subscription has no access to the queue.
security definer
set search_path = ''
as $$
begin
  if new.user_id is distinct from old.user_id then
    update push.deliveries as d
    set state = 'cancelled', finished_at = clock_timestamp(), last_code = 'subscription_handed_over'
    where d.subscription_id = new.id and d.state = 'queued';
  else
    update push.deliveries as d
    set host = new.host,
        -- What waited for the old address to work again is tried at the new one.
        due_at = case when d.attempts > 0 and d.due_at <= old.retry_at then least(d.due_at, clock_timestamp()) else d.due_at end
    where d.subscription_id = new.id and d.state = 'queued';
  end if;
  return null;
end;
$$;
comment on function push.follow_subscription() is
  'Takes back what waits for a device that changed hands; keeps the rest under the push service that the device uses now.';

create trigger push_subscriptions_follow
after update of channel, endpoint, fcm_token, user_id on public.push_subscriptions
for each row when (
  old.host is distinct from new.host or old.user_id is distinct from new.user_id
  or (old.retry_at is not null and (old.endpoint, old.fcm_token) is distinct from (new.endpoint, new.fcm_token))
)
execute function push.follow_subscription();

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

-- claim --------------------------------------------------------------------------------------------------------

create function push.has_due(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
-- See push_claim.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
  select exists (
    select from push.hosts as h
    cross join lateral (
      select from push.deliveries as d
      -- Within a second: what a claim put off to make way for others comes back then, and nobody would ring for it.
      where d.host = h.origin and d.state = 'queued' and d.due_at <= p_now + interval '1 second' and d.expires_at > p_now
      order by d.due_at, d.id
      limit 1
    ) as first
    where (h.paused_at is null or h.probe_at <= p_now + interval '1 second')
      and h.origin <> all ((select push.held_hosts(p_now))::text[])
  );
$$;
comment on function push.has_due(timestamptz) is 'Whether a dispatcher would find anything to do, now or within a second.';

-- Live dispatchers. The row is made by whoever rings the bell, so that the next one knows that help is on the way.
create table push.dispatchers (
  id uuid not null,
  called_in xid8 not null default pg_current_xact_id(),
  started_at timestamptz not null,
  lease_until timestamptz not null,
  constraint dispatchers_pkey primary key (id)
);
comment on table push.dispatchers is 'Dispatchers that were called or are at work; one whose lease is over counts as dead.';
comment on column push.dispatchers.called_in is 'The transaction that called it: its request leaves at commit, however long that takes.';

alter table push.dispatchers enable row level security;
create policy dispatchers_nobody on push.dispatchers for all to public using (false);

create type push.claim_round as (found json[], served_users uuid[], probed_users jsonb, hides boolean);
comment on type push.claim_round is
  'One look of a claim: what is handed out, users who have their share with it, users by paused push service that are probed with it, and '
  'whether what may not go may hide something.';

create function push.claim_some(
  p_dispatcher uuid,
  p_limit integer,
  p_look integer,
  p_busy_hosts text[],
  p_busy_users uuid[],
  p_sifted text[],
  p_settings push.settings,
  p_last boolean,
  p_now timestamptz
)
returns push.claim_round
language plpgsql
set search_path = ''
-- See push_claim. Without joins by hash and merge, or a table that was analysed while a backlog waited is read whole.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- Of one user at one push service. Twenty devices are reached at once, and five users whose devices never answer leave
  -- half of the room to others: beyond that, places are counted by user.
  c_share constant integer := 25;
  -- Users that pass together as probes of a paused push service.
  c_probes constant integer := 3;
  v_round push.claim_round;
begin
  with open_hosts as (
    select h.origin, h.paused_at is not null as paused, h.probed_users, h.resumed_at, m.most, greatest(m.most - u.under_way, 0) as room,
      u.under_way * 2 > m.most as crowded
    from push.hosts as h
    cross join lateral (select least(h.max_in_flight, coalesce(h.slowed_to, h.max_in_flight))) as m (most)
    cross join lateral (
      select count(*) from push.deliveries as d
      where d.host = h.origin and d.state = 'sending' and d.lease_until > p_now
    ) as u (under_way)
    where (h.paused_at is null or h.probe_at <= p_now) and h.origin <> all (p_busy_hosts)
  ), held as materialized (
    -- Half of the places are anybody's, and counting would cost every claim. The other half is shared.
    select h.origin, s.user_id, count(*) as number
    from open_hosts as h
    join push.deliveries as d on d.host = h.origin and d.state = 'sending' and d.lease_until > p_now
    join public.push_subscriptions as s on s.id = d.subscription_id
    where h.crowded
    group by h.origin, s.user_id
  ), waiting as (
    -- One short range scan per host, so that a backlog of one service never hides the others. Nothing is locked yet: most
    -- of what is looked at may have to wait.
    select h.origin, h.paused, h.room, h.probed_users, picked.id, picked.due_at, picked.subscription_id, picked.notification_id,
      picked.created_at, s.user_id, coalesce(s.last_used_at >= s.updated_at, false) as proven,
      -- A failure of the future was before the clock was set back, and one before the service came back was the service's.
      case
        when s.retry_at > p_now and s.failed_at <= p_now + interval '1 minute' and (h.resumed_at is null or s.failed_at > h.resumed_at)
          then s.retry_at
      end as resting_until,
      least(c_share, greatest(h.most / case when h.crowded then 8 else 4 end, 1))
        - case when h.crowded then coalesce((
          select k.number from held as k where k.origin = h.origin and k.user_id = s.user_id
        ), 0) else 0 end as share
    from open_hosts as h
    cross join lateral (
      select d.id, d.due_at, d.subscription_id, d.notification_id, d.created_at
      from push.deliveries as d
      where d.host = h.origin and d.state = 'queued' and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit case when h.room > 0 then greatest(p_look, least(h.room, p_limit)) else 0 end
    ) as picked
    left join public.push_subscriptions as s on s.id = picked.subscription_id
  ), ranked as (
    select w.*,
      count(*) over (partition by w.origin) >= greatest(p_look, least(w.room, p_limit)) as full,
      row_number() over (partition by w.origin, w.user_id, w.resting_until is null order by w.due_at, w.id) as of_user
    from waiting as w
  ), judged as (
    select r.*,
      r.resting_until is null and (
        r.user_id is null
        or (r.user_id <> all (p_busy_users) and r.of_user <= case when r.paused then 1 else r.share end)
      ) as may_go
    from ranked as r
  ), turns as (
    select j.id, j.origin, j.paused, j.room, j.due_at, j.user_id, j.of_user = j.share as served, j.subscription_id, j.notification_id,
      j.hides,
      row_number() over (
        partition by j.origin
        order by
          -- Probes: users who were no probe of this pause before others, devices that worked before others, and else by lot.
          case when j.paused then (j.user_id = any (j.probed_users))::integer * 2 + (not j.proven)::integer end,
          case when j.paused then random() end,
          j.due_at, j.id
      ) as turn
    from (
      -- Whether the next look sees further.
      select g.*, g.full and bool_or(not g.may_go) over (partition by g.origin) and not p_last as hides from judged as g
    ) as j
    where j.may_go
  ), chosen as (
    -- In turns: an old backlog of one service does not keep another's fresh messages waiting.
    select t.id, t.origin, t.paused, t.user_id, t.served, t.subscription_id, t.notification_id
    from turns as t
    -- Probes are chosen from all that can be seen.
    where case when t.paused then t.turn <= c_probes and not t.hides else t.turn <= t.room end
    order by t.turn, t.due_at, t.id
    limit p_limit
  ), locked as (
    -- A look-up by key for each, whatever the planner believes: offset 0 keeps the state from being looked for first.
    select c.*
    from chosen as c
    cross join lateral (
      select d.state from push.deliveries as d where d.id = c.id offset 0 for update skip locked
    ) as l
    where l.state = 'queued'
  ), put_off as (
    -- A device that is in its own backoff; and what one user has beyond the share, where even the last look could not see
    -- past it: for as long as it has waited, so that a backlog is written a few times and not with each claim.
    update push.deliveries as d
    set due_at = case when d.state = 'queued' then coalesce(
      least(j.resting_until, greatest(d.expires_at - interval '1 second', p_now)),
      p_now + greatest(least(p_now - j.created_at, interval '30 seconds'), interval '1 second')
    ) else d.due_at end
    from judged as j
    where d.id = j.id and not j.may_go and (j.resting_until is not null or (j.full and p_last))
      -- With another moment it would look as if it had become due after what is discarded.
      and (p_sifted = '{}' or not push.is_held_back(d.host, d.notification_id, d.due_at, d.created_at))
  ), claimed as (
    -- A delivery whose device is gone, or whose notification was taken back, ends here and is never sent. Both are
    -- looked up once, here: what is to be sent comes back with the update. Preferences are judged again, because it may
    -- have become night since it was queued, or its user may want something else now.
    update push.deliveries as d
    set -- One that waits on has not been handed out: a late report of who had it before still counts.
        attempts = d.attempts + ((v.verdict).state is distinct from 'queued')::integer,
        claimed_at = p_now,
        dispatcher_id = p_dispatcher,
        state = coalesce((v.verdict).state, 'sending'),
        due_at = coalesce((v.verdict).due_at, d.due_at),
        lease_until = case when (v.verdict).state is null then p_now + p_settings.delivery_lease end,
        finished_at = (v.verdict).finished_at,
        last_code = coalesce((v.verdict).code, d.last_code)
    from locked as c
    left join public.push_subscriptions as s on s.id = c.subscription_id
    join public.push_notifications as n on n.id = c.notification_id
    cross join lateral (
      select case
        when s.id is null then row('cancelled', null, p_now, 'subscription_deleted')::push.verdict
        when n.status = 'cancelled' then row('cancelled', null, p_now, 'notification_cancelled')::push.verdict
        else (
          select push.judge(p, o, n.category, n.urgency, n.expires_at, p_now, u.banned_until, u.deleted_at)
          from (values (s.id)) as x (subscription_id)
          left join public.push_preferences as p on p.user_id = s.user_id
          left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
          left join auth.users as u on u.id = s.user_id and (u.banned_until > p_now or u.deleted_at is not null)
          where p.user_id is not null or o.user_id is not null or u.id is not null
        )
      end offset 0
    ) as v (verdict)
    where d.id = c.id and not (
      coalesce(n.category, '') like any (p_sifted) and push.pause_on(d.host, n.category, d.due_at, d.created_at) is not null
    )
    returning d.id, d.attempts, d.expires_at, d.state,
      s.user_id, s.channel, s.host, s.endpoint, s.p256dh, s.auth, s.vapid_key, s.fcm_token,
      n.id as notification_id, n.title, n.body, n.url, n.params, n.category, n.urgency, n.topic, n.tag, n.ttl, n.presentation,
      -- Only a message to a topic has more than one text.
      case when n.localized is not null then push.text_for(n.localized, push.locale_of(s.user_id)) end as own
  ), handed as (
    select c.*, g.presentation as shown, coalesce(g.presentation -> 'app_badge' = '"unread"', p_settings.unread_badge) as wants_unread
    from claimed as c
    cross join lateral (
      select case when c.own is null then c.presentation else nullif(c.own -> 'presentation', 'null') end as presentation
    ) as g
    where c.state = 'sending'
  ), unread as materialized (
    -- Once for each user, and not for each device.
    select w.user_id, push.unread_count(w.user_id) as number
    from (select distinct h.user_id from handed as h where h.wants_unread) as w
  )
  select
    coalesce((
      select array_agg(row_to_json(x) order by x.delivery_id)
      from (
        select c.id as delivery_id, c.attempts as attempt, c.notification_id, c.user_id, c.channel, c.host, c.endpoint, c.p256dh,
          c.auth, c.vapid_key, c.fcm_token,
          case when c.own is null then c.title else c.own ->> 'title' end as title,
          case when c.own is null then c.body else c.own ->> 'body' end as body,
          case when c.own is null then c.url else c.own ->> 'url' end as url,
          c.params, c.category, c.urgency,
          c.topic, c.tag,
          -- No service keeps anything longer; and before Postgres 17 nothing can be taken from infinity.
          least(
            coalesce(c.ttl, p_settings.default_ttl),
            ceil(extract(epoch from least(c.expires_at, p_now + interval '28 days') - p_now))
          )::integer as ttl,
          case when c.wants_unread
            then coalesce(c.shown, '{}') || jsonb_build_object('app_badge', (select u.number from unread as u where u.user_id = c.user_id))
            else c.shown
          end as presentation,
          p_settings.app_url
        from handed as c
      ) as x
    ), '{}'),
    array(select c.user_id from chosen as c where c.served and c.user_id is not null),
    (
      select jsonb_object_agg(p.origin, p.users)
      from (select c.origin, array_agg(c.user_id) as users from chosen as c where c.paused group by c.origin) as p
    ),
    coalesce((select bool_or(j.full and not j.may_go) from judged as j), false)
  into v_round.found, v_round.served_users, v_round.probed_users, v_round.hides;
  return v_round;
end;
$$;
comment on function push.claim_some(uuid, integer, integer, text[], uuid[], text[], push.settings, boolean, timestamptz) is
  'One look of push_claim: takes what is due and may go, in turns over push services and in shares over users, and puts off what '
  'may not go and stands in the way.';

create function public.push_claim(
  p_dispatcher uuid,
  p_limit integer default 200,
  p_now timestamptz default clock_timestamp(),
  p_busy_hosts text[] default '{}',
  p_busy_users uuid[] default '{}',
  p_protocol integer default 1,
  p_project text default null
)
returns json
language plpgsql
-- Definer: the service role works the queue through these functions alone and may not touch its tables.
security definer
set search_path = ''
-- The planner knows the queue as it was when the table was last analysed: empty, most likely. Left to itself it then
-- reads and sorts a whole backlog for every claim. This leaves it the index in whose order the claim reads; jit would
-- take the price of the sorts that remain at its word.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- What one dispatcher holds at most. The answer is one value: the Data API cuts rows off where a project's Max rows
  -- says so, and a delivery that was claimed and not seen waits for its lease.
  c_most constant integer := 1000;
  -- So many deliveries are looked through for those that may go, of one push service.
  c_looks constant integer[] := array[least(greatest(p_limit, 0), 200), 6000];
  v_look integer;
  v_settings push.settings;
  v_limit constant integer := least(greatest(p_limit, 0), c_most);
  v_found json[] := array[]::json[];
  v_busy_hosts text[];
  v_sifted text[];
  v_served uuid[] := array[]::uuid[];
  v_probed jsonb := '{}'::jsonb;
  v_round push.claim_round;
begin
  if p_protocol is distinct from 1 then
    perform push.refuse(400, 'protocol_unknown',
      format('This database does not know protocol %s of push_claim.', p_protocol),
      'The function is newer than the database. Run: supabase db push');
  end if;
  select s.* into v_settings from push.settings as s;
  -- A non-key update: it does not collide with the key-share locks by which push.wake() holds a dispatcher in place.
  insert into push.dispatchers as w (id, started_at, lease_until)
  values (p_dispatcher, p_now, p_now + v_settings.dispatcher_lease)
  on conflict (id) do update set lease_until = excluded.lease_until;

  -- That somebody claims proves that the bell rings again.
  update push.alarms as a set resolved_at = p_now
  where (a.code, a.subject) in (
    select o.code, o.subject from push.alarms as o
    where o.code in ('bell_not_connected', 'bell_failed', 'vault_unreadable') and o.resolved_at is null
    for update skip locked
  );

  -- One claim at a time: two that count the same `sending` rows would both fill the room that is left at a host.
  perform pg_advisory_xact_lock(hashtextextended('supapush.claim', 0));
  perform push.recognise_project(p_project, p_now);
  perform push.settle_pauses(p_now => p_now);
  v_busy_hosts := p_busy_hosts || push.held_hosts(p_now);
  v_sifted := push.sifted_categories();
  -- A second, longer look only where what may not go may hide what may.
  foreach v_look in array c_looks loop
    v_round := push.claim_some(
      p_dispatcher, v_limit - cardinality(v_found), v_look, v_busy_hosts, p_busy_users || v_served, v_sifted, v_settings,
      v_look = c_looks[array_upper(c_looks, 1)], p_now
    );
    v_found := v_found || v_round.found;
    v_served := v_served || v_round.served_users;
    v_probed := v_probed || coalesce(v_round.probed_users, '{}'::jsonb);
    exit when not v_round.hides or cardinality(v_found) >= v_limit;
    v_busy_hosts := v_busy_hosts || array(select k.origin from jsonb_object_keys(v_probed) as k (origin));
  end loop;
  if v_probed <> '{}' then
    update push.hosts as h
    set probe_at = p_now + v_settings.probe_every,
        -- Enough to tell apart those who come again and again.
        probed_users = (array(select u.id::uuid from jsonb_array_elements_text(v_probed -> h.origin) as u (id)) || h.probed_users)[1:100]
    where v_probed ? h.origin and h.paused_at is not null;
  end if;
  -- Only a full hand lets one suspect that there is more than this dispatcher will manage.
  if cardinality(v_found) >= v_limit then
    perform push.call_for_backlog(p_now);
  end if;
  return json_build_object('protocol', 1, 'deliveries', array_to_json(v_found));
end;
$$;
comment on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text) is
  'Hands up to p_limit (at most 1000) due deliveries, none of p_busy_hosts or p_busy_users, to a dispatcher of p_project (its URL) under a '
  'lease, with all it needs to send them: {protocol, deliveries: [...]}. Service role only.';

-- out ----------------------------------------------------------------------------------------------------------

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

  with report as (
    select distinct on (r.delivery_id) r.delivery_id, r.attempt, r.outcome, r.status, left(r.code, 100) as code, left(r.message, 500) as message,
      make_interval(secs => least(greatest(coalesce(r.retry_after, 0), 0), 86400)) as retry_after
    from jsonb_to_recordset(p_outcomes) as r (
      delivery_id bigint, attempt integer, outcome text, status integer, code text, message text, retry_after numeric
    )
    order by r.delivery_id, r.attempt desc
  ), matched as (
    -- Only the running claim may report, and of a claim whose lease ran out only how it ended, so that what was sent is
    -- not sent again, even if it waits for the end of quiet hours by now. That it failed is known already.
    select d.id, d.attempts, r.outcome, r.status, r.code, r.message, r.retry_after, d.host, d.expires_at, d.failures, d.unanswered,
      d.subscription_id, d.claimed_at,
      -- What the answer says of the push service, unless it is that of one device. What our side could not even make a
      -- request of says nothing.
      case
        when r.outcome = 'misconfigured' then 'refused'
        when r.outcome = 'retry' and r.status in (429, 503, 406) then 'throttled'
        when r.outcome = 'retry' and coalesce(r.code, '') not in ('channel_failed', 'delivery_unreadable') then 'unreachable'
      end as evidence,
      -- Without a status nobody was asked: our side has no credentials that it could try.
      r.outcome = 'misconfigured' and r.status is null as certain
    from report as r
    join push.deliveries as d on d.id = r.delivery_id and d.attempts = r.attempt and (
      d.state = 'sending'
      or (
        d.state = 'queued' and d.attempts > 0 and d.last_code in ('lease_lost', 'quiet_hours')
        and r.outcome in ('sent', 'gone', 'failed')
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
      -- What fails while its push service is paused, or because of our key, uses up no attempt.
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
  ), decided as (
    update push.deliveries as d
    set state = k.new_state,
        lease_until = null,
        due_at = case when k.new_state = 'queued' then k.next_due else d.due_at end,
        failures = d.failures + k.counts,
        unanswered = d.unanswered + k.counts_unanswered,
        finished_at = case when k.new_state <> 'queued' then p_now end,
        last_status = k.status,
        last_code = case when k.unconfirmed then 'gone_unconfirmed' else k.code end,
        last_error = k.message
    from (
      select j.*,
        case
          when j.outcome in ('sent', 'failed') or (j.outcome = 'gone' and not j.unconfirmed) then j.outcome
          when j.counts > 0 and j.failures + j.counts >= v_settings.max_attempts then 'failed'
          when j.counts_unanswered > 0 and j.unanswered + j.counts_unanswered >= v_settings.max_unanswered then 'failed'
          when j.next_due >= j.expires_at then 'expired'
          else 'queued'
        end as new_state
      from judged as j
    ) as k
    -- Said again, because this is looked at once more when somebody else has changed the row since.
    where d.id = k.id and d.attempts = k.attempts and (
      d.state = 'sending'
      or (
        d.state = 'queued' and d.attempts > 0 and d.last_code in ('lease_lost', 'quiet_hours')
        and k.outcome in ('sent', 'gone', 'failed')
      )
    )
    returning k.outcome, k.unconfirmed, k.evidence, k.certain, k.new_state, k.message, k.user_id, k.proven,
      k.device_rests_until,
      d.host, d.subscription_id, k.claimed_at
  ), used as (
    -- Skip locked, here and below: a row that somebody else holds is being used or deleted anyway, and two
    -- dispatchers that report about the same devices must never wait for each other in a circle.
    update public.push_subscriptions as s
    set last_used_at = p_now, failures = 0, failed_at = null, retry_at = null, gone_at = null
    where s.id in (
      select u.id from public.push_subscriptions as u
      join decided as k on k.subscription_id = u.id
      -- Unless the device has other keys since: a service took a message for the old ones.
      where k.outcome = 'sent' and u.updated_at <= k.claimed_at
      for no key update of u skip locked
    )
    returning s.user_id, s.host
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
    'settled', (select count(*) from decided),
    'subscriptions_deleted', (select count(*) from deleted),
    'accepted', (
      select coalesce(jsonb_agg(jsonb_build_object('origin', g.host, 'users', g.users) order by g.host), '[]')
      from (select u.host, array_agg(distinct u.user_id) as users from used as u group by u.host) as g
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
  'Settles a batch of outcomes: [{delivery_id, attempt, outcome: sent|gone|retry|failed|misconfigured, status, code, message, retry_after}]. Service role only.';

create function public.push_heartbeat(
  p_dispatcher uuid,
  p_deliveries bigint[] default '{}',
  p_now timestamptz default clock_timestamp()
)
returns void
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  update push.dispatchers set lease_until = p_now + s.dispatcher_lease
  from push.settings as s
  where dispatchers.id = p_dispatcher;
  update push.deliveries as d set lease_until = p_now + s.delivery_lease
  from push.settings as s
  where d.id = any (p_deliveries) and d.state = 'sending' and d.dispatcher_id = p_dispatcher;
$$;
comment on function public.push_heartbeat(uuid, bigint[], timestamptz) is
  'Says that a dispatcher is alive and still works on these deliveries. Service role only.';

create function push.recover_leases(p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  -- The clock was set back: who holds these may live, and has as long as any other to say so.
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
comment on function push.expire_deliveries(integer, timestamptz) is 'Ends deliveries that nobody needs any more.';

revoke all on all functions in schema push from public;
revoke all on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text) from public, anon, authenticated;
revoke all on function public.push_complete(jsonb, timestamptz) from public, anon, authenticated;
revoke all on function public.push_heartbeat(uuid, bigint[], timestamptz) from public, anon, authenticated;
grant execute on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text) to service_role;
grant execute on function public.push_complete(jsonb, timestamptz) to service_role;
grant execute on function public.push_heartbeat(uuid, bigint[], timestamptz) to service_role;
