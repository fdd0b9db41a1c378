-- Supapush: what is old enough goes, a bounded batch at a time, and waits for nobody.

alter table push.settings
  add column keep_deliveries interval not null default '30 days',
  add column keep_notifications interval not null default '90 days',
  add column keep_errors interval not null default '30 days',
  add column keep_cron_runs interval not null default '3 days',
  add column keep_unused_subscriptions interval default '270 days',
  add constraint settings_retention check (
    keep_deliveries >= interval '1 hour' and keep_notifications >= keep_deliveries
    and keep_errors >= interval '1 hour' and keep_cron_runs >= interval '1 hour'
    and keep_unused_subscriptions >= interval '1 day'
  );
comment on column push.settings.keep_deliveries is 'How long the log keeps a delivery after its end, the moment of a reminder, and a receipt.';
comment on column push.settings.keep_notifications is
  'How long the inbox keeps a notification, read or not, after it was written and stopped mattering. Not shorter than its deliveries.';
comment on column push.settings.keep_errors is
  'How long errors of rules and reminders and resolved alarms are kept. Of each rule and reminder the newest 10,000 alone.';
comment on column push.settings.keep_cron_runs is 'How long the runs of Supapush''s own jobs stay in cron.job_run_details, which pg_cron never empties.';
comment on column push.settings.keep_unused_subscriptions is
  'A device that was last used (or registered, or changed) longer ago is removed, unless something waits for it. '
  'FCM takes its own for stale after 270 days. Null: never.';

-- Its order is that of its growth, so that keeping it costs an append.
create index deliveries_finished_idx on push.deliveries (finished_at) where finished_at is not null;
create index push_notifications_age_idx on public.push_notifications (greatest(created_at, expires_at));

create table push.cleaning (
  id boolean not null default true,
  next_subscription_id uuid not null default '00000000-0000-0000-0000-000000000000',
  last_cron_run bigint not null default 0,
  constraint cleaning_pkey primary key (id),
  constraint cleaning_one_row check (id)
);
comment on table push.cleaning is 'Where the next batch of push.clean() goes on.';
comment on column push.cleaning.next_subscription_id is
  'Subscriptions are walked round and round: an index on last_used_at would cost every single delivery an update of it.';
comment on column push.cleaning.last_cron_run is
  'The last run of cron.job_run_details that was looked at; that table has no index but on runid, and may be huge with other jobs'' runs.';

insert into push.cleaning default values;

create trigger cleaning_keep before delete on push.cleaning
for each row execute function push.keep_rows();
create trigger cleaning_keep_all before truncate on push.cleaning
for each statement execute function push.keep_rows();

alter table push.cleaning enable row level security;
create policy cleaning_nobody on push.cleaning for all to public using (false);

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
          and not exists (select from push.deliveries as d where d.subscription_id = o.id and d.state = 'queued')
        )
      for update of o skip locked
    )
    returning 1
  )
  select (select p.id from page as p where p.place > p_limit), (select count(*) from deleted) into v_next, v_count;
  update push.cleaning as c set next_subscription_id = coalesce(v_next, '00000000-0000-0000-0000-000000000000') where c.id;
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

create function push.clean(p_limit integer default 10000, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_settings push.settings;
  v_deliveries bigint;
  v_notifications bigint;
  v_reads bigint;
  v_subscriptions bigint;
  v_rule_errors bigint;
  v_reminder_moments bigint;
  v_reminder_errors bigint;
  v_alarms bigint;
  v_cron_runs bigint;
  v_limits bigint;
  v_receipts bigint;
begin
  -- One at a time; a second one would only wait for the rows of the first.
  perform from push.cleaning as c for update skip locked;
  if not found then
    return jsonb_build_object();
  end if;
  select s.* into v_settings from push.settings as s;

  delete from push.deliveries as d
  where d.id in (
    select o.id from push.deliveries as o
    where o.finished_at <= p_now - v_settings.keep_deliveries
    order by o.finished_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_deliveries = row_count;

  -- Of a message to a topic, what its members have read goes first: that may be a million rows.
  delete from public.push_reads as r
  where (r.user_id, r.notification_id) in (
    select k.user_id, k.notification_id
    from (
      select o.id from public.push_notifications as o
      where greatest(o.created_at, o.expires_at) <= p_now - v_settings.keep_notifications and o.audience_topic is not null
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
    where greatest(o.created_at, o.expires_at) <= p_now - v_settings.keep_notifications
      and not exists (select from push.deliveries as d where d.notification_id = o.id)
      and not exists (select from public.push_reads as r where r.notification_id = o.id)
    order by greatest(o.created_at, o.expires_at)
    limit p_limit
    for update skip locked
  );
  get diagnostics v_notifications = row_count;

  -- A tenth: these two look at rows that mostly stay.
  v_subscriptions := push.clean_subscriptions(greatest(p_limit / 10, 1), p_now);
  -- A browser that has not come back for so long has lost its subscription anyway.
  delete from push.removed_devices as r
  where r.address_digest in (
    select o.address_digest from push.removed_devices as o
    where o.removed_at <= p_now - interval '400 days'
    order by o.removed_at
    limit p_limit
  );

  -- Ids grow with time: only the oldest are looked at.
  delete from push.rule_errors as r
  where r.id in (select o.id from push.rule_errors as o order by o.id limit p_limit)
    and r.occurred_at <= p_now - v_settings.keep_errors;
  get diagnostics v_rule_errors = row_count;

  v_reminder_moments := push.clean_reminders(p_limit, v_settings.keep_deliveries, p_now);
  delete from push.reminder_errors as r
  where r.id in (select o.id from push.reminder_errors as o order by o.id limit p_limit)
    and r.occurred_at <= p_now - v_settings.keep_errors;
  get diagnostics v_reminder_errors = row_count;
  select v_rule_errors + t.rule_errors, v_reminder_errors + t.reminder_errors into v_rule_errors, v_reminder_errors
  from push.trim_errors(10000, p_limit * 10) as t;
  perform push.check_reminders(p_now);

  delete from push.alarms as a
  where (a.code, a.subject) in (
    select o.code, o.subject from push.alarms as o
    where o.resolved_at <= p_now - v_settings.keep_errors
    limit p_limit
    for update skip locked
  );
  get diagnostics v_alarms = row_count;

  v_cron_runs := push.clean_cron_runs(greatest(p_limit / 10, 1), p_now);
  v_limits := push.clean_limits(p_limit, p_now - v_settings.keep_deliveries, p_now);
  v_receipts := push.clean_receipts(p_limit, p_now - v_settings.keep_deliveries);

  perform push.shorten_digests(p_now);
  perform push.end_hostless(p_limit, p_now);
  perform push.check_rules(p_now);

  return jsonb_build_object(
    'deliveries', v_deliveries, 'notifications', v_notifications, 'reads', v_reads, 'subscriptions', v_subscriptions,
    'rule_errors', v_rule_errors, 'reminder_moments', v_reminder_moments, 'reminder_errors', v_reminder_errors,
    'alarms', v_alarms, 'cron_runs', v_cron_runs, 'limits', v_limits,
    'receipts', v_receipts
  );
end;
$$;
comment on function push.clean(integer, timestamptz) is
  'Deletes what is older than the settings keep it, at most p_limit rows of each kind; returns how many. Looks after the rules as well. Run by pg_cron.';

revoke all on all functions in schema push from public;
