-- How far messages to topics have been expanded, and what became of their deliveries.

alter table push.settings
  add column expansion_chunk integer not null default 1000,
  add constraint settings_expansion_chunk check (expansion_chunk between 1 and 10000);
comment on column push.settings.expansion_chunk is 'Members of a topic for whom deliveries are made in one transaction.';

create table push.expansions (
  notification_id uuid not null,
  next_id uuid not null default '00000000-0000-0000-0000-000000000000',
  members bigint not null default 0,
  deliveries bigint not null default 0,
  started_at timestamptz not null default clock_timestamp(),
  worked_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint expansions_pkey primary key (notification_id),
  constraint expansions_notification_id_fkey foreign key (notification_id)
    references public.push_notifications (id) on delete cascade
);
comment on table push.expansions is
  'How far the message to a topic has got. Its row in push_notifications is the lock, held by the transaction that works on it.';
comment on column push.expansions.next_id is
  'Where the next chunk starts: at a member''s user id; once cancelled, at a subscription id among its deliveries.';
comment on column push.expansions.members is 'Members walked so far.';
comment on column push.expansions.deliveries is 'Deliveries made so far.';
comment on column push.expansions.started_at is 'Members of this moment are notified; a user who joins later is not.';
comment on column push.expansions.worked_at is 'Last chunk. Whose was longest ago comes next, so that topics take turns.';

create index expansions_open_idx on push.expansions (worked_at, notification_id) where finished_at is null;

alter table push.expansions enable row level security;
create policy expansions_nobody on push.expansions for all to public using (false);

-- Rows are only ever added: a counter that dispatchers updated would be a lock they queue for.
create table push.delivery_counts (
  notification_id uuid not null,
  id bigint not null generated always as identity,
  state text not null,
  deliveries bigint not null,
  constraint delivery_counts_pkey primary key (notification_id, id),
  constraint delivery_counts_notification_id_fkey foreign key (notification_id)
    references push.expansions (notification_id) on delete cascade
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
    select from push_changed_deliveries as d
    join push.expansions as e on e.notification_id = d.notification_id
    where d.finished_at is not null
  ) then
    return null;
  end if;
  insert into push.delivery_counts (notification_id, state, deliveries)
  select d.notification_id, d.state, count(*)
  from push_changed_deliveries as d
  join push_former_deliveries as f on f.id = d.id
  join push.expansions as e on e.notification_id = d.notification_id
  where d.finished_at is not null and f.finished_at is null
  group by d.notification_id, d.state;
  return null;
end;
$$;
comment on function push.count_finished_deliveries() is 'Notes what became of deliveries to a topic, once per statement.';

create trigger deliveries_count
after update on push.deliveries
referencing old table as push_former_deliveries new table as push_changed_deliveries
for each statement execute function push.count_finished_deliveries();
