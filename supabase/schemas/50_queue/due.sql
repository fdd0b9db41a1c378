-- Whether anything is due, and who is at work on it.

create function push.has_due_in(p_lanes smallint[], p_now timestamptz, p_more_than integer default 0, p_but text[] default '{}')
returns boolean
language plpgsql
stable
set search_path = ''
-- See push_claim.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  return exists (
    select from push.queue_lanes(p_now, p_lanes) as l
    join push.hosts as h on h.origin = l.host
    cross join lateral (
      select from push.queue as d
      where d.host = l.host and d.lane = l.lane and d.lease_until is null and d.due_at >= '-infinity' and d.due_at >= l.due_from
        and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit p_more_than + 1
    ) as w
    where (h.paused_at is null or h.probe_at <= p_now) and h.origin <> all ((select push.held_hosts(p_now))::text[])
      and h.origin <> all (p_but)
    offset p_more_than
  );
end;
$$;
comment on function push.has_due_in(smallint[], timestamptz, integer, text[]) is
  'Whether more than so many deliveries that may be handed out are due in these lanes (null: in all), of all push services but those of p_but. '
  'Looks no further.';

create function push.has_due(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  -- Within a second: what comes then would ring no bell.
  select push.has_due_in(null, p_now + interval '1 second');
$$;
comment on function push.has_due(timestamptz) is 'Whether a dispatcher would find anything to do, now or within a second.';

-- Live dispatchers. The transaction that rings the bell makes the row, so the next one knows that a dispatcher was called.
create table push.dispatchers (
  id uuid not null,
  called_in xid8 not null default pg_current_xact_id(),
  started_at timestamptz not null,
  lease_until timestamptz not null,
  worker_id uuid,
  is_awaited boolean not null default false,
  constraint dispatchers_pkey primary key (id)
);
comment on table push.dispatchers is 'Dispatchers that were called or are at work; one whose lease is over counts as dead.';
comment on column push.dispatchers.called_in is 'The transaction that called it: its request leaves at commit, however long that takes.';
comment on column push.dispatchers.lease_until is 'Until then it counts as live; -infinity: it has left, and a transaction counts on it still.';
comment on column push.dispatchers.worker_id is 'The worker that was called, or looked for work itself; null: push-dispatch was called.';
comment on column push.dispatchers.is_awaited is 'It was called and has not claimed yet.';

alter table push.dispatchers enable row level security;
create policy dispatchers_nobody on push.dispatchers for all to public using (false);

create function push.end_dispatchers(p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_settings push.settings;
  v_absent uuid[];
begin
  select s.* into v_settings from push.settings as s;
  with ended as (
    delete from push.dispatchers as w
    where w.id in (
      select l.id from push.dispatchers as l
      -- Leases that end later than any can were made before the clock was set back.
      where l.lease_until <= p_now
        or l.lease_until > p_now + greatest(v_settings.dispatcher_lease, v_settings.call_lease) + interval '1 minute'
      for update skip locked
    )
    returning w.worker_id, w.is_awaited
  )
  select array_agg(e.worker_id) into v_absent from ended as e where e.is_awaited;
  -- It was called and did not come: until it gives a sign of life, others are called.
  -- Skip locked: one that leaves locks its own row first, and then those of its dispatchers.
  update push.workers as w set lease_until = p_now
  where w.id in (
    select l.id from push.workers as l where l.id = any (v_absent) and l.lease_until > p_now for no key update skip locked
  );
  delete from push.workers as w
  where w.id in (
    select l.id from push.workers as l
    where l.lease_until <= p_now or l.lease_until > p_now + v_settings.worker_lease + interval '1 minute'
    for update skip locked
  );
end;
$$;
comment on function push.end_dispatchers(timestamptz) is
  'Forgets dispatchers and workers whose lease is over, and workers that were called and did not come.';
