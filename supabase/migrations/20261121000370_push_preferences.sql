-- Supapush: preferences, in which users say what they want to get, and when.
--
-- Who has no row gets everything at once. What is said for one device counts there instead of what is said for the user.

alter table push.settings
  add column quiet_hours_pass text[] not null default '{}',
  add column max_muted_categories integer not null default 100,
  add constraint settings_quiet_hours_pass check (quiet_hours_pass <@ '{critical,high}'),
  add constraint settings_muted_categories check (max_muted_categories > 0);
comment on column push.settings.quiet_hours_pass is
  'What rings in quiet hours too: critical (categories that are), high (messages of that urgency), or neither. What a user muted never does.';
comment on column push.settings.max_muted_categories is 'Categories one user may mute; as many again for each device.';

create table public.push_preferences (
  user_id uuid not null default public.push_user_id(),
  enabled boolean not null default true,
  timezone text,
  locale text,
  quiet_from time,
  quiet_until time,
  quiet_by_weekday jsonb not null default '{}',
  muted_categories text[] not null default '{}',
  constraint push_preferences_pkey primary key (user_id),
  constraint push_preferences_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_preferences_timezone check (octet_length(timezone) <= 100),
  constraint push_preferences_locale check (octet_length(locale) <= 35),
  constraint push_preferences_quiet check (
    num_nonnulls(quiet_from, quiet_until) <> 1 and quiet_from <> quiet_until and quiet_from < '24:00'
  ),
  constraint push_preferences_quiet_by_weekday check (jsonb_typeof(quiet_by_weekday) = 'object')
);
comment on table public.push_preferences is
  'What a user wants to get, and when; who has no row gets everything at once. Messages stand in the inbox whatever is said here.';
comment on column public.push_preferences.enabled is 'False: nothing is sent to this user''s devices.';
comment on column public.push_preferences.timezone is
  'Where quiet hours are told: an IANA name as Intl.DateTimeFormat().resolvedOptions().timeZone gives it, such as Europe/Vienna.';
comment on column public.push_preferences.locale is 'The language of messages, as navigator.language gives it (BCP 47), such as de-AT.';
comment on column public.push_preferences.quiet_from is 'When quiet hours begin, by the clock of the timezone.';
comment on column public.push_preferences.quiet_until is
  'When they end: on the next day, unless it is later than quiet_from. 24:00 is midnight at the end of the same day.';
comment on column public.push_preferences.quiet_by_weekday is
  'Other hours for the periods that begin on a weekday (ISO: 1 is Monday), or none: {"6": {"from": "23:00", "until": "10:00"}, "7": null}.';
comment on column public.push_preferences.muted_categories is
  'Categories of which nothing is sent, with all that is below them: alerts mutes alerts:DAX too.';

create table public.push_device_preferences (
  subscription_id uuid not null,
  user_id uuid not null default public.push_user_id(),
  enabled boolean,
  timezone text,
  quiet_from time,
  quiet_until time,
  quiet_by_weekday jsonb,
  muted_categories text[],
  constraint push_device_preferences_pkey primary key (subscription_id),
  constraint push_device_preferences_subscription_id_fkey foreign key (subscription_id)
    references public.push_subscriptions (id) on delete cascade,
  constraint push_device_preferences_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_device_preferences_timezone check (octet_length(timezone) <= 100),
  constraint push_device_preferences_quiet check (
    num_nonnulls(quiet_from, quiet_until) <> 1 and quiet_from <> quiet_until and quiet_from < '24:00'
  ),
  constraint push_device_preferences_quiet_by_weekday check (jsonb_typeof(quiet_by_weekday) = 'object')
);
comment on table public.push_device_preferences is
  'Where one device differs from its user''s push_preferences: a column that is not null counts instead. It goes with the device, and when that changes hands.';
comment on column public.push_device_preferences.enabled is 'False: nothing is sent to this device. True: it is, though the user''s others are off.';
comment on column public.push_device_preferences.quiet_from is
  'Quiet hours count as a whole: with quiet_from or quiet_by_weekday given, nothing of the user''s remains.';
comment on column public.push_device_preferences.quiet_by_weekday is 'As in push_preferences; {} alone says that this device has no quiet hours.';
comment on column public.push_device_preferences.muted_categories is 'Instead of the user''s, so {} mutes nothing on this device.';

create index push_device_preferences_user_id_idx on public.push_device_preferences (user_id);

-- what may be said ---------------------------------------------------------------------------------------------

create function push.timezone_named(p_name text)
returns text
language plpgsql
set search_path = ''
-- What is set below ends with this function.
set timezone = 'UTC'
as $$
begin
  -- The server's own look-up, in any case of letters: pg_timezone_names would read some 1,200 files.
  perform set_config('timezone', p_name, true);
  return current_setting('timezone');
exception when invalid_parameter_value then
  return null;
end;
$$;
comment on function push.timezone_named(text) is 'The name of a time zone as Postgres spells it; null when it knows none of this name.';

create function push.check_timezone(p_timezone text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_known text;
begin
  -- Abbreviations mean several zones or one without daylight saving time, and POSIX rules (ABC+3) are anybody's
  -- invention. Neither passes: a rule has a digit, and of the names that have one only Etc/GMT+3 and the like are allowed.
  if p_timezone ~ '^([A-Za-z_-]+(/[A-Za-z_-]+)+|UTC|Etc/GMT([+-][0-9]|-1[0-4]|[+]1[0-2]))$' and octet_length(p_timezone) <= 100 then
    v_known := push.timezone_named(p_timezone);
  end if;
  if v_known is distinct from p_timezone or v_known ~ '^(posix|right)/' then
    perform push.refuse(400, 'timezone_unknown', 'Unknown time zone.', coalesce(
      'Write ' || v_known || '.',
      'Use an IANA name such as Europe/Vienna, as Intl.DateTimeFormat().resolvedOptions().timeZone returns it, or UTC.'
    ));
  end if;
end;
$$;
comment on function push.check_timezone(text) is 'Refuses what is not the name of a time zone by place, or UTC, in the letters of pg_timezone_names.';

create function push.timezone_of_browser(p_timezone text)
returns text
language sql
immutable
set search_path = ''
as $$
  -- Etc/Unknown is what ICU calls a clock that nobody has set a zone for; it runs by UTC. An offset has the sign of ISO 8601,
  -- Etc/GMT+5 that of POSIX: five hours behind UTC. What has no whole hours is told to the hour.
  select case
    when p_timezone in ('Etc/Unknown', 'GMT', 'undefined') then 'UTC'
    when p_timezone !~ '^[+-][01][0-9]:[0-5][0-9]$' then p_timezone
    when abs(h.hours) < 1 then 'UTC'
    else 'Etc/GMT' || case when h.hours > 0 then '-' else '+' end || abs(h.hours)
  end
  from (
    select case when p_timezone ~ '^[+-][01][0-9]:[0-5][0-9]$' then
      round(extract(epoch from p_timezone::interval) / 3600)::integer
    end as hours
  ) as h;
$$;
comment on function push.timezone_of_browser(text) is
  'What a browser gives as its time zone, as a name where it gives none: UTC for Etc/Unknown, Etc/GMT-2 for +02:00. All else stays.';

create function push.locale_of_browser(p_locale text)
returns text
language sql
immutable
set search_path = ''
as $$
  -- C and POSIX are no language: as good as none.
  select case when l.tag in ('', 'C', 'POSIX') then null else replace(l.tag, '_', '-') end
  from (select substring(p_locale from '^[^.@]*') as tag) as l;
$$;
comment on function push.locale_of_browser(text) is
  'What a browser gives as its language, as BCP 47 has it: en-US for en-US@posix or en_US.UTF-8, null for C.';

create function push.check_quiet_hours(p_from time, p_until time, p_by_weekday jsonb, p_timezone text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if num_nonnulls(p_from, p_until) = 1 then
    perform push.refuse(400, 'quiet_hours_incomplete', 'Quiet hours need a start and an end.',
      'Give both quiet_from and quiet_until, or neither.');
  end if;
  if p_from = p_until or p_from = '24:00' then
    perform push.refuse(400, 'quiet_hours_empty', 'Quiet hours must start before 24:00 and end at a different time.',
      'For the whole day use 00:00 and 24:00. For no quiet hours, leave both out.');
  end if;
  if jsonb_typeof(p_by_weekday) <> 'object' or exists (
    select from jsonb_each(case jsonb_typeof(p_by_weekday) when 'object' then p_by_weekday end) as e
    where e.key !~ '^[1-7]$' or case
      when jsonb_typeof(e.value) = 'null' then false
      when jsonb_typeof(e.value) <> 'object' or e.value - '{from,until}'::text[] <> '{}' then true
      when (e.value ->> 'from') ~ '^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$'
        and (e.value ->> 'until') ~ '^(([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00(:00)?)$'
        then (e.value ->> 'from')::time = (e.value ->> 'until')::time
      else true
    end
  ) then
    perform push.refuse(400, 'quiet_by_weekday_malformed', 'quiet_by_weekday must be an object of weekdays and their hours.',
      'Use the weekdays 1 (Monday) to 7 as keys, each with two different times, {"from": "23:00", "until": "10:00"}, or null.');
  end if;
  if (p_from is not null or p_by_weekday <> '{}') and p_timezone is null then
    perform push.refuse(400, 'timezone_missing', 'Quiet hours need a time zone.',
      'Give the device''s time zone: Intl.DateTimeFormat().resolvedOptions().timeZone.');
  end if;
end;
$$;
comment on function push.check_quiet_hours(time, time, jsonb, text) is 'Refuses quiet hours that could not be told by a clock.';

create function push.check_muted_categories(p_categories text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_limit integer;
begin
  if array_ndims(p_categories) > 1 or exists (
    select from unnest(p_categories) as c (key)
    where push.is_category(c.key) is not true
  ) then
    perform push.refuse(400, 'muted_categories_malformed', 'A muted category must have 1 to 100 bytes, with single colons between its parts.',
      'Use names such as alerts or alerts:DAX.');
  end if;
  select s.max_muted_categories into v_limit from push.settings as s;
  if cardinality(p_categories) > v_limit then
    perform push.refuse(429, 'too_many_muted_categories', format('At most %s categories can be muted.', v_limit),
      'Mute the category above them, such as alerts instead of alerts:DAX.');
  end if;
end;
$$;
comment on function push.check_muted_categories(text[]) is 'Refuses muted categories that no message could have, or too many of them.';

create function push.check_preferences()
returns trigger
language plpgsql
-- Definer: reads push.settings, which users may not.
security definer
set search_path = ''
as $$
begin
  -- Row-level security looks after this trigger has run. What it would refuse is refused here first, so that the other
  -- answers do not tell whether a stranger has preferences.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_preferences"';
  end if;
  -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
  new.enabled := coalesce(new.enabled, true);
  new.quiet_by_weekday := coalesce(new.quiet_by_weekday, '{}');
  new.muted_categories := coalesce(new.muted_categories, '{}');
  new.timezone := push.timezone_of_browser(new.timezone);
  new.locale := push.locale_of_browser(new.locale);
  if new.timezone is not null then
    perform push.check_timezone(new.timezone);
  end if;
  -- An upsert comes by here as an insert of what it names, and once more as an update of the whole row.
  perform push.check_quiet_hours(new.quiet_from, new.quiet_until, new.quiet_by_weekday, coalesce(
    new.timezone,
    (select p.timezone from public.push_preferences as p where p.user_id = new.user_id and tg_op = 'INSERT')
  ));
  perform push.check_muted_categories(new.muted_categories);
  if new.locale !~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$' or octet_length(new.locale) > 35 then
    perform push.refuse(400, 'locale_malformed', 'The locale is not a language tag (BCP 47).', 'Use a tag such as de or de-AT, as navigator.language returns it.');
  end if;
  return new;
end;
$$;
comment on function push.check_preferences() is 'Refuses preferences that could not be followed.';

create trigger push_preferences_check
before insert or update on public.push_preferences
for each row execute function push.check_preferences();

create function push.check_device_preferences()
returns trigger
language plpgsql
-- Definer: reads push.settings, and the devices of whomever the service role writes for.
security definer
set search_path = ''
as $$
begin
  -- Row-level security looks after this trigger has run. What it would refuse is refused here first, so that the other
  -- answers say nothing about a stranger's devices.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_device_preferences"';
  end if;
  if not exists (
    select from public.push_subscriptions as s where s.id = new.subscription_id and s.user_id = new.user_id
  ) then
    perform push.refuse(404, 'subscription_unknown', 'This user has no such device.', 'Give the id of a row in push_subscriptions.');
  end if;
  new.timezone := push.timezone_of_browser(new.timezone);
  if new.timezone is not null then
    perform push.check_timezone(new.timezone);
  end if;
  perform push.check_quiet_hours(new.quiet_from, new.quiet_until, new.quiet_by_weekday, coalesce(
    new.timezone,
    (select p.timezone from public.push_preferences as p where p.user_id = new.user_id),
    (
      select o.timezone from public.push_device_preferences as o
      where o.subscription_id = new.subscription_id and tg_op = 'INSERT'
    )
  ));
  perform push.check_muted_categories(new.muted_categories);
  return new;
end;
$$;
comment on function push.check_device_preferences() is
  'Refuses preferences of a device that is not this user''s, or that could not be followed.';

create trigger push_device_preferences_check
before insert or update on public.push_device_preferences
for each row execute function push.check_device_preferences();

create function push.forget_device_preferences()
returns trigger
language plpgsql
-- Definer: whoever hands a device over may not touch what its former user said about it.
security definer
set search_path = ''
as $$
begin
  delete from public.push_device_preferences as o where o.subscription_id = new.id;
  return null;
end;
$$;
comment on function push.forget_device_preferences() is 'Takes away what the former user of a device said about it.';

create trigger push_subscriptions_forget_preferences
after update of user_id on public.push_subscriptions
for each row when (old.user_id is distinct from new.user_id)
execute function push.forget_device_preferences();

-- access -------------------------------------------------------------------------------------------------------

create trigger push_preferences_turns
before insert or update or delete on public.push_preferences
for each statement when (current_user = 'authenticated') execute function push.take_turns();

alter table public.push_preferences enable row level security;
create policy push_preferences_select on public.push_preferences
for select to authenticated using ((select public.push_user_id()) = user_id);
create policy push_preferences_insert on public.push_preferences
for insert to authenticated with check ((select public.push_user_id()) = user_id);
create policy push_preferences_update on public.push_preferences
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
create policy push_preferences_delete on public.push_preferences
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_preferences from anon, authenticated, service_role;
grant select, delete on public.push_preferences to authenticated;
grant insert (user_id, enabled, timezone, locale, quiet_from, quiet_until, quiet_by_weekday, muted_categories)
  on public.push_preferences to authenticated;
grant update (user_id, enabled, timezone, locale, quiet_from, quiet_until, quiet_by_weekday, muted_categories)
  on public.push_preferences to authenticated;
grant select, insert, update, delete on public.push_preferences to service_role;

create trigger push_device_preferences_turns
before insert or update or delete on public.push_device_preferences
for each statement when (current_user = 'authenticated') execute function push.take_turns();

alter table public.push_device_preferences enable row level security;
create policy push_device_preferences_select on public.push_device_preferences
for select to authenticated using ((select public.push_user_id()) = user_id);
-- The device is looked up under its own policy, so a stranger's is not found.
create policy push_device_preferences_insert on public.push_device_preferences
for insert to authenticated with check (
  (select public.push_user_id()) = user_id
  and exists (select from public.push_subscriptions as s where s.id = subscription_id and s.user_id = (select public.push_user_id()))
);
create policy push_device_preferences_update on public.push_device_preferences
for update to authenticated using ((select public.push_user_id()) = user_id) with check (
  (select public.push_user_id()) = user_id
  and exists (select from public.push_subscriptions as s where s.id = subscription_id and s.user_id = (select public.push_user_id()))
);
create policy push_device_preferences_delete on public.push_device_preferences
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_device_preferences from anon, authenticated, service_role;
grant select, delete on public.push_device_preferences to authenticated;
grant insert (subscription_id, user_id, enabled, timezone, quiet_from, quiet_until, quiet_by_weekday, muted_categories)
  on public.push_device_preferences to authenticated;
grant update (subscription_id, user_id, enabled, timezone, quiet_from, quiet_until, quiet_by_weekday, muted_categories)
  on public.push_device_preferences to authenticated;
grant select, insert, update, delete on public.push_device_preferences to service_role;

-- what follows from it -----------------------------------------------------------------------------------------

create function push.locale_of(p_user_id uuid)
returns text
language sql
stable
set search_path = ''
as $$
  select p.locale from public.push_preferences as p where p.user_id = p_user_id;
$$;
comment on function push.locale_of(uuid) is 'The language a user wants messages in; null when nothing was said.';

create function push.quiet_until(p_preferences public.push_preferences, p_at timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
declare
  -- No clock has been set back by more in our time (three hours: Casey, 2010).
  c_most_set_back constant interval := interval '4 hours';
  v_zone text := coalesce(p_preferences.timezone, 'UTC');
  v_by_weekday jsonb := coalesce(p_preferences.quiet_by_weekday, '{}');
  v_point timestamptz := p_at;
  v_clock timestamp;
  v_from time;
  v_until time;
  v_begins timestamp;
  v_end timestamptz;
  v_day date;
  v_hours jsonb;
begin
  if p_preferences.quiet_from is null and v_by_weekday = '{}' then
    return null;
  end if;
  v_clock := v_point at time zone v_zone;
  v_day := v_clock::date - 1;
  -- The periods one after the other, from yesterday's; each that has begun and is not over moves the end on, which may
  -- be within the next one. A week and a bit, after which everything comes again.
  for v_step in 0..10 loop
    v_from := p_preferences.quiet_from;
    v_until := p_preferences.quiet_until;
    v_hours := v_by_weekday -> extract(isodow from v_day)::text;
    if v_hours is not null then
      v_from := (v_hours ->> 'from')::time;
      v_until := (v_hours ->> 'until')::time;
    end if;
    if v_from is not null then
      v_begins := v_day + v_from;
      -- Begun is what the clock has shown, even if it was set back since; and what it was set past.
      if v_begins > v_clock then
        exit when v_begins > v_clock + c_most_set_back;
        v_end := v_point - c_most_set_back;
        v_end := v_end + (v_begins - (v_end at time zone v_zone));
        exit when v_end > v_point or v_end at time zone v_zone <> v_begins;
      end if;
      -- Of a time that comes twice this is the second; one that is left out counts as if the clock had not been set.
      v_end := (v_day + v_until + case when v_until <= v_from then interval '1 day' else interval '0' end)
        at time zone v_zone;
      if v_end > v_point then
        v_point := v_end;
        v_clock := v_end at time zone v_zone;
      end if;
    end if;
    v_day := v_day + 1;
  end loop;
  if v_point >= p_at + interval '8 days' then
    return timestamptz 'infinity';
  end if;
  return nullif(v_point, p_at);
exception when invalid_parameter_value then
  -- A new release of Postgres may have dropped the zone: that must not stop the queue of everybody else.
  p_preferences.timezone := 'UTC';
  return push.quiet_until(p_preferences, p_at);
end;
$$;
comment on function push.quiet_until(public.push_preferences, timestamptz) is
  'When the quiet hours that this moment lies in are over, with all that adjoin them; null when it lies in none, infinity when they never are.';

create function push.category_of(p_category text)
returns public.push_categories
language sql
stable
set search_path = ''
as $$
  select c.* from public.push_categories as c
  where p_category = c.key or starts_with(p_category, c.key || ':')
  order by length(c.key) desc
  limit 1;
$$;
comment on function push.category_of(text) is
  'The row that applies to a category: its own, or that of the longest category above it; null when there is none.';

create type push.verdict as (state text, due_at timestamptz, finished_at timestamptz, code text);
comment on type push.verdict is 'What becomes of a delivery instead of being sent, when (null: as it was), and why: push.deliveries.last_code.';

create function push.judge(
  p_user public.push_preferences,
  p_device public.push_device_preferences,
  p_category text,
  p_urgency text,
  p_expires_at timestamptz,
  p_at timestamptz,
  p_banned_until timestamptz default null,
  p_deleted_at timestamptz default null
)
returns push.verdict
language plpgsql
stable
set search_path = ''
as $$
declare
  v_until timestamptz;
  v_category public.push_categories;
  v_pass text[];
begin
  -- Who may not sign in is told nothing, and does not find it all on the screen when a ban ends: it is in the inbox.
  if p_deleted_at is not null then
    return row('suppressed', null, p_at, 'user_deleted')::push.verdict;
  end if;
  if p_banned_until > p_at then
    return row('suppressed', null, p_at, 'user_banned')::push.verdict;
  end if;
  if not coalesce(p_device.enabled, p_user.enabled, true) then
    return row('suppressed', null, p_at, case when p_device.enabled is null then 'disabled' else 'device_disabled' end)::push.verdict;
  end if;
  -- What a user muted stays mute, however critical the project takes it.
  if exists (
    select from unnest(coalesce(p_device.muted_categories, p_user.muted_categories)) as m (key)
    where p_category = m.key or starts_with(p_category, m.key || ':')
  ) then
    return row('suppressed', null, p_at, case when p_device.muted_categories is null then 'muted' else 'device_muted' end)::push.verdict;
  end if;

  p_user.timezone := coalesce(p_device.timezone, p_user.timezone);
  if p_device.quiet_from is not null or p_device.quiet_by_weekday is not null then
    p_user.quiet_from := p_device.quiet_from;
    p_user.quiet_until := p_device.quiet_until;
    p_user.quiet_by_weekday := p_device.quiet_by_weekday;
  end if;
  v_until := push.quiet_until(p_user, p_at);
  if v_until is null then
    return null;
  end if;

  select s.quiet_hours_pass into v_pass from push.settings as s;
  v_category := push.category_of(p_category);
  if (p_urgency = 'high' and 'high' = any (v_pass)) or (v_category.critical and 'critical' = any (v_pass)) then
    return null;
  end if;
  if v_category.quiet_hours = 'drop' then
    return row('suppressed', null, p_at, 'quiet_hours')::push.verdict;
  end if;
  if v_until >= p_expires_at then
    return row('expired', null, p_at, 'quiet_hours')::push.verdict;
  end if;
  return row('queued', v_until, null, 'quiet_hours')::push.verdict;
end;
$$;
comment on function push.judge(
  public.push_preferences, public.push_device_preferences, text, text, timestamptz, timestamptz, timestamptz, timestamptz
) is 'What preferences, a ban (auth.users.banned_until) or a soft deletion (deleted_at) make of a message of this category and urgency to one '
  'device at this moment; null: it may ring.';

revoke all on all functions in schema push from public;
