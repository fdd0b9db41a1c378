-- What is old enough to go, a function for each kind.

create table push.cleaning (
  id boolean not null default true,
  next_subscription_id uuid not null default '00000000-0000-0000-0000-000000000000',
  last_cron_run bigint not null default 0,
  next_receipt bigint not null default 0,
  devices_since timestamptz not null default now(),
  devices_took interval not null default '0',
  behind_since timestamptz,
  constraint cleaning_pkey primary key (id),
  constraint cleaning_one_row check (id)
);
comment on table push.cleaning is 'Where the next batch of push.clean() goes on.';
comment on column push.cleaning.next_subscription_id is
  'Subscriptions are walked round and round: an index on last_used_at would cost every single delivery an update of it.';
comment on column push.cleaning.last_cron_run is
  'The last run of cron.job_run_details that was looked at; that table has no index but on runid, and may be huge with other jobs'' runs.';
comment on column push.cleaning.next_receipt is
  'The delivery whose receipts are looked at next; 0: the oldest. Those whose delivery is still in the log stay, and are passed over.';
comment on column push.cleaning.devices_since is 'When the present round through the subscriptions began.';
comment on column push.cleaning.devices_took is 'How long the round before it took.';
comment on column push.cleaning.behind_since is 'Since when each run has left something that should have been gone for long; null where none does.';

insert into push.cleaning default values;

alter table push.cleaning enable row level security;
create policy cleaning_nobody on push.cleaning for all to public using (false);

create function push.clean_notifications(p_limit integer, p_keep interval, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
-- By index, however small the planner believes these tables to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_reads bigint;
  v_notifications bigint;
begin
  -- The read marks of a message to a topic are deleted first: they may be a million rows.
  delete from public.push_reads as r
  where (r.user_id, r.notification_id) in (
    select k.user_id, k.notification_id
    from (
      select o.id from public.push_notifications as o
      where greatest(o.created_at, o.expires_at) <= p_now - p_keep and o.audience_topic is not null
        and exists (select from public.push_reads as k where k.notification_id = o.id)
      order by greatest(o.created_at, o.expires_at)
      limit p_limit
    ) as old
    cross join lateral (
      select w.user_id, w.notification_id from public.push_reads as w
      where w.notification_id = old.id
      limit p_limit
      for update skip locked
    ) as k
    limit p_limit
  );
  get diagnostics v_reads = row_count;

  -- Those that still have deliveries or reads come later: what goes with a row must be bounded too.
  delete from public.push_notifications as n
  where n.id in (
    select o.id from public.push_notifications as o
    where greatest(o.created_at, o.expires_at) <= p_now - p_keep
      and not exists (select from push.queue as d where d.notification_id = o.id)
      and not exists (select from push.delivery_log as d where d.notification_id = o.id)
      and not exists (select from public.push_reads as r where r.notification_id = o.id)
    order by greatest(o.created_at, o.expires_at)
    limit p_limit
    for update skip locked
  );
  get diagnostics v_notifications = row_count;
  return jsonb_build_object('reads', v_reads, 'notifications', v_notifications);
end;
$$;
comment on function push.clean_notifications(integer, interval, timestamptz) is
  'Deletes notifications that stopped mattering longer ago than p_keep, and before them their read marks, at most p_limit of each; returns how many.';

create function push.clean_subscriptions(p_limit integer, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_from uuid;
  v_next uuid;
  v_count bigint;
begin
  select c.next_subscription_id into v_from from push.cleaning as c;
  with page as (
    select w.id, row_number() over (order by w.id) as place
    from (
      select s.id from public.push_subscriptions as s where s.id >= v_from order by s.id limit p_limit + 1
    ) as w
  ), deleted as (
    delete from public.push_subscriptions as s
    where s.id in (
      select o.id from public.push_subscriptions as o
      join page as p on p.id = o.id and p.place <= p_limit
      cross join push.settings as t
      where o.expires_at <= p_now
        or (
          greatest(o.last_used_at, o.created_at, o.updated_at) <= p_now - t.keep_unused_subscriptions
          and not exists (
            select from push.queue as d
            where d.subscription_id = o.id and d.lease_until is null and d.subscription_id >= '00000000-0000-0000-0000-000000000000'
          )
        )
      for update of o skip locked
    )
    returning 1
  )
  select (select p.id from page as p where p.place > p_limit), (select count(*) from deleted) into v_next, v_count;
  update push.cleaning as c
  set next_subscription_id = coalesce(v_next, '00000000-0000-0000-0000-000000000000'),
      devices_took = case when v_next is null then greatest(p_now - c.devices_since, interval '0') else c.devices_took end,
      -- A clock that was set back begins the round anew.
      devices_since = case when v_next is null then p_now else least(c.devices_since, p_now) end
  where c.id;
  return v_count;
end;
$$;
comment on function push.clean_subscriptions(integer, timestamptz) is
  'Looks at the next p_limit devices, and removes those that have lapsed or were not used for long; returns how many.';

create function push.clean_cron_runs(p_limit integer, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_from bigint;
  v_found boolean;
  v_last bigint;
  v_count bigint;
begin
  select c.last_cron_run into v_from from push.cleaning as c;
  with page as (
    select r.runid, r.jobid, r.command, coalesce(r.end_time, r.start_time, '-infinity') as ended_at
    from cron.job_run_details as r
    where r.runid > v_from
    order by r.runid
    limit p_limit
  ), old as (
    -- Up to the first one that has to stay.
    select p.runid, p.jobid, p.command from page as p cross join push.settings as s
    where p.runid < coalesce(
      (select min(k.runid) from page as k where k.ended_at > p_now - s.keep_cron_runs), 9223372036854775807
    )
  ), deleted as (
    -- The history of other jobs is not ours to delete. Of a job that is gone, the command tells that it was ours.
    delete from cron.job_run_details as r
    where r.runid in (
      select o.runid from old as o
      where o.command in (select w.command from push.jobs() as w) or o.jobid in (
        select j.jobid from cron.job as j join push.jobs() as w on w.name = j.jobname
      )
    )
    returning 1
  )
  select exists (select from page), (select max(o.runid) from old as o), (select count(*) from deleted)
  into v_found, v_last, v_count;
  -- Nothing beyond the last one: a pg_cron that was installed anew counts from 1 again.
  update push.cleaning as c set last_cron_run = case when v_found then coalesce(v_last, c.last_cron_run) else 0 end where c.id;
  return v_count;
end;
$$;
comment on function push.clean_cron_runs(integer, timestamptz) is
  'Removes old runs of our own jobs, also of those that are gone, from pg_cron''s history, looking at p_limit of them; returns how many.';

create function push.trim_errors(p_keep integer, p_limit integer, out rule_errors bigint, out reminder_errors bigint)
language plpgsql
set search_path = ''
-- By index, from the newest of each on.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  delete from push.rule_errors as r
  where r.id in (
    select o.id from push.rules as u
    cross join lateral (
      select e.id from push.rule_errors as e where e.rule = u.name order by e.occurred_at desc offset p_keep limit p_limit
    ) as o
  );
  get diagnostics rule_errors = row_count;
  delete from push.reminder_errors as r
  where r.id in (
    select o.id from push.reminders as u
    cross join lateral (
      select e.id from push.reminder_errors as e where e.reminder = u.name order by e.occurred_at desc offset p_keep limit p_limit
    ) as o
  );
  get diagnostics reminder_errors = row_count;
end;
$$;
comment on function push.trim_errors(integer, integer) is
  'Keeps so many errors of each rule and reminder, the newest: one user may write what breaks them again and again. Returns how many went.';

create function push.clean_errors(p_limit integer, p_keep interval, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_rules bigint;
  v_reminders bigint;
begin
  -- Ids grow with time: only the oldest are looked at.
  delete from push.rule_errors as r
  where r.id in (select o.id from push.rule_errors as o order by o.id limit p_limit)
    and r.occurred_at <= p_now - p_keep;
  get diagnostics v_rules = row_count;
  delete from push.reminder_errors as r
  where r.id in (select o.id from push.reminder_errors as o order by o.id limit p_limit)
    and r.occurred_at <= p_now - p_keep;
  get diagnostics v_reminders = row_count;
  return (
    select jsonb_build_object('rule_errors', v_rules + t.rule_errors, 'reminder_errors', v_reminders + t.reminder_errors)
    from push.trim_errors(10000, p_limit * 10) as t
  );
end;
$$;
comment on function push.clean_errors(integer, interval, timestamptz) is
  'Deletes errors of rules and reminders that are older than p_keep, at most p_limit of each, and all but the newest of each; returns how many.';

create function push.clean_alarms(p_limit integer, p_keep interval, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_count bigint;
begin
  delete from push.alarms as a
  where (a.code, a.subject) in (
    select o.code, o.subject from push.alarms as o
    where o.resolved_at <= p_now - p_keep
    limit p_limit
    for update skip locked
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.clean_alarms(integer, interval, timestamptz) is
  'Deletes alarms that were resolved longer ago than p_keep, at most p_limit; returns how many.';

create function push.clean_removed_devices(p_limit integer, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_count bigint;
begin
  -- A browser that has not come back for so long has lost its subscription anyway.
  delete from push.removed_devices as r
  where r.address_digest in (
    select o.address_digest from push.removed_devices as o
    where o.removed_at <= p_now - interval '400 days'
    order by o.removed_at
    limit p_limit
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.clean_removed_devices(integer, timestamptz) is
  'Forgets devices that were removed long ago, at most p_limit; returns how many.';
