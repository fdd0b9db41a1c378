-- Deliveries, one notification on its way to one subscription. The queue and the delivery log.
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
  claims integer not null default 0,
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
comment on table push.deliveries is 'One notification on its way to one subscription: the unit of work of the queue, and the log of what became of it. For the database owner.';
comment on column push.deliveries.state is
  'queued, sending, sent, gone (the device is), failed, expired, suppressed (by preferences or limits) or cancelled.';
comment on column push.deliveries.host is 'Its push service: push.hosts.origin.';
comment on column push.deliveries.due_at is 'From then on it may be handed out.';
comment on column push.deliveries.expires_at is 'No attempt is made after this moment.';
comment on column push.deliveries.last_status is 'The HTTP status that the push service last answered with; null when it did not.';
comment on column push.deliveries.last_code is
  'Why it ended, or waits: a machine code, such as quiet_hours, throttled or subscription_deleted.';
comment on column push.deliveries.last_error is 'What the push service, or the attempt, said.';
comment on column push.deliveries.claims is 'Claims so far. The number of the running claim fences off reports of an earlier one.';
comment on column push.deliveries.failures is 'Attempts that failed on the way or at the push service, not counting those that were our own fault.';
comment on column push.deliveries.unanswered is 'Those of the failures after which it is unknown whether the message was taken: no answer in time.';
comment on column push.deliveries.lease_until is 'Until when the dispatcher may be silent before the delivery is handed out again.';

-- The claim reads the first index once per host; it holds only what waits, so it stays small.
create index deliveries_due_idx on push.deliveries (host, due_at, id) where state = 'queued';
create index deliveries_sending_idx on push.deliveries (host, lease_until) where state = 'sending';
create index deliveries_expiring_idx on push.deliveries (expires_at) where state = 'queued';
create index deliveries_waiting_for_device_idx on push.deliveries (subscription_id) where state = 'queued';

alter table push.deliveries enable row level security;
create policy deliveries_nobody on push.deliveries for all to public using (false);
