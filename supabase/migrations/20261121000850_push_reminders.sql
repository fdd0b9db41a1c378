-- Supapush: reminders, "an hour before bookings.starts_at, if it is still confirmed".
--
-- push.remind() works out for every row when it is due, and keeps those moments in a table of their own, which triggers
-- on the watched table keep up to date. So the tick finds what is due along an index, however large the table is. What
-- a reminder says, to whom and whether at all is decided when it is due, on the row as it is then. The expressions are
-- the database owner's own SQL and are trusted as such: nobody else may execute push.remind().

create table push.reminders (
  name text not null,
  watched regclass not null,
  table_name text not null,
  key_columns text[] not null,
  at text not null,
  before interval[] not null,
  timezone text,
  grace interval not null,
  condition text,
  recipients text not null,
  title text,
  body text,
  url text,
  params text,
  template text,
  category text,
  urgency text,
  ttl integer,
  tag text,
  digest_key text,
  presentation text,
  created_at timestamptz not null default now(),
  constraint reminders_pkey primary key (name),
  constraint reminders_name check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint reminders_before check (cardinality(before) between 1 and 20),
  constraint reminders_grace check (grace >= interval '1 minute'),
  constraint reminders_text check (num_nonnulls(title, template) > 0)
);
comment on table push.reminders is 'Reminders as declared by push.remind(); each has four triggers on its table.';
comment on column push.reminders.watched is 'The table itself, so that it may be renamed and moved.';
comment on column push.reminders.table_name is 'What the table was called when it was declared: to speak of it once it is gone.';
comment on column push.reminders.key_columns is 'The primary key when it was declared; the moments know their rows by it.';
comment on column push.reminders.before is 'How long before the row''s time; negative: after it.';
comment on column push.reminders.timezone is 'In whose calendar days, months and years are counted back, as an SQL expression; UTC when null.';
comment on column push.reminders.urgency is 'Null: that of the template, or normal.';
comment on column push.reminders.grace is 'How much later than its moment a reminder may still be sent.';

create table push.reminder_moments (
  id bigint not null generated always as identity,
  -- No foreign key: it would make every writer of the watched table lock the same row.
  reminder text not null,
  row_key jsonb not null,
  before interval not null,
  event_at timestamptz not null,
  due_at timestamptz not null,
  lapses_at timestamptz not null,
  try_at timestamptz not null,
  attempts integer not null default 0,
  state text not null default 'waiting',
  reason text,
  recipients integer,
  settled_at timestamptz,
  constraint reminder_moments_pkey primary key (id),
  constraint reminder_moments_state check (state in ('waiting', 'sent', 'skipped', 'failed')),
  constraint reminder_moments_settled check ((state = 'waiting') = (settled_at is null))
);
comment on table push.reminder_moments is
  'When a row is reminded of, one per row and offset: those to come, and for a while what became of the others.';
comment on column push.reminder_moments.row_key is 'The primary key of the row, by column.';
comment on column push.reminder_moments.event_at is 'The row''s time, of which it reminds.';
comment on column push.reminder_moments.lapses_at is
  'From then on it is too late: the grace is over, or what should have been announced has begun.';
comment on column push.reminder_moments.try_at is 'When the tick takes it: due_at, or later after an error.';
comment on column push.reminder_moments.reason is
  'Why it was not sent: too_late, condition (did not hold), no_recipients, sent_before (and came up again), moved or row_gone (noticed only now), error (see push.reminder_errors).';
comment on column push.reminder_moments.recipients is 'How many users were told.';

create index reminder_moments_due_idx on push.reminder_moments (try_at, id) where state = 'waiting';
-- Not unique, which would cost every writer more than the rest: what is sent twice is told by its idempotency key.
create index reminder_moments_row_idx on push.reminder_moments (row_key, reminder) where state = 'waiting';
create index reminder_moments_settled_idx on push.reminder_moments (settled_at) where settled_at is not null;

create table push.reminder_errors (
  id bigint not null generated always as identity,
  reminder text not null,
  row_key jsonb,
  sqlstate text not null,
  message text not null,
  detail text,
  occurred_at timestamptz not null default clock_timestamp(),
  constraint reminder_errors_pkey primary key (id)
);
comment on table push.reminder_errors is
  'What went wrong in a reminder, when its row was written or when it was due. The write went through all the same.';
comment on column push.reminder_errors.row_key is
  'The row it is about, numbers beyond 2^53 as text; null when it is about the whole reminder.';
create index reminder_errors_reminder_idx on push.reminder_errors (reminder, occurred_at desc);
create index reminder_errors_age_idx on push.reminder_errors (occurred_at);

alter table push.reminders enable row level security;
create policy reminders_nobody on push.reminders for all to public using (false);
alter table push.reminder_moments enable row level security;
create policy reminder_moments_nobody on push.reminder_moments for all to public using (false);
alter table push.reminder_errors enable row level security;
create policy reminder_errors_nobody on push.reminder_errors for all to public using (false);

create function push.note_reminder_error(
  p_reminder text, p_row_key jsonb, p_sqlstate text, p_message text, p_detail text,
  p_now timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into push.reminder_errors (reminder, row_key, sqlstate, message, detail, occurred_at)
  values (p_reminder, push.exact_numbers(p_row_key), p_sqlstate, p_message, p_detail, p_now);
  -- Class 42, of no single row: a column, a table or a function is no longer what it was, and no row will go any better.
  if p_sqlstate like '42%' and p_row_key is null then
    perform push.raise_alarm('reminder_broken', p_reminder,
      format('Reminder %s no longer works: %s. Declare it again, or remove it with push.unremind().',
        p_reminder, p_message),
      p_now);
  end if;
end;
$$;
comment on function push.note_reminder_error(text, jsonb, text, text, text, timestamptz) is
  'Notes what went wrong in a reminder; raises an alarm when it is the reminder itself that is broken.';

-- moments ------------------------------------------------------------------------------------------------------

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
    -- The grace is for a tick that was late. Who books 71.9 hours ahead is not told at once that it is in three days.
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
  'The statement that takes back the moments to come of rows; p_rows is a select of their keys. Waits for nobody.';

create function push.try_reminder(p_reminder push.reminders, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  execute push.reminder_query(p_reminder) using '{}'::bigint[], p_now;
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
    when others then
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

create function push.drop_reminder_triggers(p_name text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_function name;
begin
  for v_function in
    select p.proname from pg_catalog.pg_proc as p
    where p.pronamespace = 'push'::regnamespace
      and p.proname = any (array(
        select 'reminder_' || p_name || '_' || e.name from unnest('{insert,update,delete,truncate}'::text[]) as e (name)
      ))
  loop
    execute format('drop function push.%I() cascade', v_function);
  end loop;
end;
$$;
comment on function push.drop_reminder_triggers(text) is 'Removes the triggers of a reminder with their functions.';

create function push.create_reminder_triggers(p_reminder push.reminders)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_new constant text := push.reminder_rows(p_reminder, 'push_new_rows');
  c_old constant text := push.reminder_rows(p_reminder, 'push_old_rows');
  v_event text;
  v_work text;
  v_rescue text;
  v_function text;
begin
  foreach v_event in array '{insert,update,delete,truncate}'::text[] loop
    v_rescue := format('perform push.note_reminder_error(%L, null, sqlstate, sqlerrm, v_detail);', p_reminder.name);
    if v_event = 'insert' then
      v_work := push.reminder_insert(p_reminder, c_new, 'pg_catalog.clock_timestamp()') || ';';
    elsif v_event = 'update' then
      v_work := format(E'if exists (%s except %s) then\n    %s;\n    %s;\n  end if;', c_new, c_old,
        push.reminder_delete(p_reminder, format('%s except %s', c_old, c_new)),
        push.reminder_insert(p_reminder, format('%s except %s', c_new, c_old), 'pg_catalog.clock_timestamp()'));
    elsif v_event = 'delete' then
      v_work := push.reminder_delete(p_reminder, 'select old.* from push_old_rows as old') || ';';
    else
      v_work := format('delete from push.reminder_moments as m where m.reminder = %L and m.state = ''waiting'';', p_reminder.name);
    end if;
    if v_event in ('insert', 'update') then
      v_rescue := format(
$body$declare
      v_reminder push.reminders;
      v_part record;
      v_errors integer := 0;
    begin
      select r.* into v_reminder from push.reminders as r where r.name = %L;
      -- Over no rows first: what fails there fails for each of them.
      execute push.reminder_insert(v_reminder, push.reminder_rows(v_reminder, '(select * from push_new_rows where false)'), '$1')
        using pg_catalog.clock_timestamp();
      %sfor v_part in execute push.reminder_parts(v_reminder, 'push_new_rows') loop
        v_errors := push.insert_moments_by_halves(v_reminder, v_part.new_rows, v_errors, pg_catalog.clock_timestamp());
      end loop;
    exception
      when serialization_failure or deadlock_detected then
        raise;
      when others then
        get stacked diagnostics v_detail = pg_exception_detail;
        %s
    end;$body$,
        p_reminder.name,
        case when v_event = 'update' then push.reminder_delete(p_reminder, 'select old.* from push_old_rows as old') || E';\n      ' else '' end,
        v_rescue);
    end if;

    v_function := 'reminder_' || p_reminder.name || '_' || v_event;
    -- Each look-up by the index: a session keeps its plan, which may be from before there were any moments.
    execute format('create function push.%I() returns trigger language plpgsql security definer set search_path = %L '
      'set timezone = %L set enable_seqscan = off set enable_bitmapscan = off set jit = off as %L', v_function, '', 'UTC', format(
$body$
-- Generated by push.remind(); change the reminder, not this function.
#variable_conflict use_column
declare
  v_detail text;
begin
  %s
  return null;
exception
  when serialization_failure or deadlock_detected then
    -- A transaction that is isolated so strictly is prepared to be run again, and then the reminder is right as well.
    raise;
  when others then
    -- The application's write comes first: what went wrong here is noted, never raised.
    get stacked diagnostics v_detail = pg_exception_detail;
    %s
    return null;
end;
$body$, v_work, v_rescue));
    execute format('comment on function push.%I() is %L', v_function, 'Reminder ' || p_reminder.name || ' on ' || v_event || '.');
    execute format('revoke all on function push.%I() from public', v_function);
    execute format('create trigger %I after %s on %s %s for each statement execute function push.%I()',
      'push_' || v_function, v_event, p_reminder.watched,
      case v_event
        when 'insert' then 'referencing new table as push_new_rows'
        when 'update' then 'referencing old table as push_old_rows new table as push_new_rows'
        when 'delete' then 'referencing old table as push_old_rows'
        else ''
      end,
      v_function);
  end loop;
end;
$$;
comment on function push.create_reminder_triggers(push.reminders) is
  'Makes the triggers that keep the moments of a reminder as its table says.';

-- declaring ----------------------------------------------------------------------------------------------------

create function push.unremind(p_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_found boolean := false;
begin
  -- The triggers first: dropping them waits for those who are writing, so no moment is noted after this.
  perform push.drop_reminder_triggers(p_name);
  delete from push.reminders as r where r.name = p_name;
  v_found := found;
  delete from push.reminder_moments as m where m.reminder = p_name;
  perform push.resolve_alarm('reminder_broken', p_name);
  return v_found;
end;
$$;
comment on function push.unremind(text) is
  'Removes a reminder with its triggers and moments; false when there was none of that name.';

create function push.check_reminder_expressions(p_reminder push.reminders)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_rows constant text := format('(select * from %s where false)', p_reminder.watched);
  v_type regtype;
begin
  begin
    -- Over no rows: a misspelt column or a wrong type is an error here, in the migration, not in the night.
    execute format(E'select pg_catalog.pg_typeof((select (%s\n) from %s as new))', p_reminder.at, v_rows) into v_type;
    v_type := (select coalesce(nullif(t.typbasetype, 0), t.oid)::regtype from pg_catalog.pg_type as t where t.oid = v_type);
    if v_type = 'timestamptz'::regtype then
      perform push.try_reminder(p_reminder, clock_timestamp());
    end if;
  exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported or cardinality_violation then
    perform push.refuse(400, 'reminder_does_not_compile',
      format('Reminder %s does not compile: %s', p_reminder.name, sqlerrm),
      'Expressions are SQL over new (and moment, the time it reminds of); name every table and function with its schema.');
  end;
  if v_type <> 'timestamptz'::regtype then
    perform push.refuse(400, 'reminder_time_without_zone',
      format('The time of reminder %s is a %s, which has no time zone.', p_reminder.name, v_type),
      'Use a timestamptz, such as: new.starts_at at time zone ''Europe/Berlin'' '
      'or, of a date: (new.day + time ''09:00'') at time zone ''Europe/Berlin''.');
  end if;
  begin
    -- The condition of a trigger may look at its row alone, and so must the time: nothing would tell when another table's
    -- changes. Made to be refused, and never kept.
    execute format(
      E'create trigger push_reminder_check after update on %s for each row when (((%s\n)::text || (%s\n)::text) is null) '
      'execute function push.check_notification()',
      p_reminder.watched, p_reminder.at, coalesce(p_reminder.timezone, 'null'));
    raise exception using errcode = 'PT200', message = 'The trigger can be made, and is taken back.';
  exception
    when sqlstate 'PT200' then
      return;
    when syntax_error_or_access_rule_violation or feature_not_supported then
      perform push.refuse(400, 'reminder_time_not_of_its_row',
        format('The time of reminder %s must depend only on its row: %s', p_reminder.name, sqlerrm),
        'Watch the table that has the time, and use a query for the recipients.');
  end;
end;
$$;
comment on function push.check_reminder_expressions(push.reminders) is
  'Refuses a reminder whose expressions do not compile, or whose time is none that triggers could keep up with.';

create function push.remind(
  p_name text,
  p_table regclass,
  p_at text,
  p_before interval[],
  p_recipients text,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params text default null,
  p_condition text default null,
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_tag text default null,
  p_template text default null,
  p_digest_key text default null,
  p_timezone text default null,
  p_grace interval default '15 minutes',
  p_presentation text default null,
  p_now timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_reminder push.reminders;
  v_kind "char";
  v_keys constant text[] := push.key_columns(p_table);
  v_part_errors integer;
  v_errors integer := 0;
begin
  if p_table is null then
    perform push.refuse(400, 'reminder_table_missing', 'A reminder needs a table.', 'Name it, with its schema: ''public.bookings''.');
  end if;
  if p_name is null or p_name !~ '^[a-z][a-z0-9_]{0,39}$' then
    perform push.refuse(400, 'reminder_name_malformed',
      'A reminder''s name must have 1 to 40 characters from a-z 0-9 _ and start with a letter.', 'Choose another name.');
  end if;
  select c.relkind into v_kind from pg_catalog.pg_class as c where c.oid = p_table;
  if v_kind not in ('r', 'p') then
    perform push.refuse(400, 'reminder_table_unsuitable', format('%s is not a table.', p_table), 'Use the table behind it.');
  end if;
  if p_at is null or p_recipients is null or num_nonnulls(p_title, p_template) = 0 then
    perform push.refuse(400, 'reminder_incomplete', 'A reminder needs a time, recipients, and a title or a template.',
      'Give time, recipients and title as SQL expressions.');
  end if;
  if coalesce(cardinality(p_before), 0) not between 1 and 20 or array_position(p_before, null) is not null
    or (select count(*) <> count(distinct o.before) or not bool_and(isfinite(o.before)) from unnest(p_before) as o (before)) then
    perform push.refuse(400, 'reminder_before_malformed', 'A reminder must have 1 to 20 different offsets.',
      'Give them as intervals, such as ''{1 day,1 hour}''. A negative one is after the time.');
  end if;
  if p_grace is null or p_grace < interval '1 minute' or p_grace > interval '1 year' then
    perform push.refuse(400, 'reminder_grace_out_of_range', 'The grace of a reminder must be between a minute and a year.',
      'Leave it out to use 15 minutes.');
  end if;
  if p_urgency not in ('very-low', 'low', 'normal', 'high') then
    perform push.refuse(400, 'urgency_unknown', 'Unknown urgency.', 'Use very-low, low, normal or high (RFC 8030).');
  end if;
  if p_ttl not between 0 and 2419200 then
    perform push.refuse(400, 'ttl_out_of_range', 'ttl must be from 0 to 2419200 seconds (28 days).', 'Use a ttl in that range.');
  end if;
  perform push.refuse_category(p_category);
  if v_keys is null then
    perform push.refuse(400, 'reminder_needs_primary_key',
      format('%s has no primary key, which is needed to find the row when the reminder is due.', p_table), 'Add a primary key.');
  end if;
  if exists (
    select from pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid
    where a.attrelid = p_table and a.attname = any (v_keys) and t.typcategory in ('A', 'C')
  ) then
    -- What JSON makes of them is not read back as what they were.
    perform push.refuse(400, 'reminder_key_unsuitable',
      format('The primary key of %s contains an array or a composite type.', p_table), 'Use a primary key with plain values.');
  end if;

  perform push.drop_reminder_triggers(p_name);
  delete from push.reminder_moments as m where m.reminder = p_name and m.state = 'waiting';
  delete from push.reminders as r where r.name = p_name;
  insert into push.reminders as r (
    name, watched, table_name, key_columns, at, before, timezone, grace, condition, recipients, title, body, url, params,
    template, category, urgency, ttl, tag, digest_key, presentation
  )
  values (
    p_name, p_table, p_table::text, v_keys, p_at, p_before, p_timezone, p_grace, p_condition, p_recipients, p_title, p_body,
    p_url, p_params, p_template, p_category, p_urgency, p_ttl, p_tag, p_digest_key, p_presentation
  )
  returning r.* into v_reminder;
  perform push.check_reminder_expressions(v_reminder);
  perform push.refuse_constants(p_url, p_presentation);
  -- Making triggers holds up writers until commit, so between them and the rows that are there already nothing is lost.
  perform push.create_reminder_triggers(v_reminder);
  begin
    execute push.reminder_insert(v_reminder, push.reminder_rows(v_reminder, p_table::text), '$1', false) using p_now;
  exception
    when serialization_failure or deadlock_detected then
      raise;
    when others then
      -- By one statement of SQL: a variable of this function would keep the type of the table of its first call in a session.
      for v_part_errors in
        execute format('select push.insert_moments_by_halves($1, p.new_rows, 0, $2, false) as errors from (%s) as p',
          push.reminder_parts(v_reminder, p_table::text))
        using v_reminder, p_now
      loop
        v_errors := v_errors + v_part_errors;
        exit when v_errors > 100;
      end loop;
      if v_errors > 100 then
        -- Not bad rows, but a time that does not suit the table.
        perform push.refuse(400, 'reminder_time_unusable',
          format('The time cannot be computed for 100 or more rows of %s, such as %s: %s', p_table, e.row_key, e.message),
          'Correct the rows, or use a time that is null for rows without one.')
        from push.reminder_errors as e
        where e.reminder = p_name and e.row_key is not null
        order by e.id desc
        limit 1;
      end if;
  end;
  perform push.resolve_alarm('reminder_broken', p_name, p_now);
end;
$$;
comment on function push.remind(
  text, regclass, text, interval[], text, text, text, text, text, text, text, text, integer, text, text, text, text, interval, text, timestamptz
) is
  'Declares a reminder: so long before (negative: after) the time of each row and where the condition holds then, notify the recipients. '
  'Time, recipients, title, body, url, params, condition, tag, digest key, presentation and timezone are SQL expressions over new, all but time and '
  'timezone also over moment (at, before, due_at). Declaring a name again replaces the reminder and repeats nothing that was sent.';

revoke all on all functions in schema push from public;
