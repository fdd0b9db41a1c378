-- What an alert must be before it is stored, and how it then stands.

create function push.refuse_alert(p_alert public.push_alerts)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_fault text;
begin
  perform push.check_symbol(p_alert.symbol);
  if p_alert.condition is null
    or p_alert.condition not in ('above', 'below', 'crosses_above', 'crosses_below', 'crosses', 'percent_change', 'level') then
    perform push.refuse(400, 'condition_unknown', 'Unknown condition.',
      'Use above, below, crosses_above, crosses_below, crosses, percent_change or level.');
  end if;
  if p_alert.condition = 'level' and (
    p_alert.level is null or p_alert.level !~ '^[a-z0-9][a-z0-9_]{0,49}$' or num_nonnulls(p_alert.threshold, p_alert.direction) > 0
    or p_alert.window_minutes <> 0 or p_alert.level_condition not in ('above', 'below', 'crosses_above', 'crosses_below', 'crosses')
  ) then
    perform push.refuse(400, 'alert_malformed', 'An alert on a level needs level and level_condition, and nothing else.',
      'Give level, such as yesterday_high, and level_condition, such as crosses. Leave out threshold, direction and window_minutes.');
  elsif p_alert.condition = 'percent_change' and (
    p_alert.threshold > 0 and p_alert.window_minutes in (1, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
    and p_alert.direction in ('up', 'down', 'either') and num_nonnulls(p_alert.level, p_alert.level_condition) = 0
  ) is not true then
    perform push.refuse(400, 'alert_malformed', 'An alert on a change needs a percentage, a window and a direction.',
      'Give a threshold above 0, window_minutes of 1, 5, 10, 15, 30, 60, 120, 240, 480, 720 or 1440, and direction up, down or either.');
  elsif p_alert.condition not in ('level', 'percent_change') and (
    p_alert.threshold is null or p_alert.window_minutes <> 0
    or num_nonnulls(p_alert.direction, p_alert.level, p_alert.level_condition) > 0
  ) then
    perform push.refuse(400, 'alert_malformed', 'An alert on a value needs a threshold, and nothing else.',
      'Give a threshold. Leave out level, direction and window_minutes.');
  end if;
  if p_alert.threshold <> 0 and abs(p_alert.threshold) not between 1e-100 and 1e100
    or p_alert.hysteresis not between 0 and 1e100 or p_alert.hysteresis_unit not in ('absolute', 'percent') then
    perform push.refuse(400, 'alert_number_invalid', 'Threshold and hysteresis must be finite numbers, and hysteresis must not be negative.',
      'Use numbers, and absolute or percent as hysteresis_unit.');
  end if;
  -- No negative parts: see the constraint. An alert that fails while a value is written fails that value for all users.
  if p_alert.cooldown not between interval '0' and interval '366 days' or least(
    extract(year from p_alert.cooldown), extract(month from p_alert.cooldown), extract(day from p_alert.cooldown),
    extract(hour from p_alert.cooldown), extract(minute from p_alert.cooldown), extract(second from p_alert.cooldown)
  ) < 0 then
    perform push.refuse(400, 'cooldown_out_of_range', 'A cooldown must be between 0 and 366 days.', 'Use an interval in that range.');
  end if;
  if num_nonnulls(p_alert.active_from, p_alert.active_until) = 1 or p_alert.active_from = p_alert.active_until
    or p_alert.active_from = '24:00' then
    perform push.refuse(400, 'active_hours_incomplete', 'Active hours need a start and a different end.',
      'Give both active_from and active_until, or neither.');
  end if;
  if p_alert.active_from is not null and p_alert.timezone is null then
    perform push.refuse(400, 'timezone_missing', 'Active hours need a time zone.',
      'Give the device''s time zone: Intl.DateTimeFormat().resolvedOptions().timeZone.');
  end if;
  if p_alert.timezone is not null then
    perform push.check_timezone(p_alert.timezone);
  end if;
  perform push.check_message(jsonb_populate_record(null::push.message, jsonb_build_object('urgency', p_alert.urgency)));
  if octet_length(p_alert.setup) > 200 or octet_length(p_alert.title) > 400 or octet_length(p_alert.body) > 2000 then
    perform push.refuse(413, 'text_too_large', 'setup can have at most 200 bytes, title 400 and body 2000.', 'Shorten it.');
  end if;
  -- They are read while a value is written, and the alerts of all users wait for that: each of these characters takes time.
  if greatest(regexp_count(p_alert.title, '[{\n]'), regexp_count(p_alert.body, '[{\n]')) > 60 then
    perform push.refuse(400, 'text_too_complex', 'Title and body can each have at most 60 braces and line breaks.',
      'Use fewer variables.');
  end if;
  select string_agg(distinct f.name, ', ') into v_fault
  from (values (p_alert.title, 'title'), (p_alert.body, 'body')) as t (text, field)
  cross join lateral push.mustache_faults(push.compile_mustache(t.text, t.field), array[push.alert_params(p_alert, 'above', 1, 1, 1)], true)
    as f
  where t.text is not null;
  if v_fault is not null then
    perform push.refuse(400, 'template_variable_unknown', format('The message of an alert has no variable %s.', v_fault),
      'Use symbol, level, level_type, level_price, current_price, change, direction, setup and alert_id.');
  end if;
end;
$$;
comment on function push.refuse_alert(public.push_alerts) is 'Raises what is wrong with an alert; returns when nothing is.';

create function push.check_alert()
returns trigger
language plpgsql
-- Definer: reads settings and the history of quotes, which users may not.
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_limit integer;
begin
  -- Row-level security looks after this trigger has run; what it would refuse is refused before anything is counted.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501', message = 'new row violates row-level security policy for table "push_alerts"';
  end if;
  -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
  new.window_minutes := coalesce(new.window_minutes, 0);
  new.hysteresis := coalesce(new.hysteresis, 0);
  new.hysteresis_unit := coalesce(new.hysteresis_unit, 'absolute');
  new.cooldown := coalesce(new.cooldown, '0');
  new.recurring := coalesce(new.recurring, false);
  new.urgency := coalesce(new.urgency, 'high');
  new.enabled := coalesce(new.enabled, true);
  new.timezone := push.timezone_of_browser(new.timezone);
  if new.condition = 'percent_change' then
    new.direction := coalesce(new.direction, 'either');
  elsif new.condition = 'level' then
    new.level_condition := coalesce(new.level_condition, 'crosses');
  end if;
  perform push.refuse_alert(new);
  new.updated_at := v_now;

  if tg_op = 'INSERT' then
    if public.push_user_id() is not null then
      -- Counted one statement after the other: push.serialize_user_writes().
      select s.max_alerts_per_user into v_limit from push.settings as s;
      if (select count(*) from public.push_alerts as a where a.user_id = new.user_id) >= v_limit then
        perform push.refuse(429, 'too_many_alerts', format('This user already has %s alerts.', v_limit), 'Delete one first.');
      end if;
    end if;
  elsif old.enabled and new.enabled and (
    new.symbol, new.condition, new.threshold, new.window_minutes, new.direction, new.level, new.level_condition,
    new.hysteresis, new.hysteresis_unit
  ) is not distinct from (
    old.symbol, old.condition, old.threshold, old.window_minutes, old.direction, old.level, old.level_condition,
    old.hysteresis, old.hysteresis_unit
  ) then
    -- The alert waits for the same as before, so it keeps its state.
    return new;
  end if;
  new.disabled_reason := case
    when new.enabled then null
    when tg_op = 'UPDATE' and not old.enabled then old.disabled_reason
    else 'switched_off'
  end;
  if new.enabled and new.expires_at <= v_now then
    perform push.refuse(400, 'expires_in_past', 'This alert would already be expired.', 'Use a later expires_at, or none.');
  end if;
  return push.begin_alert(
    new,
    case when new.condition = 'level' then (
      select l.value from public.push_levels as l where l.symbol = new.symbol and l.level = new.level
    ) else new.threshold end,
    push.value_for(new, v_now)
  );
end;
$$;
comment on function push.check_alert() is
  'Refuses what is no alert and more than settings allow, and starts an alert from the last value, if that is fresh: what is beyond the threshold then has crossed before.';

create trigger push_alerts_serialize
before insert or update or delete on public.push_alerts
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();

create trigger push_alerts_check_new
before insert on public.push_alerts
for each row execute function push.check_alert();

-- Only what its owner has changed: how it stands changes without this.
create trigger push_alerts_check_changed
before update on public.push_alerts
for each row when (
  (new.symbol, new.condition, new.threshold, new.window_minutes, new.direction, new.level, new.level_condition, new.hysteresis,
    new.hysteresis_unit, new.cooldown, new.recurring, new.expires_at, new.active_from, new.active_until, new.timezone, new.setup,
    new.title, new.body, new.urgency, new.enabled)
  is distinct from
  (old.symbol, old.condition, old.threshold, old.window_minutes, old.direction, old.level, old.level_condition, old.hysteresis,
    old.hysteresis_unit, old.cooldown, old.recurring, old.expires_at, old.active_from, old.active_until, old.timezone, old.setup,
    old.title, old.body, old.urgency, old.enabled)
  and new.generation = old.generation and (new.enabled or new.disabled_reason is not distinct from old.disabled_reason)
)
execute function push.check_alert();
