-- Moments are worked out when a row is written. A row that cannot be worked out costs itself alone.

create function push.reminder_rows(p_reminder push.reminders, p_rows text)
returns text
language sql
immutable
set search_path = ''
as $$
  -- The key as columns and not as the JSON it becomes: this runs for every row that is updated, moved or not.
  select format(E'select %s, (%s\n      ) as push_event_at, coalesce((%s\n      )::text, ''UTC'') as push_timezone from %s as new',
    string_agg(format('new.%I', k.name), ', ' order by k.place), p_reminder.at, coalesce(p_reminder.timezone, 'null'), p_rows)
  from unnest(p_reminder.key_columns) with ordinality as k (name, place);
$$;
comment on function push.reminder_rows(push.reminders, text) is
  'The select of all of a row that decides when it is reminded of: key, time and time zone; p_rows names the relation.';

create function push.reminder_insert(p_reminder push.reminders, p_rows text, p_now text, p_written boolean default true)
returns text
language sql
immutable
set search_path = ''
as $$
  -- As Postgres itself subtracts an interval: years, months and days by the calendar of a time zone, what is shorter by
  -- the clock. Only that the zone is the declared one, and not the session's.
  select format(
    $query$insert into push.reminder_moments (reminder, row_key, before, event_at, due_at, lapses_at, try_at)
    select %L, %s, o.before, c.push_event_at, d.due_at, l.lapses_at, d.due_at
    from (%s) as c
    cross join (values %s) as o (before, by_calendar, by_clock)
    cross join lateral (
      select coalesce(
        ((c.push_event_at at time zone c.push_timezone) - o.by_calendar) at time zone c.push_timezone, c.push_event_at
      ) - o.by_clock as due_at
    ) as d
    cross join lateral (
      select case when d.due_at < c.push_event_at then least(d.due_at + g.grace, c.push_event_at) else d.due_at + g.grace end
        as lapses_at
      from (select %L::interval as grace) as g
    ) as l
    where pg_catalog.isfinite(c.push_event_at) and %s > %s$query$,
    p_reminder.name, push.key_object(p_reminder.key_columns, 'c'), p_rows,
    string_agg(
      format('(%L::interval, %L::interval, %L::interval)', o.before,
        nullif(date_trunc('day', o.before), interval '0'), o.before - date_trunc('day', o.before)),
      ', ' order by o.place),
    p_reminder.grace,
    -- The grace is for a tick that was late. A user who books 71.9 hours ahead is not told at once that it is in three days.
    case when p_written then 'case when d.due_at < c.push_event_at then d.due_at else l.lapses_at end' else 'l.lapses_at' end,
    p_now)
  from unnest(p_reminder.before) with ordinality as o (before, place);
$$;
comment on function push.reminder_insert(push.reminders, text, text, boolean) is
  'The statement that notes the moments of rows, unless it is too late for them; p_rows is a select as push.reminder_rows() makes. Of rows that '
  'are being written (p_written), what should have been announced before has no moment; of those that were there, within the grace.';

create function push.reminder_delete(p_reminder push.reminders, p_rows text)
returns text
language sql
immutable
set search_path = ''
as $$
  -- What the tick holds is being sent right now; and should it come back, the tick looks at the row once more. Arrays and
  -- no joins: the planner cannot know how many rows a statement will change, and an index look-up for each is never wrong.
  select format(
    $query$delete from push.reminder_moments as m
    where m.id = any (array(
      select w.id from push.reminder_moments as w
      where w.reminder = %L and w.state = 'waiting' and w.row_key = any (array(select %s from (%s) as c))
      for update skip locked
    ))$query$,
    p_reminder.name, push.key_object(p_reminder.key_columns, 'c'), p_rows);
$$;
comment on function push.reminder_delete(push.reminders, text) is
  'The statement that deletes the future moments of rows; p_rows is a select of their keys. Waits for no lock.';

create function push.try_reminder(p_reminder push.reminders, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  execute push.reminder_query(p_reminder) using '{}'::bigint[], p_now;
  perform push.refuse_local_times(to_jsonb(p_reminder), format(
    '(select null::interval as before, null::timestamptz as at, null::timestamptz as due_at) as moment left join %s as new on false',
    p_reminder.watched
  ));
  execute push.reminder_insert(p_reminder,
    push.reminder_rows(p_reminder, format('(select * from %s where false)', p_reminder.watched)), '$1') using p_now;
end;
$$;
comment on function push.try_reminder(push.reminders, timestamptz) is
  'Runs a reminder once over no rows: what fails there (a misspelt column, a wrong type, a function that is gone) fails for every row.';

create function push.insert_moments_by_halves(
  p_reminder push.reminders, p_rows anyarray, p_errors integer, p_now timestamptz, p_written boolean default true
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  c_enough constant integer := 100;
  v_count constant integer := cardinality(p_rows);
  v_key jsonb;
  v_detail text;
begin
  if p_errors >= c_enough then
    -- The write waits for this.
    if p_errors = c_enough then
      perform push.note_reminder_error(
        p_reminder.name, null, '54000',
        format('%s rows of one statement failed, and the rest of them were not looked at', p_errors),
        'Correct them, and declare the reminder again.', p_now);
    end if;
    return c_enough + 1;
  end if;
  begin
    execute push.reminder_insert(p_reminder, push.reminder_rows(p_reminder, 'pg_catalog.unnest($1)'), '$2', p_written) using p_rows, p_now;
    return p_errors;
  exception
    when serialization_failure or deadlock_detected then
      raise;
    when assert_failure or others then
      if v_count = 1 then
        get stacked diagnostics v_detail = pg_exception_detail;
        execute 'select ' || push.key_object(p_reminder.key_columns, '($1)') into v_key using p_rows[1];
        perform push.note_reminder_error(p_reminder.name, v_key, sqlstate, sqlerrm, v_detail, p_now);
        return p_errors + 1;
      end if;
  end;
  return push.insert_moments_by_halves(p_reminder, p_rows[v_count / 2 + 1:],
    push.insert_moments_by_halves(p_reminder, p_rows[:v_count / 2], p_errors, p_now, p_written), p_now, p_written);
end;
$$;
comment on function push.insert_moments_by_halves(push.reminders, anyarray, integer, timestamptz, boolean) is
  'Notes the moments of rows among which some are bad: those are found by halves, noted as errors, and go without. Takes and '
  'returns how many those are so far; beyond a hundred nothing is looked at any more.';

create function push.reminder_parts(p_reminder push.reminders, p_rows text)
returns text
language sql
immutable
set search_path = ''
as $$
  select format(
    $query$select array_agg(p.new_row) as new_rows
      from (select row(new.*)::%s as new_row, (row_number() over () - 1) / 1000 as part from %s as new) as p
      group by p.part order by p.part$query$,
    p_reminder.watched, p_rows);
$$;
comment on function push.reminder_parts(push.reminders, text) is
  'The select of rows in parts of a thousand, as arrays, for push.insert_moments_by_halves(); p_rows names the relation.';
