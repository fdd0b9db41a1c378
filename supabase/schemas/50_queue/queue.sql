-- The queue: deliveries that wait, and those under way. What has ended is in the log.
--
--   queued ─claim─► sending ─► sent
--      ▲              ├─► queued   (retry: 429, 5xx, network; lease over)
--      └──────────────┤
--                     ├─► gone     (404, 410: the subscription is deleted)
--                     ├─► failed   (400, 413, bad keys, or attempts used up)
--                     └─► expired  (no time left)
--   queued ─► expired · suppressed (preferences; limits, when it is made) · cancelled · sent (a receipt came)
--
-- A delivery under way has a lease; one without waits. Ending it moves its row from here to push.delivery_log, so this
-- table stays as small as the work that is left. Only functions change a state.

-- A delivery's id begins with the second in which it was made, so that the log finds its row by the id alone. 52 bits: a
-- number that JSON and JavaScript keep exactly, until 2058. Ids of one second wrap around after four million.
create sequence push.delivery_ids as integer minvalue 0 maxvalue 4194303 start 0 cycle;

create function push.next_position(p_tag text)
returns bigint
language sql
volatile
-- Most have no tag: the call costs more than the rest of the row.
returns null on null input
set search_path = ''
as $$
  select ((extract(epoch from clock_timestamp())::bigint - 1735689600) << 22) | nextval('push.delivery_ids');
$$;
comment on function push.next_position(text) is
  'The place of a message among those of its tag, taken in the transaction that makes it due: of two, the later one has the greater. Null '
  'without a tag.';

create table push.queue (
  -- The same in push.delivery_log, for what preferences and limits end at once.
  id bigint not null default ((extract(epoch from clock_timestamp())::bigint - 1735689600) << 22) | nextval('push.delivery_ids'),
  -- No foreign key: its check costs each insert more than a look-up should, and in a young project reads all of
  -- push_notifications, because the plan it keeps is from when that was empty. Deliveries are only made in the transaction
  -- that made or locked the notification, and a trigger deletes them with it.
  notification_id uuid not null,
  -- None here either: a delivery without its subscription is cancelled, never sent.
  subscription_id uuid not null,
  -- No foreign key either: it would make every writer lock the row of the same few push services at once, which costs
  -- more than the rest of the insert. The subscription it is copied from has one.
  host text not null,
  lane smallint not null default 0,
  due_at timestamptz not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  claimed_at timestamptz,
  lease_until timestamptz,
  dispatcher_id uuid,
  claims integer not null default 0,
  failures integer not null default 0,
  unanswered integer not null default 0,
  last_status integer,
  last_code text,
  last_error text,
  tag text,
  position bigint,
  is_superseded boolean not null default false,
  -- See parking.sql.
  parked_by bigint,
  parked_due_at timestamptz,
  constraint queue_pkey primary key (id),
  constraint queue_once unique (notification_id, subscription_id)
)
-- Rows live for seconds. By a share of the table, a vacuum after a backlog of a million would come too late.
with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);
comment on table push.queue is
  'Deliveries, one notification on its way to one subscription, that wait or are under way. For the database owner, who reads push.deliveries.';
comment on column push.queue.host is 'Its push service: push.hosts.origin.';
comment on column push.queue.lane is '0; or a side lane, where what one user has too much of waits: see push.queue_lanes().';
comment on column push.queue.due_at is 'From then on it may be handed out.';
comment on column push.queue.expires_at is 'No attempt is made after this moment.';
comment on column push.queue.last_status is 'The HTTP status that the push service last answered with; null when it did not.';
comment on column push.queue.last_code is 'Why it waits: a machine code, such as quiet_hours.';
comment on column push.queue.last_error is 'What the push service, or the attempt, said.';
comment on column push.queue.claims is 'Claims so far. The number of the running claim fences off reports of an earlier one.';
comment on column push.queue.failures is 'Attempts that failed on the way or at the push service, not counting those that were our own fault.';
comment on column push.queue.unanswered is 'Those of the failures after which it is unknown whether the message was taken: no answer in time.';
comment on column push.queue.tag is
  'What its device tells notifications apart by, where the message says so: of those of one tag, only the newest is sent.';
comment on column push.queue.position is 'Which of its tag is newer: push.next_position().';
comment on column push.queue.is_superseded is 'A newer one was handed out while it was under way: it is not tried again.';
comment on column push.queue.parked_by is 'The pause of a category that put it aside.';
comment on column push.queue.parked_due_at is 'When it was due; due_at is infinity meanwhile.';
comment on column push.queue.lease_until is
  'Until when the dispatcher may be silent before the delivery is handed out again; null: it waits.';

-- Each index has a condition that is always true and stands in its own look-ups alone. The planner believes the queue to be
-- as it was when it was last analysed, mostly empty, and would take any index then: with a backlog of 10^5, by the wrong
-- one, it walked all of it to find the rows of one device. For the same reason rows are joined by `id = any (array[…])`: an
-- equation can be turned around, so that the whole queue is compared with the few ids that are given.
create index queue_due_idx on push.queue (host, lane, due_at, id) where lease_until is null and due_at >= '-infinity';
-- See push.queue_lanes().
create index queue_side_idx on push.queue (host, due_at) where lane > 0 and lease_until is null;
create index queue_sending_idx on push.queue (host, lease_until) where lease_until >= '-infinity';
create index queue_expiring_idx on push.queue (expires_at) where lease_until is null and expires_at >= '-infinity';
create index queue_device_idx on push.queue (subscription_id)
where lease_until is null and subscription_id >= '00000000-0000-0000-0000-000000000000';

create index queue_tag_idx on push.queue (subscription_id, tag, position) where tag is not null;
create index queue_parked_idx on push.queue (parked_by, parked_due_at, id) where lease_until is null and parked_by is not null;

alter table push.queue enable row level security;
create policy queue_nobody on push.queue for all to public using (false);
