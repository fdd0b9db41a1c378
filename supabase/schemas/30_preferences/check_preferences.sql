-- What preferences may say.

alter table push.settings
  add column quiet_hours_pass text[] not null default '{}',
  add column max_muted_categories integer not null default 100,
  add constraint settings_quiet_hours_pass check (quiet_hours_pass <@ '{critical,high}'),
  add constraint settings_muted_categories check (max_muted_categories > 0);
comment on column push.settings.quiet_hours_pass is
  'What rings in quiet hours too: critical (categories that are), high (messages of that urgency), or neither. What a user muted never does.';
comment on column push.settings.max_muted_categories is 'Categories one user may mute; as many again for each device.';

create function push.timezone_named(p_name text)
returns text
language plpgsql
set search_path = ''
-- The setting below ends with this function.
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
  -- Abbreviations mean several zones or one without daylight saving time, and a POSIX rule (ABC+3) may have any name.
  -- Neither passes: a rule has a digit, and of the names that have one only Etc/GMT+3 and the like are allowed.
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
  -- Etc/Unknown is ICU's name for a clock without a zone; it runs by UTC. An offset has the sign of ISO 8601, Etc/GMT+5 that
  -- of POSIX: five hours behind UTC. An offset that has no whole hours is rounded to the hour.
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
  -- Row-level security checks after this trigger has run. What it would refuse is refused here first, so that the other
  -- answers do not tell whether another user has preferences.
  if public.push_user_id() is not null and new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_preferences"';
  end if;
  -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
  new.enabled := coalesce(new.enabled, true);
  new.receipts := coalesce(new.receipts, true);
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
-- Definer: reads push.settings, and the devices of any user the service role writes for.
security definer
set search_path = ''
as $$
begin
  -- Row-level security checks after this trigger has run. What it would refuse is refused here first, so that the other
  -- answers say nothing about another user's devices.
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
-- Definer: the user who takes a device over may not touch its former user's preferences.
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

create trigger push_preferences_serialize
before insert or update or delete on public.push_preferences
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();

create trigger push_device_preferences_serialize
before insert or update or delete on public.push_device_preferences
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();
