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
  'The template (push_templates.key) whose title is what {{level}} says in the messages of alerts, such as "Above 18500": with what '
  'messages have, minutes, hours, and true or false for above, below, is_value, is_level and is_change. Null: English.';

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
  'Mustache with symbol, level, level_type, level_price, current_price, change, direction, setup and alert_id. Null: words of the project.';
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
