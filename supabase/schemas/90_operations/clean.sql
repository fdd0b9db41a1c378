-- The cleaning: deletes what is old enough, a bounded batch at a time, and waits for no lock.

create index push_notifications_age_idx on public.push_notifications (greatest(created_at, expires_at));

create trigger cleaning_keep before delete on push.cleaning
for each row execute function push.keep_rows();
create trigger cleaning_keep_all before truncate on push.cleaning
for each statement execute function push.keep_rows();

create function push.clean_chunk(p_limit integer, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_settings push.settings;
begin
  select s.* into v_settings from push.settings as s;
  return push.clean_notifications(p_limit, v_settings.keep_notifications, p_now)
    -- A tenth, here and below: these two look at rows that mostly stay.
    || jsonb_build_object('subscriptions', push.clean_subscriptions(greatest(p_limit / 10, 1), p_now))
    || push.clean_errors(p_limit, v_settings.keep_errors, p_now)
    || jsonb_build_object(
      'reminder_moments', push.clean_reminders(p_limit, v_settings.keep_deliveries, p_now),
      'alarms', push.clean_alarms(p_limit, v_settings.keep_errors, p_now),
      'cron_runs', push.clean_cron_runs(greatest(p_limit / 10, 1), p_now),
      'limits', push.clean_limits(p_limit, p_now - v_settings.keep_deliveries, p_now),
      'receipts', push.clean_receipts(p_limit, p_now - v_settings.keep_deliveries),
      'removed_devices', push.clean_removed_devices(p_limit, p_now)
    )
    || push.clean_lists(p_limit, v_settings.keep_notifications, p_now);
end;
$$;
comment on function push.clean_chunk(integer, timestamptz) is
  'Deletes what is older than the settings keep it, the log left out, at most p_limit rows of each kind; returns how many.';

create function push.clean(
  p_limit integer default 10000, p_now timestamptz default clock_timestamp(), p_for interval default interval '0'
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_until constant timestamptz := clock_timestamp() + p_for;
  v_deleted jsonb;
  v_chunk jsonb;
begin
  -- One at a time; a second one would only wait for the rows of the first.
  perform from push.cleaning as c for update skip locked;
  if not found then
    return jsonb_build_object();
  end if;
  perform push.shorten_digests(p_now);
  perform push.end_hostless(p_limit, p_now);
  perform push.check_reminders(p_now);
  perform push.check_rules(p_now);
  loop
    v_chunk := push.clean_chunk(p_limit, p_now);
    select jsonb_object_agg(c.key, c.value::bigint + coalesce((v_deleted ->> c.key)::bigint, 0)) into v_deleted
    from jsonb_each_text(v_chunk) as c;
    -- What is left although nothing was deleted is held by others; but most devices stay, and are walked all the same.
    exit when clock_timestamp() >= v_until or not exists (
      select from push.cleaning_due(p_now) as d
      where d.kind = 'subscriptions' or exists (select from jsonb_each_text(v_chunk) as c where c.value <> '0')
    );
  end loop;
  perform push.check_cleaning(p_now);
  perform push.settle_statistics(p_now - (select s.keep_deliveries from push.settings as s), p_now);
  -- Late: until the end of the transaction, other sessions cannot read the parts that are emptied here, nor claim from a push
  -- service whose row is changed.
  v_deleted := v_deleted || push.clean_log(p_limit, p_now - (select s.keep_deliveries from push.settings as s));
  perform push.forget_users();
  return v_deleted;
end;
$$;
comment on function push.clean(integer, timestamptz, interval) is
  'Deletes what is older than the settings keep it, at most p_limit rows of each kind, and as many again until nothing is left or p_for is over; '
  'returns how many. Looks after the rules as well, and raises an alarm when it no longer keeps up. Run by pg_cron.';
