-- The text that a reminder is compiled to.

create function push.same_row(p_reminder push.reminders)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_join text;
begin
  if not exists (select from pg_catalog.pg_class as c where c.oid = p_reminder.watched) then
    raise exception using errcode = 'undefined_table', message = format('its table %s was dropped', p_reminder.table_name);
  end if;
  -- Typed, so that the row is found by its primary key.
  select string_agg(
    format('new.%1$I = (moment.row_key ->> %1$L)::%2$s', k.name, pg_catalog.format_type(a.atttypid, a.atttypmod)),
    ' and ' order by k.place)
  into v_join
  from pg_catalog.unnest(p_reminder.key_columns) with ordinality as k (name, place)
  join pg_catalog.pg_attribute as a on a.attrelid = p_reminder.watched and a.attname = k.name and not a.attisdropped;
  if v_join is null then
    raise exception using errcode = 'undefined_column',
      message = format('%s no longer has the column %s', p_reminder.watched, array_to_string(p_reminder.key_columns, ', '));
  end if;
  return v_join;
end;
$$;
comment on function push.same_row(push.reminders) is
  'The condition by which a row of a reminder''s table is the one of a moment; fails when table or key columns are gone.';

create function push.reminder_query(p_reminder push.reminders)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_lifetime constant text := coalesce(p_reminder.ttl::text, format(
    'coalesce((select t.ttl from public.push_templates as t where t.key = %L and t.locale = ''''), '
    '(select s.default_ttl from push.settings as s))', p_reminder.template
  ));
  v_said constant jsonb := to_jsonb(p_reminder) || jsonb_build_object(
    -- Sent now: a message that counted as due since its moment would look like a backlog after every pause.
    'send_at', 'least($2, pg_catalog.now())',
    -- A message that announces something is of no use once that has begun.
    'expires_at', format(
      E'coalesce((%s\n    )::timestamptz, case when moment.due_at < moment.at '
      'then least(moment.at, $2 + pg_catalog.make_interval(secs => greatest(%s, 60))) end)',
      coalesce(p_reminder.expires_at, 'null'), v_lifetime
    ),
    'idempotency_key', format(
      '''reminder:'' || %L || '':'' || encode(sha256(convert_to('
      'concat_ws('' '', %L, moment.row_key::text, moment.before::text, extract(epoch from moment.at)::text), ''UTF8'')), ''hex'')',
      p_reminder.name, p_reminder.table_name
    )
  );
begin
  -- Every moment comes out of the joins once at least, with the reason why it is not sent or with its recipients.
  -- `offset 0` keeps the steps apart: no text is made of a row whose condition does not hold.
  return push.fill_in(
    $query$with told as materialized (
    select moment.id, verdict.reason, recipient.user_id, message.*
    from (
      select m.id, m.row_key, m.before, m.event_at as at, m.due_at
      from push.reminder_moments as m where m.id = any ($1)
    ) as moment
    left join {{table}} as new on {{same_row}}
    cross join lateral (
      select case
        when new.{{key_column}} is null then 'row_gone'
        when ({{at}}
        ) is distinct from moment.at then 'moved'
        when ({{condition}}
        ) then null
        else 'condition'
      end as reason
      offset 0
    ) as verdict
    left join lateral (
      {{message}}
      where verdict.reason is null
      offset 0
    ) as message on true
    left join lateral (
      select distinct u.user_id from pg_catalog.unnest(push.user_ids({{recipients}}
      )) as u (user_id)
      where verdict.reason is null and exists (select from auth.users as a where a.id = u.user_id)
    ) as recipient on true
  ), inserted as (
    insert into public.push_notifications (user_id, {{columns}})
    select t.user_id, {{columns}}
    from told as t
    where t.user_id is not null
    on conflict do nothing
    returning user_id, idempotency_key
  ), done as (
    update push.reminder_moments as m
    set state = case when v.reason is null and v.recipients > 0 then 'sent' else 'skipped' end,
        reason = case when v.recipients = 0 then coalesce(v.reason, case when v.found > 0 then 'sent_before' else 'no_recipients' end) end,
        recipients = v.recipients, attempts = m.attempts + 1, ended_at = $2
    from (
      select t.id, t.reason, count(t.user_id) as found, count(i.user_id) as recipients
      from told as t
      left join inserted as i on i.idempotency_key = t.idempotency_key and i.user_id = t.user_id
      group by t.id, t.reason
    ) as v
    where m.id = v.id
  )
  select count(*) from inserted$query$,
    jsonb_build_object(
      'table', p_reminder.watched,
      'same_row', push.same_row(p_reminder),
      'key_column', quote_ident(p_reminder.key_columns[1]),
      'at', p_reminder.at,
      'condition', coalesce(p_reminder.condition, 'true'),
      'message', push.message_select(v_said),
      'recipients', case when push.is_query(p_reminder.recipients) then format(E'array(%s\n    )', p_reminder.recipients)
        else p_reminder.recipients end,
      'columns', push.message_columns(v_said)
    )
  );
end;
$$;
comment on function push.reminder_query(push.reminders) is
  'The statement that looks at the rows of some moments ($1, at the time $2), notifies, and ends the moments.';
