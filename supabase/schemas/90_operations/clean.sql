-- The cleaning: deletes what is old enough, a bounded batch at a time, and waits for no lock.

-- Its order is that of its growth, so that keeping it costs an append.
create index deliveries_finished_idx on push.deliveries (finished_at) where finished_at is not null;
create index push_notifications_age_idx on public.push_notifications (greatest(created_at, expires_at));

create trigger cleaning_keep before delete on push.cleaning
for each row execute function push.keep_rows();
create trigger cleaning_keep_all before truncate on push.cleaning
for each statement execute function push.keep_rows();

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

  -- The read marks of a message to a topic are deleted first: they may be a million rows.
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
