-- Supapush: rules, "when this table changes like this, notify these people", and the schedule of the tick.
--
-- push.watch() compiles a rule into one trigger function per event, set-based over the transition tables: a statement
-- that changes ten thousand rows runs one insert. The expressions are the database owner's own SQL and are trusted as
-- such: nobody else may execute push.watch().

create table push.rules (
  name text not null,
  table_schema text not null,
  table_name text not null,
  events text[] not null,
  columns text[],
  condition text,
  recipients text not null,
  title text not null,
  body text,
  url text,
  params text,
  category text,
  urgency text not null,
  ttl integer,
  topic text,
  idempotency_key text,
  tag text,
  created_at timestamptz not null default now(),
  constraint rules_pkey primary key (name),
  constraint rules_name check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint rules_events check (events <@ '{insert,update,delete}' and cardinality(events) > 0)
);
comment on table push.rules is 'Rules as declared by push.watch(); each has a trigger per event on its table.';

create table push.rule_errors (
  id bigint not null generated always as identity,
  rule text not null,
  event text not null,
  sqlstate text not null,
  message text not null,
  detail text,
  occurred_at timestamptz not null default clock_timestamp(),
  constraint rule_errors_pkey primary key (id)
);
comment on table push.rule_errors is 'What went wrong in a rule. The write that fired it went through all the same.';
create index rule_errors_rule_idx on push.rule_errors (rule, occurred_at desc);

alter table push.rules enable row level security;
create policy rules_nobody on push.rules for all to public using (false);
alter table push.rule_errors enable row level security;
create policy rule_errors_nobody on push.rule_errors for all to public using (false);

-- Recipients may be written as one user id or as an array of them.
create function push.user_ids(p_user_id uuid)
returns uuid[]
language sql
immutable
set search_path = ''
as $$ select array[p_user_id]; $$;
comment on function push.user_ids(uuid) is 'One recipient, as a list.';

create function push.user_ids(p_user_ids uuid[])
returns uuid[]
language sql
immutable
set search_path = ''
as $$ select p_user_ids; $$;
comment on function push.user_ids(uuid[]) is 'Recipients, as they are.';

create function push.rule_query(p_rule push.rules, p_event text, p_new text, p_old text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_table regclass := format('%I.%I', p_rule.table_schema, p_rule.table_name)::regclass;
  v_from text;
  v_changed text;
begin
  -- Both names exist for every event, so that one expression serves several: old is all null on insert, new on delete.
  if p_event = 'insert' then
    v_from := format('%1$s as new left join (select * from %1$s as none where false) as old on true', p_new);
  elsif p_event = 'delete' then
    v_from := format('%1$s as old left join (select * from %1$s as none where false) as new on true', p_old);
  else
    -- Old and new versions of a row are matched by primary key.
    select format('%s as new join %s as old on (%s)', p_new, p_old,
      string_agg(format('new.%1$I = old.%1$I', a.attname), ' and ' order by a.attnum))
    into v_from
    from pg_catalog.pg_index as i
    -- The first indnkeyatts columns are the key; after them come those of an INCLUDE clause.
    join pg_catalog.unnest(i.indkey::smallint[]) with ordinality as k (attnum, place) on k.place <= i.indnkeyatts
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = v_table and i.indisprimary;
    select string_agg(
      -- json has no equality of its own.
      case when a.atttypid = 'pg_catalog.json'::regtype then format('new.%1$I::text is distinct from old.%1$I::text', a.attname)
      else format('new.%1$I is distinct from old.%1$I', a.attname) end,
      ' or ' order by a.attnum)
    into v_changed
    from pg_catalog.pg_attribute as a
    where a.attrelid = v_table and a.attname = any (p_rule.columns) and a.attnum > 0 and not a.attisdropped;
  end if;

  return format(
    $query$select recipient.user_id, message.title, message.body, message.url, message.params, %L, %L, %s::integer, %L,
    message.idempotency_key, message.tag, %L
  from %s
  cross join lateral (
    select (%s
    )::text as title, (%s
    )::text as body, (%s
    )::text as url, coalesce((%s
    )::jsonb, '{}') as params, (%s
    )::text as idempotency_key, (%s
    )::text as tag
  ) as message
  cross join lateral (
    select distinct u.user_id from pg_catalog.unnest(push.user_ids(%s
    )) as u (user_id) where exists (select from auth.users as a where a.id = u.user_id)
  ) as recipient
  where (%s) and (%s
  )$query$,
    p_rule.category, p_rule.urgency, coalesce(p_rule.ttl::text, 'null'), p_rule.topic, p_rule.name, v_from,
    p_rule.title, coalesce(p_rule.body, 'null'), coalesce(p_rule.url, 'null'), coalesce(p_rule.params, 'null'),
    coalesce(p_rule.idempotency_key, 'null'), coalesce(p_rule.tag, 'null'),
    case when p_rule.recipients ~* '^\s*(select|with|values|table)\s' then format(E'array(%s\n    )', p_rule.recipients) else p_rule.recipients end,
    coalesce(v_changed, 'true'), coalesce(p_rule.condition, 'true')
  );
end;
$$;
comment on function push.rule_query(push.rules, text, text, text) is
  'The select that turns changed rows into notifications; p_new and p_old name the rows'' relations.';

create function push.unwatch(p_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_function name;
begin
  for v_function in
    select p.proname from pg_catalog.pg_proc as p
    where p.pronamespace = 'push'::regnamespace
      and p.proname in ('rule_' || p_name || '_insert', 'rule_' || p_name || '_update', 'rule_' || p_name || '_delete')
  loop
    execute format('drop function push.%I() cascade', v_function);
  end loop;
  delete from push.rules as r where r.name = p_name;
  return found;
end;
$$;
comment on function push.unwatch(text) is 'Removes a rule and its triggers; false when there was none of that name.';

create function push.watch(
  p_name text,
  p_table regclass,
  p_recipients text,
  p_title text,
  p_body text default null,
  p_url text default null,
  p_params text default null,
  p_events text[] default '{insert}',
  p_columns text[] default null,
  p_condition text default null,
  p_category text default null,
  p_urgency text default 'normal',
  p_ttl integer default null,
  p_topic text default null,
  p_idempotency_key text default null,
  p_tag text default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_rule push.rules;
  v_event text;
  v_missing text;
  v_function text;
  v_schema text;
  v_table text;
  v_kind "char";
begin
  if p_table is null then
    perform push.refuse(400, 'rule_table_missing', 'A rule needs a table.', 'Name it, with its schema: ''public.deals''.');
  end if;
  select n.nspname, c.relname, c.relkind into v_schema, v_table, v_kind
  from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = p_table;
  if p_name is null or p_name !~ '^[a-z][a-z0-9_]{0,39}$' then
    perform push.refuse(400, 'rule_name_malformed',
      'A rule''s name has 1 to 40 characters of a-z 0-9 _ and starts with a letter.', 'Choose another name.');
  end if;
  if v_kind not in ('r', 'p') then
    perform push.refuse(400, 'rule_table_unsuitable', format('%s is not a table.', p_table), 'Watch the table behind it.');
  end if;
  if coalesce(cardinality(p_events), 0) = 0 or not p_events <@ '{insert,update,delete}' then
    perform push.refuse(400, 'rule_events_unknown', 'A rule''s events are insert, update and delete.', 'Name at least one of them.');
  end if;
  if p_urgency is null or p_urgency not in ('very-low', 'low', 'normal', 'high') then
    perform push.refuse(400, 'urgency_unknown', 'This urgency is not known.', 'Use very-low, low, normal or high (RFC 8030).');
  end if;
  if p_recipients is null or p_title is null then
    perform push.refuse(400, 'rule_incomplete', 'A rule needs recipients and a title.', 'Give both as SQL expressions.');
  end if;
  if p_ttl not between 0 and 2419200 then
    perform push.refuse(400, 'ttl_out_of_range', 'ttl is in seconds, from 0 to 2419200 (28 days).', 'Give a ttl in that range.');
  end if;
  if p_topic !~ '^[A-Za-z0-9_-]{1,32}$' then
    perform push.refuse(400, 'topic_malformed', 'A topic has 1 to 32 characters of A-Z a-z 0-9 _ -.', 'Shorten or hash the topic (RFC 8030).');
  end if;
  if octet_length(p_category) > 100 then
    perform push.refuse(400, 'category_too_long', 'A category has at most 100 bytes.', 'Shorten it, such as alerts:DAX.');
  end if;
  if p_columns is not null and not 'update' = any (p_events) then
    perform push.refuse(400, 'rule_columns_without_update', 'Columns are compared on update only.',
      'Add update to the events, or leave the columns out.');
  end if;
  select string_agg(c.name, ', ') into v_missing
  from unnest(p_columns) as c (name)
  where not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = p_table and a.attname = c.name and a.attnum > 0 and not a.attisdropped
  );
  if v_missing is not null then
    perform push.refuse(400, 'rule_columns_unknown', format('%s has no column %s.', p_table, v_missing), 'Correct the columns.');
  end if;
  if 'update' = any (p_events)
    and not exists (select from pg_catalog.pg_index as i where i.indrelid = p_table and i.indisprimary) then
    perform push.refuse(400, 'rule_needs_primary_key',
      format('%s has no primary key, by which old and new rows are matched on update.', p_table), 'Add a primary key.');
  end if;

  perform push.unwatch(p_name);
  insert into push.rules as r (
    name, table_schema, table_name, events, columns, condition, recipients, title, body, url, params,
    category, urgency, ttl, topic, idempotency_key, tag
  )
  values (
    p_name, v_schema, v_table, p_events, p_columns, p_condition, p_recipients, p_title, p_body, p_url, p_params,
    p_category, p_urgency, p_ttl, p_topic, p_idempotency_key, p_tag
  )
  returning r.* into v_rule;

  foreach v_event in array array(select distinct e.name from unnest(p_events) as e (name)) loop
    -- Run once over no rows: a misspelt column or a wrong type is an error here, in the migration, not in the night.
    begin
      execute push.rule_query(v_rule, v_event,
        format('(select * from %s where false)', p_table), format('(select * from %s where false)', p_table));
    exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
      perform push.refuse(400, 'rule_does_not_compile',
        format('Rule %s does not compile for %s: %s', p_name, v_event, sqlerrm),
        'Expressions are SQL over new and old; name every table and function with its schema.');
    end;

    v_function := 'rule_' || p_name || '_' || v_event;
    execute format('create function push.%I() returns trigger language plpgsql security definer set search_path = %L as %L',
      v_function, '', format(
$body$
-- Generated by push.watch(); change the rule, not this function.
#variable_conflict use_column
declare
  v_detail text;
begin
  insert into public.push_notifications
    (user_id, title, body, url, params, category, urgency, ttl, topic, idempotency_key, tag, rule)
  %s
  on conflict do nothing;
  return null;
exception when others then
  -- The application's write comes first: what went wrong here is noted, never raised.
  get stacked diagnostics v_detail = pg_exception_detail;
  insert into push.rule_errors (rule, event, sqlstate, message, detail) values (%L, %L, sqlstate, sqlerrm, v_detail);
  return null;
end;
$body$, push.rule_query(v_rule, v_event, 'push_new_rows', 'push_old_rows'), p_name, v_event));
    execute format('comment on function push.%I() is %L', v_function, 'Rule ' || p_name || ' on ' || v_event || '.');
    execute format('revoke all on function push.%I() from public', v_function);
    execute format('create trigger %I after %s on %s referencing %s for each statement execute function push.%I()',
      'push_' || v_function, v_event, p_table,
      case v_event
        when 'insert' then 'new table as push_new_rows'
        when 'delete' then 'old table as push_old_rows'
        else 'old table as push_old_rows new table as push_new_rows'
      end,
      v_function);
  end loop;
end;
$$;
comment on function push.watch(text, regclass, text, text, text, text, text, text[], text[], text, text, text, integer, text, text, text) is
  'Declares a rule: on these events of the table (on update: only when one of the columns changed) and where the condition holds, '
  'notify the recipients. Recipients, title, body, url, params, condition, idempotency key and tag are SQL expressions over new and old. '
  'Declaring a name again replaces the rule.';

-- Nothing waits longer than this for a bell that was lost. Seconds schedules need pg_cron 1.5 or newer.
select cron.schedule('supapush-tick', '10 seconds', 'select push.tick()');

revoke all on all functions in schema push from public;
