-- When quiet hours end, by the user's own clock, across midnight and changes of the clock.

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
      -- If a time comes twice, this is the second; a time that is skipped counts as if the clock had not been changed.
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
  -- A new release of Postgres may have dropped the zone: that must not stop the messages of other users.
  p_preferences.timezone := 'UTC';
  return push.quiet_until(p_preferences, p_at);
end;
$$;
comment on function push.quiet_until(public.push_preferences, timestamptz) is
  'When the quiet hours that this moment lies in are over, with all that adjoin them; null when it lies in none, infinity when they never are.';
