-- What an alert must be before it is stored, and how it then stands.

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
