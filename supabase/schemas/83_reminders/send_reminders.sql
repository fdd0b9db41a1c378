-- Sending reminders whose moment has come. Part of the tick.

create function push.pick_due_moments(p_limit integer, p_now timestamptz)
returns table (reminder text, moments bigint[])
language sql
set search_path = ''
-- See push_claim: the planner knows this table as it was when it was last analysed.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
  with due as (
    select m.id, m.reminder from push.reminder_moments as m
    where m.state = 'waiting' and m.try_at <= p_now and m.lapses_at > p_now
      -- Nothing older can still be in its grace: what lapsed in a long pause is not walked over.
      and m.try_at >= p_now - (select coalesce(max(r.grace), interval '0') from push.reminders as r)
    order by m.try_at, m.id
    limit p_limit
    for update skip locked
  )
  select d.reminder, array_agg(d.id) from due as d group by d.reminder;
$$;
comment on function push.pick_due_moments(integer, timestamptz) is
  'Takes the oldest moments that are due and not too late, by reminder, and holds them until the transaction ends.';

create function push.skip_lapsed_moments(p_limit integer, p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
-- See push.pick_due_moments.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_count integer;
begin
  with lapsed as (
    select m.id from push.reminder_moments as m
    where m.state = 'waiting' and m.try_at <= p_now and m.lapses_at <= p_now
    order by m.try_at, m.id
    limit p_limit
    for update skip locked
  )
  update push.reminder_moments as m
  set state = case when m.attempts > 0 then 'failed' else 'skipped' end,
      reason = case when m.attempts > 0 then 'error' else 'too_late' end,
      ended_at = p_now
  from lapsed as l
  where m.id = l.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.skip_lapsed_moments(integer, timestamptz) is
  'Gives up moments for which it is too late, and notes that; returns how many.';

create function push.send_moments(p_reminder text, p_moments bigint[], p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
set timezone = 'UTC'
set intervalstyle = 'postgres'
-- A transaction that changes the table, or removes a user, may take long: messages to other users do not wait for it.
set lock_timeout = '1s'
as $$
declare
  v_count constant integer := cardinality(p_moments);
  v_reminder push.reminders;
  v_told integer;
  v_detail text;
  v_of_all boolean;
begin
  select r.* into v_reminder from push.reminders as r where r.name = p_reminder;
  if v_reminder.name is null then
    delete from push.reminder_moments as m where m.id = any (p_moments);
    return 0;
  end if;
  begin
    execute push.reminder_query(v_reminder) into v_told using p_moments, p_now;
    return v_told;
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics v_detail = pg_exception_detail;
    -- An error of the whole reminder, or a passing one that is not about a row (locks, timeouts, resources): all moments are
    -- tried again later. Neither may end the tick, which sends the messages of other users, too.
    v_of_all := left(sqlstate, 2) in ('40', '53', '55', '57');
    if sqlstate like '42%' then
      -- A column is gone; or there is no table of the name that one row has: new.name::regclass.
      begin
        perform push.try_reminder(v_reminder, p_now);
      exception when query_canceled or assert_failure or others then
        v_of_all := true;
      end;
    end if;
    if v_count = 1 or v_of_all then
      perform push.note_reminder_error(
        p_reminder,
        case when v_count = 1 and not (v_of_all and sqlstate like '42%') then (select m.row_key from push.reminder_moments as m where m.id = p_moments[1]) end,
        sqlstate, sqlerrm, v_detail, p_now);
      update push.reminder_moments as m
      -- One, two, four minutes, until it is too late.
      set attempts = m.attempts + 1,
          try_at = least(p_now + interval '1 minute' * power(2, least(m.attempts, 10)), m.lapses_at)
      where m.id = any (p_moments);
      return 0;
    end if;
  end;
  -- One of them fails: the others are found by halves.
  return push.send_moments(p_reminder, p_moments[:v_count / 2], p_now)
    + push.send_moments(p_reminder, p_moments[v_count / 2 + 1:], p_now);
end;
$$;
comment on function push.send_moments(text, bigint[], timestamptz) is
  'Sends some moments of one reminder, or puts off those that fail; returns how many notifications were made.';

create function push.send_reminders(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
as $$
declare
  c_batch constant integer := 500;
  -- Each costs several milliseconds to find, and all of this is one transaction of the tick: the rest is for the next one.
  c_most_failed constant integer := 100;
  v_due record;
  v_found integer;
  v_failed integer := 0;
  v_moments integer := 0;
  v_told integer := 0;
begin
  loop
    v_found := 0;
    for v_due in select d.reminder, d.moments from push.pick_due_moments(least(p_limit, c_batch), p_now) as d loop
      v_found := v_found + cardinality(v_due.moments);
      v_told := v_told + push.send_moments(v_due.reminder, v_due.moments, p_now);
      v_failed := v_failed + (
        select count(*) from push.reminder_moments as m where m.id = any (v_due.moments) and m.state = 'waiting'
      );
    end loop;
    v_moments := v_moments + v_found;
    exit when v_found = 0 or v_moments >= p_limit or v_told >= p_limit or v_failed >= c_most_failed;
  end loop;
  perform push.skip_lapsed_moments(p_limit, p_now);
  return v_told;
end;
$$;
comment on function push.send_reminders(integer, timestamptz) is
  'Sends the reminders that are due, about p_limit of them at most, and gives up those that are too late; returns how many notifications were made.';

create function push.check_reminders(p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
set timezone = 'UTC'
-- A table that is being changed is looked at the next time.
set lock_timeout = '100ms'
as $$
declare
  v_reminder push.reminders;
  v_triggers integer;
  v_broken integer := 0;
begin
  for v_reminder in select r.* from push.reminders as r order by r.name loop
    begin
      perform push.try_reminder(v_reminder, p_now);
      select count(*) into v_triggers
      from pg_catalog.pg_trigger as t
      where t.tgrelid = v_reminder.watched and t.tgenabled in ('O', 'A')
        and t.tgname = any (array(
          select 'push_reminder_' || v_reminder.name || '_' || e.name
          from unnest('{insert,update,delete,truncate}'::text[]) as e (name)
        ));
      if v_triggers < 4 then
        raise exception using errcode = 'undefined_object',
          message = format('its triggers on %s are missing or disabled', v_reminder.watched);
      end if;
      perform push.compile_reminder(v_reminder);
      perform push.resolve_alarm('reminder_broken', v_reminder.name, p_now);
    exception
      when syntax_error_or_access_rule_violation then
        v_broken := v_broken + 1;
        perform push.raise_alarm('reminder_broken', v_reminder.name,
          format('Reminder %s no longer works: %s. Declare it again, or remove it with push.unremind().',
            v_reminder.name, sqlerrm),
          p_now);
      when assert_failure or others then
        continue;
    end;
  end loop;
  return v_broken;
end;
$$;
comment on function push.check_reminders(timestamptz) is
  'Looks whether each reminder still fits its table, makes its trigger functions anew where they should be others, and raises or resolves its '
  'alarm; returns how many do not.';

create function push.clean_reminders(p_limit integer, p_keep interval, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_count bigint;
begin
  delete from push.reminder_moments as m
  where m.id in (
    select o.id from push.reminder_moments as o
    where o.ended_at <= p_now - p_keep
    order by o.ended_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.clean_reminders(integer, interval, timestamptz) is
  'Removes moments that ended longer ago than p_keep, at most p_limit; returns how many.';

create function push.reminder_health(p_now timestamptz)
returns jsonb
language sql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
  -- Counted up to a limit, along the indexes.
  select jsonb_build_object(
    'overdue', (
      select count(*) from (
        select from push.reminder_moments as m
        where m.state = 'waiting' and m.try_at <= p_now - interval '1 minute'
        limit 10000
      ) as w
    ),
    'errors', (
      select count(*) from (
        select from push.reminder_errors as e
        where e.occurred_at > p_now - interval '1 hour' and e.occurred_at <= p_now
        limit 10000
      ) as w
    )
  );
$$;
comment on function push.reminder_health(timestamptz) is
  'Reminders that should have been sent for more than a minute, and errors of the last hour; up to 10,000 of each.';
