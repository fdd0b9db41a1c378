-- The delivery log: what became of each delivery. Rows are added when one has ended, and never changed.
--
-- The log has eight parts, each for the deliveries made in one week. A week that is old enough is emptied at once instead of
-- row by row, and its part is used again. The parts have fixed names: the log of a dump can be loaded into any project.

create table push.delivery_log (
  id bigint not null default ((extract(epoch from now())::bigint - 1735689600) << 22) | nextval('push.delivery_ids'),
  notification_id uuid not null,
  subscription_id uuid not null,
  created_at timestamptz not null,
  due_at timestamptz not null,
  claimed_at timestamptz,
  finished_at timestamptz not null,
  claims smallint not null default 0,
  failures smallint not null default 0,
  unanswered smallint not null default 0,
  last_status smallint,
  host text not null,
  state text not null,
  last_code text,
  last_error text,
  constraint delivery_log_state check (state in ('sent', 'gone', 'failed', 'expired', 'suppressed', 'cancelled'))
-- By the week in which it was made, which its id says.
) partition by list (((id >> 22) / 604800 % 8));
comment on table push.delivery_log is
  'What became of each delivery, and when. Rows are only ever added; a week of them is dropped at once. For the database owner, who reads '
  'push.deliveries.';
comment on column push.delivery_log.state is
  'sent, gone (the device is), failed, expired, suppressed (by preferences or limits) or cancelled.';
comment on column push.delivery_log.last_code is 'Why it ended: a machine code, such as throttled or subscription_deleted.';

create index delivery_log_notification_idx on push.delivery_log (notification_id);
-- In the order of its growth, so that keeping it costs an append.
create index delivery_log_finished_idx on push.delivery_log (finished_at);

alter table push.delivery_log enable row level security;
create policy delivery_log_nobody on push.delivery_log for all to public using (false);

do $$
begin
  for v_part in 0..7 loop
    execute format('create table push.delivery_log_%1$s partition of push.delivery_log for values in (%1$s)', v_part);
    execute format('alter table push.delivery_log_%1$s add constraint delivery_log_%1$s_pkey primary key (id)', v_part);
    execute format('alter table push.delivery_log_%s enable row level security', v_part);
    execute format('create policy delivery_log_%1$s_nobody on push.delivery_log_%1$s for all to public using (false)', v_part);
    execute format('comment on table push.delivery_log_%1$s is %2$L', v_part, format('Part %s of push.delivery_log.', v_part));
  end loop;
end;
$$;

create view push.deliveries with (security_invoker = true) as
select q.id, q.notification_id, q.subscription_id, q.host, case when q.lease_until is null then 'queued' else 'sending' end as state,
  q.due_at, q.expires_at, q.created_at, q.claimed_at, q.lease_until, null::timestamptz as finished_at, q.dispatcher_id,
  q.claims, q.failures, q.unanswered::integer, q.last_status::integer, q.last_code, q.last_error, q.parked_by, q.parked_due_at
from push.queue as q
union all
select l.id, l.notification_id, l.subscription_id, l.host, l.state, l.due_at, null, l.created_at, l.claimed_at, null, l.finished_at, null,
  l.claims, l.failures, l.unanswered, l.last_status, l.last_code, l.last_error, null, null
from push.delivery_log as l;
comment on view push.deliveries is
  'Each delivery, one notification on its way to one subscription: what waits, is under way, and what became of the others. For the '
  'database owner.';
comment on column push.deliveries.state is
  'queued, sending, sent, gone (the device is), failed, expired, suppressed (by preferences or limits) or cancelled.';
comment on column push.deliveries.last_code is
  'Why it ended, or waits: a machine code, such as quiet_hours, throttled or subscription_deleted.';

create type push.ended_delivery as (id bigint, state text, code text);
comment on type push.ended_delivery is 'How a delivery has ended. Without a code the last one stays.';

create function push.end_each(p_ended push.ended_delivery[], p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_count integer;
begin
  with ended as (
    delete from push.queue as q using unnest(p_ended) as e where q.id = any (array[e.id])
    returning q.*, e.state, e.code
  )
  insert into push.delivery_log (
    id, notification_id, subscription_id, host, state, created_at, due_at, claimed_at, finished_at, claims, failures, unanswered,
    last_status, last_code, last_error
  )
  select e.id, e.notification_id, e.subscription_id, e.host, e.state, e.created_at,
    coalesce(e.parked_due_at, e.due_at), e.claimed_at, p_now, e.claims, e.failures, e.unanswered, e.last_status,
    coalesce(e.code, e.last_code), e.last_error
  from ended as e;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.end_each(push.ended_delivery[], timestamptz) is
  'Moves deliveries, whose rows the caller has locked, from the queue to the log; returns how many.';

create function push.end_deliveries(p_ids bigint[], p_state text, p_code text, p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
as $$
begin
  if coalesce(cardinality(p_ids), 0) = 0 then
    return 0;
  end if;
  return push.end_each(array(select row(i.id, p_state, p_code)::push.ended_delivery from unnest(p_ids) as i (id)), p_now);
end;
$$;
comment on function push.end_deliveries(bigint[], text, text, timestamptz) is 'push.end_each() for deliveries that all end in one way.';

create function push.drop_old_log(p_keep interval, p_now timestamptz)
returns text[]
language plpgsql
set search_path = ''
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
-- While this waits for a part, every other session that reads it waits behind it.
set lock_timeout = '100ms'
as $$
declare
  v_newest timestamptz;
  v_dropped text[] := '{}'::text[];
begin
  for v_part in 0..7 loop
    execute format('select l.finished_at from push.delivery_log_%s as l order by l.finished_at desc limit 1', v_part) into v_newest;
    continue when v_newest is null or v_newest > p_now - p_keep;
    begin
      execute format('truncate push.delivery_log_%s', v_part);
      v_dropped := v_dropped || format('delivery_log_%s', v_part);
    exception when lock_not_available then
      -- Something reads this part, such as a dump. The next cleaning tries again.
      null;
    end;
  end loop;
  return v_dropped;
end;
$$;
comment on function push.drop_old_log(interval, timestamptz) is
  'Empties the parts of the log in which all deliveries ended longer ago than p_keep; returns which. A part that is being read stays until the '
  'next call.';
