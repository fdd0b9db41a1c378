-- push.remind() and push.unremind(), which make and remove a reminder.

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
  'Removes a reminder with its triggers and moments; false when there was none of that name. For the database owner.';

create function push.check_reminder_expressions(p_reminder push.reminders)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_type regtype;
begin
  begin
    -- Over no rows: a misspelt column or a wrong type is an error here, in the migration, not in the night.
    v_type := push.expression_type(p_reminder.at, format('(select) as one left join %s as new on false', p_reminder.watched));
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

create function push.check_reminder(p_reminder push.reminders)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_reminder.watched is null then
    perform push.refuse(400, 'reminder_table_missing', 'A reminder needs a table.', 'Name it, with its schema: ''public.bookings''.');
  end if;
  if not push.is_declared_name(p_reminder.name) then
    perform push.refuse(400, 'reminder_name_malformed',
      'A reminder''s name must have 1 to 40 characters from a-z 0-9 _ and start with a letter.', 'Choose another name.');
  end if;
  if not push.is_table(p_reminder.watched) then
    perform push.refuse(400, 'reminder_table_unsuitable', format('%s is not a table.', p_reminder.watched), 'Use the table behind it.');
  end if;
  if p_reminder.at is null or p_reminder.recipients is null or num_nonnulls(p_reminder.title, p_reminder.template) = 0 then
    perform push.refuse(400, 'reminder_incomplete', 'A reminder needs a time, recipients, and a title or a template.',
      'Give time, recipients and title as SQL expressions.');
  end if;
  if coalesce(cardinality(p_reminder.before), 0) not between 1 and 20 or array_position(p_reminder.before, null) is not null
    or (select count(*) <> count(distinct o.before) or not bool_and(isfinite(o.before)) from unnest(p_reminder.before) as o (before)) then
    perform push.refuse(400, 'reminder_before_malformed', 'A reminder must have 1 to 20 different offsets.',
      'Give them as intervals, such as ''{1 day,1 hour}''. A negative one is after the time.');
  end if;
  if p_reminder.grace is null or p_reminder.grace < interval '1 minute' or p_reminder.grace > interval '1 year' then
    perform push.refuse(400, 'reminder_grace_out_of_range', 'The grace of a reminder must be between a minute and a year.',
      'Leave it out to use 15 minutes.');
  end if;
  perform push.check_message(jsonb_populate_record(null::push.message, jsonb_build_object(
    'urgency', p_reminder.urgency, 'ttl', p_reminder.ttl, 'collapse_key', p_reminder.collapse_key, 'category', p_reminder.category
  )));
  if p_reminder.key_columns is null then
    perform push.refuse(400, 'reminder_needs_primary_key',
      format('%s has no primary key, which is needed to find the row when the reminder is due.', p_reminder.watched), 'Add a primary key.');
  end if;
  if exists (
    select from pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid
    where a.attrelid = p_reminder.watched and a.attname = any (p_reminder.key_columns) and t.typcategory in ('A', 'C')
  ) then
    -- Arrays and composite types cannot be read back from JSON as they were.
    perform push.refuse(400, 'reminder_key_unsuitable',
      format('The primary key of %s contains an array or a composite type.', p_reminder.watched), 'Use a primary key with plain values.');
  end if;
end;
$$;
comment on function push.check_reminder(push.reminders) is
  'Raises what is wrong with a reminder that is declared, before its expressions are compiled; returns when nothing is.';

create function push.insert_moments_of_table(p_reminder push.reminders, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_part_errors integer;
  v_errors integer := 0;
begin
  execute push.reminder_insert(p_reminder, push.reminder_rows(p_reminder, p_reminder.watched::text), '$1', false) using p_now;
exception
  when serialization_failure or deadlock_detected then
    raise;
  when others then
    -- By one statement of SQL: a variable of this function would keep the type of the table of its first call in a session.
    for v_part_errors in
      execute format('select push.insert_moments_by_halves($1, p.new_rows, 0, $2, false) as errors from (%s) as p',
        push.reminder_parts(p_reminder, p_reminder.watched::text))
      using p_reminder, p_now
    loop
      v_errors := v_errors + v_part_errors;
      exit when v_errors > 100;
    end loop;
    if v_errors > 100 then
      -- Not bad rows, but a time that does not suit the table.
      perform push.refuse(400, 'reminder_time_unusable',
        format('The time cannot be computed for 100 or more rows of %s, such as %s: %s', p_reminder.watched, e.row_key, e.message),
        'Correct the rows, or use a time that is null for rows without one.')
      from push.reminder_errors as e
      where e.reminder = p_reminder.name and e.row_key is not null
      order by e.id desc
      limit 1;
    end if;
end;
$$;
comment on function push.insert_moments_of_table(push.reminders, timestamptz) is
  'Notes the moments of the rows that a table has when its reminder is declared; bad rows go without, and more than a hundred are refused.';

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
  p_collapse_key text default null,
  p_expires_at text default null,
  p_now timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_reminder push.reminders;
begin
  v_reminder := jsonb_populate_record(null::push.reminders, jsonb_build_object(
    'name', p_name, 'watched', p_table::oid::text, 'table_name', p_table::text, 'key_columns', push.key_columns(p_table),
    'at', p_at, 'timezone', p_timezone, 'condition', p_condition,
    'recipients', p_recipients, 'title', p_title, 'body', p_body, 'url', p_url, 'params', p_params, 'template', p_template,
    'category', p_category, 'urgency', p_urgency, 'ttl', p_ttl, 'tag', p_tag, 'digest_key', p_digest_key,
    'presentation', p_presentation, 'collapse_key', p_collapse_key, 'expires_at', p_expires_at
  ));
  -- Not by way of text, which is in the session's style.
  v_reminder.before := p_before;
  v_reminder.grace := p_grace;
  v_reminder.created_at := now();
  perform push.check_reminder(v_reminder);

  perform push.drop_reminder_triggers(p_name);
  delete from push.reminder_moments as m where m.reminder = p_name and m.state = 'waiting';
  delete from push.reminders as r where r.name = p_name;
  insert into push.reminders values (v_reminder.*);
  perform push.check_reminder_expressions(v_reminder);
  perform push.refuse_constants(p_url, p_presentation);
  -- Making triggers holds up writers until commit, so between them and the rows that are there already nothing is lost.
  perform push.create_reminder_triggers(v_reminder);
  perform push.insert_moments_of_table(v_reminder, p_now);
  perform push.resolve_alarm('reminder_broken', p_name, p_now);
end;
$$;
comment on function push.remind(
  text, regclass, text, interval[], text, text, text, text, text, text, text, text, integer, text, text, text, text, interval, text, text, text, timestamptz
) is
  'Declares a reminder: so long before (negative: after) the time of each row and where the condition holds then, notify the recipients. '
  'Time, recipients, title, body, url, params, condition, tag, digest key, presentation, the time to expire at and timezone are SQL expressions over new, all but time and '
  'timezone also over moment (at, before, due_at). Declaring a name again replaces the reminder and repeats nothing that was sent. For the database owner.

p_table: The table whose rows are reminded of; it has a primary key.';
