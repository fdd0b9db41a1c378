-- The cleaning: deletes what is old enough, a bounded batch at a time, and waits for no lock.

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
  v_deleted jsonb;
begin
  -- One at a time; a second one would only wait for the rows of the first.
  perform from push.cleaning as c for update skip locked;
  if not found then
    return jsonb_build_object();
  end if;
  select s.* into v_settings from push.settings as s;

  v_deleted := push.clean_notifications(p_limit, v_settings.keep_notifications, p_now)
    -- A tenth, here and below: these two look at rows that mostly stay.
    || jsonb_build_object('subscriptions', push.clean_subscriptions(greatest(p_limit / 10, 1), p_now))
    || push.clean_errors(p_limit, v_settings.keep_errors, p_now)
    || jsonb_build_object(
      'reminder_moments', push.clean_reminders(p_limit, v_settings.keep_deliveries, p_now),
      'alarms', push.clean_alarms(p_limit, v_settings.keep_errors, p_now),
      'cron_runs', push.clean_cron_runs(greatest(p_limit / 10, 1), p_now),
      'limits', push.clean_limits(p_limit, p_now - v_settings.keep_deliveries, p_now),
      'receipts', push.clean_receipts(p_limit, p_now - v_settings.keep_deliveries),
      'lists', push.clean_lists(p_limit, v_settings.keep_notifications, p_now)
    );
  perform push.clean_removed_devices(p_limit, p_now);
  perform push.shorten_digests(p_now);
  perform push.end_hostless(p_limit, p_now);
  perform push.check_reminders(p_now);
  perform push.check_rules(p_now);
  -- Last: until the end of the transaction, other sessions cannot read the parts that are emptied here.
  return v_deleted || push.clean_log(p_limit, p_now - v_settings.keep_deliveries);
end;
$$;
comment on function push.clean(integer, timestamptz) is
  'Deletes what is older than the settings keep it, at most p_limit rows of each kind; returns how many. Looks after the rules as well. Run by pg_cron.';
