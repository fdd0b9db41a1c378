-- Fan-outs, messages to more recipients than one transaction should serve: how far each has got, and what became of it.

alter table push.settings
  add column fan_out_chunk integer not null default 1000,
  add column notify_at_once integer not null default 10000,
  add constraint settings_fan_out_chunk check (fan_out_chunk between 1 and 10000),
  add constraint settings_notify_at_once check (notify_at_once > 0);
comment on column push.settings.fan_out_chunk is 'Recipients of a fan-out who are served in one transaction.';
comment on column push.settings.notify_at_once is
  'push.notify_many() notifies so many users in its own transaction. More are notified in chunks after the commit, as members of a topic are.';

create table push.fan_outs (
  id uuid not null default gen_random_uuid(),
  notification_id uuid,
  message jsonb,
  position bigint,
  next_id uuid not null default '00000000-0000-0000-0000-000000000000',
  members bigint not null default 0,
  deliveries bigint not null default 0,
  recipients bigint,
  failed bigint not null default 0,
  failures integer not null default 0,
  chunk integer,
  last_error text,
  started_at timestamptz not null default clock_timestamp(),
  worked_at timestamptz not null default clock_timestamp(),
  next_at timestamptz not null default '-infinity',
  finished_at timestamptz,
  stopped text,
  constraint fan_outs_pkey primary key (id),
  constraint fan_outs_notification_id_key unique (notification_id),
  constraint fan_outs_one_message check (num_nonnulls(notification_id, message) = 1),
  constraint fan_outs_recipients check ((recipients is null) = (message is null)),
  constraint fan_outs_stopped check (
    stopped is null or (stopped in ('cancelled', 'given_up') and finished_at is not null)
  ),
  constraint fan_outs_notification_id_fkey foreign key (notification_id)
    references public.push_notifications (id) on delete cascade
);
comment on table push.fan_outs is
  'How far a message to a topic, or one to the users of a list, has got. The lock, held by the transaction that works on it, is its row in '
  'push_notifications, or for a list its row here.';
comment on column push.fan_outs.notification_id is 'The message to a topic: its members get deliveries of it.';
comment on column push.fan_outs.message is 'The message to a list (a push.message): each user of it gets a notification of their own.';
comment on column push.fan_outs.position is
  'The place of the message to a topic among those of its tag, however late a member is served: see push.next_position().';
comment on column push.fan_outs.next_id is
  'Where the next chunk starts: at a user id; once cancelled, at a subscription id among its deliveries.';
comment on column push.fan_outs.members is
  'Recipients whose turn has come, without those who failed. Of a topic also members without a device, and those who joined later.';
comment on column push.fan_outs.recipients is 'How many users are on the list; null for a topic.';
comment on column push.fan_outs.failed is 'Recipients who were left out, because making their message failed.';
comment on column push.fan_outs.failures is
  'How often in a row it failed for every recipient of its chunk. push.settings.max_attempts says after how many it is given up.';
comment on column push.fan_outs.chunk is
  'Recipients who fit into the time that a statement has, when push.settings.fan_out_chunk did not; null while it does.';
comment on column push.fan_outs.last_error is 'Why a recipient was left out, or all of it put off, the last time.';
comment on column push.fan_outs.next_at is 'Put off until this moment, because it failed or waited for a lock.';
comment on column push.fan_outs.stopped is 'Why it finished before its end: cancelled or given_up; null: it did not.';
comment on column push.fan_outs.deliveries is 'Deliveries made so far; for a list, notifications.';
comment on column push.fan_outs.started_at is 'Members of this moment are notified; a user who joins later is not.';
comment on column push.fan_outs.worked_at is 'Last chunk. Whose was longest ago comes next, so that fan-outs take turns.';

create index fan_outs_open_idx on push.fan_outs (worked_at, id) where finished_at is null;
create index fan_outs_lists_idx on push.fan_outs (finished_at) where message is not null;

alter table push.fan_outs enable row level security;
create policy fan_outs_nobody on push.fan_outs for all to public using (false);

create table push.fan_out_recipients (
  -- No foreign keys. One to the fan-out would be looked up for each of a million rows, and have all that are left deleted at
  -- once: push.clean_lists() does it in batches. Users who are deleted by then are left out.
  fan_out_id uuid not null,
  user_id uuid not null,
  constraint fan_out_recipients_pkey primary key (fan_out_id, user_id)
);
comment on table push.fan_out_recipients is 'The users of a list who are still to be notified.';

alter table push.fan_out_recipients enable row level security;
create policy fan_out_recipients_nobody on push.fan_out_recipients for all to public using (false);

-- Rows are only ever added: a counter that dispatchers updated would be a lock they queue for.
create table push.delivery_counts (
  notification_id uuid not null,
  id bigint not null generated always as identity,
  state text not null,
  deliveries bigint not null,
  constraint delivery_counts_pkey primary key (notification_id, id),
  constraint delivery_counts_notification_id_fkey foreign key (notification_id)
    references push.fan_outs (notification_id) on delete cascade
);
comment on table push.delivery_counts is
  'What became of deliveries to a topic, a row per batch and state. Read instead of counting a million deliveries, which may be gone.';

alter table push.delivery_counts enable row level security;
create policy delivery_counts_nobody on push.delivery_counts for all to public using (false);

create function push.count_finished_deliveries()
returns trigger
language plpgsql
-- Definer: fires for every role that ends a delivery, such as a user who deletes a device.
security definer
set search_path = ''
as $$
begin
  -- First whether there is anything to count: after most claims and reports there is not, and this runs after each.
  if not exists (
    select from push_ended_deliveries as d
    join push.fan_outs as f on f.notification_id = d.notification_id
  ) then
    return null;
  end if;
  insert into push.delivery_counts (notification_id, state, deliveries)
  select d.notification_id, d.state, count(*)
  from push_ended_deliveries as d
  join push.fan_outs as f on f.notification_id = d.notification_id
  group by d.notification_id, d.state;
  return null;
end;
$$;
comment on function push.count_finished_deliveries() is 'Notes what became of deliveries to a topic, once per statement.';

create trigger delivery_log_count
after insert on push.delivery_log
referencing new table as push_ended_deliveries
for each statement execute function push.count_finished_deliveries();
