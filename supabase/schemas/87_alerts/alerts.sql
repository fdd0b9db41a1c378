-- Alerts, "tell me when this value gets there", made by users.
--
-- An alert that waits has one or two lines: values at which something happens to it, the upper one when a value rises to
-- it, the lower one when a value falls to it. What has happened takes them to other places. So no line of a symbol is
-- ever on the wrong side of its last value, and what a new one crosses is a range of an index, however many wait.

alter table push.settings
  add column max_alerts_per_user integer not null default 100,
  add column alert_template text,
  add column alert_level_template text,
  add constraint settings_alerts check (max_alerts_per_user > 0);
comment on column push.settings.max_alerts_per_user is 'Alerts one user may have, switched off or not. The service role may add more.';
comment on column push.settings.alert_template is
  'The template (push_templates.key) of what alerts say that have no text of their own. Null: words of this project''s.';
comment on column push.settings.alert_level_template is
  'The template (push_templates.key) whose title is what {{level}} says in the messages of alerts, such as "Above 18500": with symbol, '
  'level_type, level_price, change, minutes, hours, and true or false for above, below, is_value, is_level and is_change. Null: English.';

create table public.push_alerts (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null default public.push_user_id(),
  symbol text collate "C" not null,
  condition text not null,
  threshold double precision,
  window_minutes integer not null default 0,
  direction text,
  level text collate "C",
  level_condition text,
  hysteresis double precision not null default 0,
  hysteresis_unit text not null default 'absolute',
  cooldown interval not null default '0',
  recurring boolean not null default false,
  expires_at timestamptz,
  active_from time,
  active_until time,
  timezone text,
  setup text,
  title text,
  body text,
  urgency text not null default 'high',
  enabled boolean not null default true,
  armed boolean not null default false,
  last_side text,
  level_price double precision,
  last_fired_at timestamptz,
  times_fired integer not null default 0,
  held_back integer not null default 0,
  held_until timestamptz,
  disabled_reason text,
  generation integer not null default 0,
  upper_line double precision,
  upper_edge smallint,
  lower_line double precision,
  lower_edge smallint,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint push_alerts_pkey primary key (id),
  constraint push_alerts_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_alerts_symbol check (symbol ~ '^[^[:space:][:cntrl:]:{}]+(:[^[:space:][:cntrl:]:{}]+)*$' and octet_length(symbol) <= 64),
  constraint push_alerts_condition check (case condition
    when 'percent_change' then
      threshold > 0 and window_minutes in (1, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
      and direction is not null and direction in ('up', 'down', 'either') and level is null and level_condition is null
    when 'level' then
      threshold is null and window_minutes = 0 and direction is null and level is not null
      and level_condition is not null and level_condition in ('above', 'below', 'crosses_above', 'crosses_below', 'crosses')
    else
      condition in ('above', 'below', 'crosses_above', 'crosses_below', 'crosses')
      and threshold is not null and window_minutes = 0 and direction is null and level is null and level_condition is null
  end),
  constraint push_alerts_threshold check (threshold = 0 or abs(threshold) between 1e-100 and 1e100),
  constraint push_alerts_level check (level ~ '^[a-z0-9][a-z0-9_]{0,49}$'),
  constraint push_alerts_hysteresis check (hysteresis between 0 and 1e100 and hysteresis_unit in ('absolute', 'percent')),
  constraint push_alerts_cooldown check (
    cooldown between interval '0' and interval '366 days'
    -- Added to a moment part by part: a million years forth and back are no length, and beyond all dates in between.
    and least(
      extract(year from cooldown), extract(month from cooldown), extract(day from cooldown),
      extract(hour from cooldown), extract(minute from cooldown), extract(second from cooldown)
    ) >= 0
  ),
  constraint push_alerts_active_hours check (
    num_nonnulls(active_from, active_until) <> 1 and active_from <> active_until and active_from < '24:00'
    and (active_from is null or timezone is not null)
  ),
  constraint push_alerts_texts check (
    octet_length(setup) <= 200 and octet_length(title) <= 400 and octet_length(body) <= 2000 and octet_length(timezone) <= 100
  ),
  constraint push_alerts_urgency check (urgency in ('very-low', 'low', 'normal', 'high')),
  constraint push_alerts_last_side check (last_side in ('above', 'below', 'at', 'between')),
  constraint push_alerts_disabled_reason check (disabled_reason in ('fired', 'expired', 'switched_off', 'failed'))
);
comment on table public.push_alerts is
  'What users want to be told of a symbol''s value. The owner writes what it waits for; only the database writes its state.';
comment on column public.push_alerts.condition is
  'crosses_above, crosses_below, crosses: the value gets to the threshold from the other side. above, below: so too, and what is held back by '
  'cooldown or active hours is told after them if it still holds. percent_change: so much within a window. level: as level_condition says, of a level.';
comment on column public.push_alerts.threshold is 'The value; for percent_change the percentage, more than 0. Getting to it counts as crossing.';
comment on column public.push_alerts.window_minutes is
  'For percent_change: compared with what the symbol was quoted at so many minutes before. 1, 5, 10, 15, 30, 60, 120, 240, 480, 720 or 1440.';
comment on column public.push_alerts.direction is 'For percent_change: up, down or either (if not given).';
comment on column public.push_alerts.level is 'The name of a level in push_levels, such as yesterday_high. When it moves, nothing fires by that.';
comment on column public.push_alerts.level_condition is 'above, below, crosses_above, crosses_below or crosses (if not given).';
comment on column public.push_alerts.hysteresis is
  'How far beyond the threshold, back on the other side, the value must get before the alert can fire again; in units of the value, or in percent of the threshold.';
comment on column public.push_alerts.cooldown is 'At least so long between two firings.';
comment on column public.push_alerts.recurring is 'False: it fires once and is switched off.';
comment on column public.push_alerts.active_from is
  'Fires from this time of day, by the clock of the timezone, until active_until. At other times it follows the value in silence.';
comment on column public.push_alerts.setup is 'What its user calls it; the message says so.';
comment on column public.push_alerts.title is
  'Mustache with symbol, level, level_price, current_price, change, direction and setup. Null: words of the project.';
comment on column public.push_alerts.enabled is 'Set to false to switch it off, to true to start it anew. It becomes false when it has fired once or expired.';
comment on column public.push_alerts.armed is 'Whether it fires at the next crossing. If not, it waits for a first value or level, or for the value to get back.';
comment on column public.push_alerts.last_side is
  'Where the value is: above, below, at the threshold, between (for a change up or down). Null: not known yet.';
comment on column public.push_alerts.level_price is 'What it waits for at present: the threshold, or the value of its level.';
comment on column public.push_alerts.held_back is 'How often it did not fire because of its cooldown or outside its active hours.';
comment on column public.push_alerts.held_until is 'When what was held back is told, if it still holds then (above, below).';
comment on column public.push_alerts.disabled_reason is 'Why it is not enabled: fired, expired, switched_off (by its owner), failed (it could not be evaluated; push.alarms says why).';
comment on column public.push_alerts.generation is 'How often it has fired, as part of the message''s key: the same firing cannot be told twice.';
comment on column public.push_alerts.upper_line is 'Something happens to it when the value (or its change) rises to here. -Infinity: at the first value.';
comment on column public.push_alerts.upper_edge is
  'On which edge of that value the line is: 0 just below it, so that reaching it is enough, or 1 just above it.';
comment on column public.push_alerts.lower_line is 'Something happens to it when the value (or its change) falls to here.';
comment on column public.push_alerts.lower_edge is 'As upper_edge: 1 just above the value, so that reaching it is enough, or 0 just below it.';

create index push_alerts_user_id_idx on public.push_alerts (user_id);
-- Finds the lines that a new value crosses: from the lowest upper line up to it, and from it up to the highest lower line.
create index push_alerts_upper_idx on public.push_alerts (symbol, window_minutes, upper_line, upper_edge)
where upper_line is not null;
create index push_alerts_lower_idx on public.push_alerts (symbol, window_minutes, lower_line, lower_edge)
where lower_line is not null;
create index push_alerts_watched_idx on public.push_alerts (symbol) where enabled;
-- Finds the alerts that follow a level but have an older price of it.
create index push_alerts_level_idx on public.push_alerts (symbol, level, level_price) where enabled and level is not null;
create index push_alerts_windows_idx on public.push_alerts (symbol, window_minutes) where enabled and window_minutes > 0;
create index push_alerts_expires_idx on public.push_alerts (expires_at) where enabled and expires_at is not null;
create index push_alerts_held_idx on public.push_alerts (held_until) where held_until is not null;

alter table public.push_alerts enable row level security;
create policy push_alerts_select on public.push_alerts for select to authenticated using ((select public.push_user_id()) = user_id);
create policy push_alerts_insert on public.push_alerts for insert to authenticated with check ((select public.push_user_id()) = user_id);
create policy push_alerts_update on public.push_alerts
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
create policy push_alerts_delete on public.push_alerts for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_alerts from anon, authenticated, service_role;
grant select, delete on public.push_alerts to authenticated, service_role;
-- No role may write the state of an alert: if its generation went back, a firing would never be sent.
grant insert (
  user_id, symbol, condition, threshold, window_minutes, direction, level, level_condition, hysteresis, hysteresis_unit, cooldown,
  recurring, expires_at, active_from, active_until, timezone, setup, title, body, urgency, enabled
) on public.push_alerts to authenticated, service_role;
grant update (
  symbol, condition, threshold, window_minutes, direction, level, level_condition, hysteresis, hysteresis_unit, cooldown,
  recurring, expires_at, active_from, active_until, timezone, setup, title, body, urgency, enabled
) on public.push_alerts to authenticated, service_role;

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
  cross join lateral push.mustache_faults(push.compile_mustache(t.text, t.field), array[
    '{"symbol": "a", "level": "a", "level_price": 1, "current_price": 1, "change": 1, "direction": "up", "setup": "a"}'::jsonb
  ], true) as f
  where t.text is not null;
  if v_fault is not null then
    perform push.refuse(400, 'template_variable_unknown', format('The message of an alert has no variable %s.', v_fault),
      'Use symbol, level, level_price, current_price, change, direction and setup.');
  end if;
end;
$$;
comment on function push.refuse_alert(public.push_alerts) is 'Raises what is wrong with an alert; returns when nothing is.';
