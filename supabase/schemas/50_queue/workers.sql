-- Workers, processes of one's own that do the work of push-dispatch over a connection to the database.

alter table push.settings
  add column worker_lease interval not null default '30 seconds',
  add constraint settings_worker_lease check (worker_lease between interval '3 seconds' and interval '1 hour');
comment on column push.settings.worker_lease is
  'How long after its last sign of life a worker counts as live. It gives one each time a third of this has passed.';

create table push.workers (
  id uuid not null,
  name text not null,
  version text not null,
  registered_at timestamptz not null,
  lease_until timestamptz not null,
  backend_pid integer,
  constraint workers_pkey primary key (id),
  constraint workers_name check (octet_length(name) <= 400),
  constraint workers_version check (version ~ '^\d{1,4}\.\d{1,4}\.\d{1,4}(-[0-9A-Za-z.-]{1,40})?$')
);
comment on table push.workers is
  'Live workers (supapush worker), idle or not: the bell calls one of them rather than push-dispatch. What one works on stands in push.dispatchers.';
comment on column push.workers.name is 'What its operator calls it; the name of its machine unless given.';
comment on column push.workers.version is 'The release that it is of.';
comment on column push.workers.lease_until is 'Until then it counts as live.';
comment on column push.workers.backend_pid is
  'The session in which it listens; while that lives, a call is a notification. Null: it asks every second whether it was called.';

alter table push.workers enable row level security;
create policy workers_nobody on push.workers for all to public using (false);
