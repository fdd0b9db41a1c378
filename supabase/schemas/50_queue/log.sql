-- The delivery log: what became of each delivery. Rows are added when one has ended, and never changed.
--
-- The log has eight parts, each for the deliveries made in one week. A week that is old enough is emptied at once instead of
-- row by row, and its part is used again. The parts have fixed names: the log of a dump can be loaded into any project.

create table push.delivery_log (
  id bigint not null default ((extract(epoch from clock_timestamp())::bigint - 1735689600) << 22) | nextval('push.delivery_ids'),
  notification_id uuid not null,
  subscription_id uuid not null,
  created_at timestamptz not null,
  due_at timestamptz not null,
  claimed_at timestamptz,
  finished_at timestamptz not null,
  claims integer not null default 0,
  failures integer not null default 0,
  unanswered integer not null default 0,
  last_status integer,
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

-- Of equal types on both sides: else the planner reads all of both to join it with anything.
create view push.deliveries with (security_invoker = true) as
select q.id, q.notification_id, q.subscription_id, q.host, case when q.lease_until is null then 'queued' else 'sending' end as state,
  q.due_at, q.expires_at, q.created_at, q.claimed_at, q.lease_until, null::timestamptz as finished_at, q.dispatcher_id,
  q.claims, q.failures, q.unanswered, q.last_status, q.last_code, q.last_error, q.parked_by, q.parked_due_at
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

create function push.drop_log_part(p_part integer, p_before timestamptz)
returns boolean
language plpgsql
set search_path = ''
-- While this waits for a part, every other session that reads it waits behind it.
set lock_timeout = '100ms'
as $$
declare
  v_newest timestamptz;
begin
  execute format('lock table push.delivery_log_%s in access exclusive mode', p_part);
  -- Not before the lock: the week that uses it next may have begun meanwhile.
  execute format('select l.finished_at from push.delivery_log_%s as l order by l.finished_at desc limit 1', p_part) into v_newest;
  if v_newest <= p_before then
    execute format('truncate push.delivery_log_%s', p_part);
    perform push.freeze_statistics(v_newest);
    return true;
  end if;
  return false;
exception when lock_not_available then
  -- Something reads this part, such as a dump. The next cleaning tries again.
  return false;
end;
$$;
comment on function push.drop_log_part(integer, timestamptz) is
  'Empties a part of the log in which all deliveries ended until p_before; false when there are others, or the part is being read.';

create function push.clean_log(p_limit integer, p_before timestamptz)
returns jsonb
language plpgsql
set search_path = ''
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
  v_oldest timestamptz;
  v_newest timestamptz;
  v_parts integer := 0;
  v_rows bigint := 0;
  v_count bigint;
  v_before timestamptz := p_before;
begin
  if not push.statistics_cover(p_before) then
    -- They are made of it. Where they are not made, it goes all the same, a week later.
    v_before := p_before - interval '7 days';
  end if;
  for v_part in 0..7 loop
    execute format('select (select l.finished_at from push.delivery_log_%1$s as l order by l.finished_at limit 1),
      (select l.finished_at from push.delivery_log_%1$s as l order by l.finished_at desc limit 1)', v_part)
    into v_oldest, v_newest;
    if v_newest <= v_before then
      v_parts := v_parts + push.drop_log_part(v_part, v_before)::integer;
    elsif v_oldest <= v_before - interval '8 days' then
      -- It holds a week that should be gone, and something that ended long after: row by row then, or it would be kept for good.
      execute format('with gone as (
        delete from push.delivery_log_%1$s as d where d.id = any (array(
          select l.id from push.delivery_log_%1$s as l where l.finished_at <= $1 order by l.finished_at limit $2
        ))
        returning d.finished_at
      )
      select count(*), max(g.finished_at) from gone as g', v_part) into v_count, v_newest using v_before, p_limit - v_rows;
      perform push.freeze_statistics(v_newest);
      v_rows := v_rows + v_count;
    end if;
  end loop;
  return jsonb_build_object('log_parts', v_parts, 'deliveries', v_rows);
end;
$$;
comment on function push.clean_log(integer, timestamptz) is
  'Empties the parts of the log in which all deliveries ended until p_before, and takes up to p_limit rows out of those that hold newer ones '
  'though their week is long over; returns how many of both. A part that is being read stays until the next call, and what statistics have not '
  'counted yet for up to a week.';
