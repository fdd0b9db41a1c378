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
  -- Here and wherever deliveries are made or claimed: two look-ups by key for each, whatever the planner believes, and no
  -- judgement for who said nothing. Offset 0 keeps it from judging once for each field that is read.
  cross join lateral (
    select (
      select push.judge(p, o, n.category, n.urgency, n.expires_at, v_now)
      from (values (s.id)) as x (subscription_id)
      left join public.push_preferences as p on p.user_id = s.user_id
      left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
      where p.user_id is not null or o.user_id is not null
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
  delete from push.deliveries as d
  using push_deleted_notifications as n
  where d.notification_id = n.id;
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
      select push.judge(p, o, r.category, r.urgency, r.expires_at, p_now)
      from (values (s.id)) as x (subscription_id)
      left join public.push_preferences as p on p.user_id = s.user_id
      left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
      where p.user_id is not null or o.user_id is not null
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
    update push.deliveries as d set host = new.host where d.subscription_id = new.id and d.state = 'queued';
  end if;
  return null;
end;
$$;
comment on function push.follow_subscription() is
  'Takes back what waits for a device that changed hands; keeps the rest under the push service that the device uses now.';

create trigger push_subscriptions_follow
after update of channel, endpoint, fcm_token, user_id on public.push_subscriptions
for each row when (old.host is distinct from new.host or old.user_id is distinct from new.user_id)
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
      where d.host = h.origin and d.state = 'queued' and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit 1
    ) as first
    where h.paused_until is null or h.paused_until <= p_now
  );
$$;
comment on function push.has_due(timestamptz) is 'Whether a dispatcher would find anything to do.';

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

create function public.push_claim(
  p_dispatcher uuid,
  p_limit integer default 200,
  p_now timestamptz default clock_timestamp(),
  p_busy_hosts text[] default '{}'
)
returns table (
  delivery_id bigint,
  attempt integer,
  notification_id uuid,
  channel text,
  host text,
  endpoint text,
  p256dh text,
  auth text,
  vapid_key text,
  fcm_token text,
  title text,
  body text,
  url text,
  params jsonb,
  category text,
  urgency text,
  topic text,
  tag text,
  ttl integer,
  presentation jsonb,
  app_url text
)
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
#variable_conflict use_column
declare
  -- The Data API cuts every answer off at 1,000 rows; a delivery that was claimed and not seen would wait for its lease.
  c_most constant integer := 1000;
  v_settings push.settings;
  v_count integer;
begin
  select s.* into v_settings from push.settings as s;
  -- A non-key update: it does not collide with the key-share locks by which push.wake() holds a dispatcher in place.
  insert into push.dispatchers as w (id, started_at, lease_until)
  values (p_dispatcher, p_now, p_now + v_settings.dispatcher_lease)
  on conflict (id) do update set lease_until = excluded.lease_until;

  -- That somebody claims proves that the bell rings again.
  update push.alarms as a set resolved_at = p_now
  where (a.code, a.subject) in (
    select o.code, o.subject from push.alarms as o
    where o.code in ('bell_not_connected', 'bell_failed') and o.resolved_at is null
    for update skip locked
  );

  -- One claim at a time: two that count the same `sending` rows would both fill the room that is left at a host.
  perform pg_advisory_xact_lock(hashtextextended('supapush.claim', 0));
  return query
  with open_hosts as (
    select h.origin,
      greatest(
        -- After a pause one delivery goes first: it shows whether the service is back.
        case when h.pauses > 0 then 1 else least(h.max_in_flight, coalesce(h.slowed_to, h.max_in_flight)) end
        - (
          select count(*) from push.deliveries as d
          where d.host = h.origin and d.state = 'sending' and d.lease_until > p_now
        ), 0) as room
    from push.hosts as h
    where (h.paused_until is null or h.paused_until <= p_now) and h.origin <> all (p_busy_hosts)
  ), waiting as (
    -- One short range scan per host, so that a backlog of one service never hides the others.
    select h.origin, picked.id, picked.due_at, picked.subscription_id, picked.notification_id
    from open_hosts as h
    cross join lateral (
      select d.id, d.due_at, d.subscription_id, d.notification_id
      from push.deliveries as d
      where d.host = h.origin and d.state = 'queued' and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit least(h.room, p_limit, c_most)
      for update of d skip locked
    ) as picked
  ), ranked as (
    select w.id, w.due_at, w.subscription_id, w.notification_id,
      row_number() over (partition by w.origin order by w.due_at, w.id) as turn
    from waiting as w
  ), chosen as (
    -- In turns: an old backlog of one service does not keep another's fresh messages waiting.
    select r.id, r.subscription_id, r.notification_id
    from ranked as r order by r.turn, r.due_at, r.id limit least(p_limit, c_most)
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
        lease_until = case when (v.verdict).state is null then p_now + v_settings.delivery_lease end,
        finished_at = (v.verdict).finished_at,
        last_code = coalesce((v.verdict).code, d.last_code)
    from chosen as c
    left join public.push_subscriptions as s on s.id = c.subscription_id
    join public.push_notifications as n on n.id = c.notification_id
    cross join lateral (
      select case
        when s.id is null then row('cancelled', null, p_now, 'subscription_deleted')::push.verdict
        when n.status = 'cancelled' then row('cancelled', null, p_now, 'notification_cancelled')::push.verdict
        else (
          select push.judge(p, o, n.category, n.urgency, n.expires_at, p_now)
          from (values (s.id)) as x (subscription_id)
          left join public.push_preferences as p on p.user_id = s.user_id
          left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
          where p.user_id is not null or o.user_id is not null
        )
      end offset 0
    ) as v (verdict)
    where d.id = c.id
    returning d.id, d.attempts, d.expires_at, d.state,
      s.channel, s.host, s.endpoint, s.p256dh, s.auth, s.vapid_key, s.fcm_token,
      n.id as notification_id, n.title, n.body, n.url, n.params, n.category, n.urgency, n.topic, n.tag, n.ttl, n.presentation,
      -- Only a message to a topic has more than one text.
      case when n.localized is not null then push.text_for(n.localized, push.locale_of(s.user_id)) end as own
  )
  select c.id, c.attempts, c.notification_id, c.channel, c.host, c.endpoint, c.p256dh, c.auth, c.vapid_key, c.fcm_token,
    case when c.own is null then c.title else c.own ->> 'title' end,
    case when c.own is null then c.body else c.own ->> 'body' end,
    case when c.own is null then c.url else c.own ->> 'url' end,
    c.params, c.category, c.urgency,
    c.topic, c.tag,
    -- No service keeps anything longer; and before Postgres 17 nothing can be taken from infinity.
    least(
      coalesce(c.ttl, v_settings.default_ttl), ceil(extract(epoch from least(c.expires_at, p_now + interval '28 days') - p_now))
    )::integer,
    case when c.own is null then c.presentation else nullif(c.own -> 'presentation', 'null') end,
    v_settings.app_url
  from claimed as c
  where c.state = 'sending'
  order by c.id;
  get diagnostics v_count = row_count;
  -- Only a full hand lets one suspect that there is more than this dispatcher will manage.
  if v_count >= least(p_limit, c_most) then
    perform push.call_for_backlog(p_now);
  end if;
end;
$$;
comment on function public.push_claim(uuid, integer, timestamptz, text[]) is
  'Hands up to p_limit (at most 1000) due deliveries, none of p_busy_hosts, to a dispatcher under a lease, with all it needs to send them. Service role only.';

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

create function push.accepts_our_key(p_last_success timestamptz, p_now timestamptz)
returns boolean
language sql
immutable
set search_path = ''
as $$
  -- A service that accepted our key minutes ago has not come to refuse it: then it is that one subscription that was
  -- made with another key, and its owner must not be able to stop everybody else's messages.
  select coalesce(p_last_success >= p_now - interval '5 minutes', false);
$$;
comment on function push.accepts_our_key(timestamptz, timestamptz) is
  'Whether a push service took a message of ours recently enough that a refused key is one subscription''s own fault.';

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
  v_result jsonb;
  v_host record;
begin
  select s.* into v_settings from push.settings as s;

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
    select d.id, d.attempts, r.outcome, r.status, r.code, r.message, r.retry_after, d.host, d.expires_at, d.failures
    from report as r
    join push.deliveries as d on d.id = r.delivery_id and d.attempts = r.attempt and (
      d.state = 'sending'
      or (
        d.state = 'queued' and d.attempts > 0 and d.last_code in ('lease_lost', 'quiet_hours')
        and r.outcome in ('sent', 'gone', 'failed')
      )
    )
    where r.outcome in ('sent', 'gone', 'retry', 'failed', 'misconfigured')
  ), blamed as (
    select m.*,
      -- What is asked here and in the next step is rare, and a call of a function costs as much as settling a delivery.
      -- Without a status nobody was asked: our side could not even try, and no earlier success says otherwise.
      case when m.outcome = 'misconfigured' and m.status is not null then
        m.host in (select a.host from matched as a where a.outcome = 'sent')
        or (select push.accepts_our_key(h.last_success_at, p_now) from push.hosts as h where h.origin = m.host)
      else false end as fault_of_subscription
    from matched as m
  ), judged as (
    select b.*,
      -- Our own fault (misconfigured) never uses up a delivery's attempts, and the pause of its host is its backoff.
      (b.outcome = 'retry' or b.fault_of_subscription)::integer as counts,
      p_now + case
        when b.outcome in ('sent', 'gone', 'failed') then null
        when b.outcome = 'misconfigured' and not b.fault_of_subscription then v_settings.backoff_base
        else greatest(push.backoff(b.failures + 1, v_settings.backoff_base, v_settings.backoff_max), b.retry_after)
      end as next_due
    from blamed as b
  ), decided as (
    update push.deliveries as d
    set state = k.new_state,
        lease_until = null,
        due_at = case when k.new_state = 'queued' then k.next_due else d.due_at end,
        failures = d.failures + k.counts,
        finished_at = case when k.new_state <> 'queued' then p_now end,
        last_status = k.status,
        last_code = k.code,
        last_error = k.message
    from (
      select j.*,
        case
          when j.outcome in ('sent', 'gone', 'failed') then j.outcome
          when j.failures + j.counts >= v_settings.max_attempts then 'failed'
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
    returning k.outcome, k.fault_of_subscription, k.new_state, k.status, k.code, k.message, k.retry_after,
      d.host, d.subscription_id, d.claimed_at
  ), used as (
    -- Skip locked, here and below: a row that somebody else holds is being used or deleted anyway, and two
    -- dispatchers that report about the same devices must never wait for each other in a circle.
    update public.push_subscriptions as s set last_used_at = p_now
    where s.id in (
      select u.id from public.push_subscriptions as u
      where u.id in (select k.subscription_id from decided as k where k.outcome = 'sent')
      for no key update skip locked
    )
  ), deleted as (
    -- Unless the device has re-registered since: then the push service spoke of an endpoint that is no longer there.
    delete from public.push_subscriptions as s
    where s.id in (
      select u.id from public.push_subscriptions as u
      join decided as k on k.subscription_id = u.id
      where k.outcome = 'gone' and u.updated_at <= k.claimed_at
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
    'hosts', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'origin', g.host, 'sent', g.sent, 'misconfigured', g.misconfigured, 'throttled', g.throttled,
        'unreachable', g.unreachable, 'retry_after', g.retry_after, 'message', g.message
      ) order by g.host), '[]')
      from (
        select k.host, count(*) filter (where k.outcome = 'sent') as sent,
          count(*) filter (where k.outcome = 'misconfigured' and not k.fault_of_subscription) as misconfigured,
          count(*) filter (where k.outcome = 'retry' and k.status in (429, 503, 406)) as throttled,
          -- What our side could not even make a request of says nothing about the push service.
          count(*) filter (
            where k.outcome = 'retry' and (k.status is null or k.status in (500, 502, 504))
              and coalesce(k.code, '') not in ('channel_failed', 'delivery_unreadable')
          ) as unreachable,
          max(k.retry_after) filter (where k.outcome = 'retry') as retry_after,
          max(k.message) filter (where k.outcome <> 'sent') as message
        from decided as k
        group by k.host
      ) as g
    )
  ) into v_result;

  for v_host in
    select h.* from jsonb_to_recordset(v_result -> 'hosts') as h (
      origin text, sent integer, misconfigured integer, throttled integer, unreachable integer, retry_after interval,
      message text
    )
  loop
    -- A few throttled among many accepted are about those devices, not about us.
    if v_host.throttled > v_host.sent / 4 then
      perform push.host_throttled(v_host.origin, v_host.retry_after, v_host.message, p_now);
    elsif v_host.sent > 0 then
      perform push.host_succeeded(v_host.origin, p_now);
    elsif v_host.misconfigured > 0 then
      perform push.host_misconfigured(v_host.origin, v_host.message, p_now);
    elsif v_host.unreachable > 0 then
      perform push.host_unreachable(v_host.origin, v_host.unreachable, v_host.message, p_now);
    end if;
  end loop;
  return v_result - 'hosts';
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
  update push.deliveries as d set state = 'expired', finished_at = p_now
  from late where d.id = late.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.expire_deliveries(integer, timestamptz) is 'Ends deliveries that nobody needs any more.';

revoke all on all functions in schema push from public;
revoke all on function public.push_claim(uuid, integer, timestamptz, text[]) from public, anon, authenticated;
revoke all on function public.push_complete(jsonb, timestamptz) from public, anon, authenticated;
revoke all on function public.push_heartbeat(uuid, bigint[], timestamptz) from public, anon, authenticated;
grant execute on function public.push_claim(uuid, integer, timestamptz, text[]) to service_role;
grant execute on function public.push_complete(jsonb, timestamptz) to service_role;
grant execute on function public.push_heartbeat(uuid, bigint[], timestamptz) to service_role;
