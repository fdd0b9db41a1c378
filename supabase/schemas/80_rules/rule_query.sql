-- The text that a rule is compiled to.

create function push.key_columns(p_table regclass)
returns text[]
language sql
stable
set search_path = ''
as $$
  select array_agg(a.attname::text order by k.place)
  from pg_catalog.pg_index as i
  -- The first indnkeyatts columns are the key; after them come those of an INCLUDE clause.
  join pg_catalog.unnest(i.indkey::smallint[]) with ordinality as k (attnum, place) on k.place <= i.indnkeyatts
  join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = p_table and i.indisprimary;
$$;
comment on function push.key_columns(regclass) is 'The columns of a table''s primary key, in its order; null when it has none.';

create function push.key_object(p_columns text[], p_row text)
returns text
language sql
immutable
set search_path = ''
as $$
  select format('pg_catalog.jsonb_build_object(%s)', string_agg(format('%L, %s.%I', k.name, p_row, k.name), ', ' order by k.place))
  from unnest(p_columns) with ordinality as k (name, place);
$$;
comment on function push.key_object(text[], text) is
  'The expression that makes the key of a row as JSON: of these columns alone, since another may hold what jsonb does not.';

create function push.missing_columns(p_table regclass, p_columns text[])
returns text
language sql
stable
set search_path = ''
as $$
  select string_agg(c.name, ', ')
  from unnest(p_columns) as c (name)
  where not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = p_table and a.attname = c.name and a.attnum > 0 and not a.attisdropped
  );
$$;
comment on function push.missing_columns(regclass, text[]) is 'Which of these columns a table does not have; null when it has them all.';

create function push.has_equality(p_table regclass, p_column text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  -- Compares one null, so that no row is read. The first comparison fails for types whose parts have no right equality: a row
  -- with json in it, a list of points, a box (whose = compares areas). The second fails where = is not found by this path.
  execute format(
    'select row(t.%1$I)::record = row(t.%1$I)::record, t.%1$I is distinct from t.%1$I
    from (select) as one left join %2$s as t on false',
    p_column, p_table);
  return true;
exception when undefined_function then
  return false;
end;
$$;
comment on function push.has_equality(regclass, text) is 'Whether `is distinct from` tells any two values of a column apart.';

create function push.column_differs(p_table regclass, p_column text)
returns text
language sql
stable
set search_path = ''
as $$
  -- json and others have no equality: of those the bytes are compared, which no value can make fail.
  select format(
    case when push.has_equality(p_table, p_column) then 'new.%1$I is distinct from old.%1$I'
    else 'row(new.%1$I)::record operator(pg_catalog.*<>) row(old.%1$I)::record' end,
    p_column);
$$;
comment on function push.column_differs(regclass, text) is 'The expression that says whether a column changed, over the rows new and old.';

create function push.rule_comparisons(p_rule push.rules)
returns table (name text, differs text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_missing constant text := push.missing_columns(p_rule.watched, p_rule.columns);
begin
  if v_missing is not null then
    raise exception using errcode = 'undefined_column', message = format('%s has no column %s', p_rule.watched, v_missing);
  end if;
  return query
  select a.attname::text, push.column_differs(p_rule.watched, a.attname)
  from pg_catalog.pg_attribute as a
  where a.attrelid = p_rule.watched and a.attname = any (p_rule.columns) and a.attnum > 0 and not a.attisdropped
  order by a.attnum;
end;
$$;
comment on function push.rule_comparisons(push.rules) is 'The columns that a rule watches, each with the expression that says whether it changed.';

create function push.rule_changes(p_rule push.rules, p_event text)
returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(string_agg(
    format('case when %s then pg_catalog.jsonb_build_object(%L, pg_catalog.jsonb_build_object(''old'', old.%3$I, ''new'', new.%3$I)) else ''{}'' end',
      c.differs, c.name, c.name), ' || '), '''{}''::jsonb')
  from push.rule_comparisons(p_rule) as c
  where p_event = 'update';
$$;
comment on function push.rule_changes(push.rules, text) is
  'The expression behind rule.changes: {"stage": {"old": …, "new": …}} of the watched columns that changed; {} on insert and delete.';

create function push.rows_of_event(p_event text)
returns setof text
language sql
immutable
set search_path = ''
as $$
  select unnest(case p_event when 'insert' then '{new}' when 'delete' then '{old}' else '{new,old}' end::text[]);
$$;
comment on function push.rows_of_event(text) is 'Which rows there are of an event: new, old, or both.';

create function push.rule_row_names(p_pair text, p_event text)
returns text
language sql
immutable
set search_path = ''
as $$
  select string_agg(
    case when w.name is not null then format(E'\n    cross join lateral (select (%s.%s_row).*) as %2$s', p_pair, e.name)
    else format(E'\n    left join lateral (select (%s.%s_row).*) as %s on false', p_pair, case e.name when 'new' then 'old' else 'new' end, e.name) end,
    '' order by w.name is null, e.place)
  from unnest('{new,old}'::text[]) with ordinality as e (name, place)
  left join push.rows_of_event(p_event) as w (name) on w.name = e.name;
$$;
comment on function push.rule_row_names(text, text) is
  'The joins that make new and old of a pair of rows. Both names exist for every event, so that one expression serves several: old is all null on '
  'insert, new on delete.';

create function push.rule_source(p_rule push.rules, p_event text, p_new text, p_old text, p_condition text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_key text[] := push.key_columns(p_rule.watched);
  v_same text;
  v_changed text;
  v_more text;
  -- The condition may end in a comment.
  v_condition text := coalesce(E'(' || p_condition || E'\n    )', 'true');
begin
  if p_old is null then
    select string_agg(c.differs, ' or ') into v_changed from push.rule_comparisons(p_rule) as c where p_event = 'update';
    return format(
      E'%s as pair%s\n    cross join lateral (select %s as changes) as rule\n    where case when %s then %s else false end',
      p_new, push.rule_row_names('pair', p_event), push.rule_changes(p_rule, p_event), coalesce(v_changed, 'true'), v_condition);
  end if;
  -- Both names exist for every event, so that one expression serves several: old is all null on insert, new on delete.
  -- The rows as values have names of their own: the table may have a column `new`.
  v_more := format(
    E'\n    cross join lateral (select %s as changes) as rule'
    '\n    cross join lateral (select new.*) as push_new_row cross join lateral (select old.*) as push_old_row',
    push.rule_changes(p_rule, p_event));
  if p_event = 'insert' then
    return format(E'%1$s as new left join %1$s as old on false%2$s\n    where %3$s', p_new, v_more, v_condition);
  elsif p_event = 'delete' then
    return format(E'%1$s as old left join %1$s as new on false%2$s\n    where %3$s', p_old, v_more, v_condition);
  end if;

  if v_key is null then
    raise exception using errcode = 'undefined_object',
      message = format('%s has no primary key, which is needed to match old and new rows on update', p_rule.watched);
  end if;
  select string_agg(format('new.%1$I = old.%1$I', k.name), ' and ' order by k.place) into v_same
  from unnest(v_key) with ordinality as k (name, place);
  select string_agg(c.differs, ' or ') into v_changed from push.rule_comparisons(p_rule) as c;
  -- A session plans this once, perhaps for one row, and keeps the plan for a statement that changes a hundred thousand: a
  -- nested loop would then compare each with each. There is none for a full join, and behind `case` the planner does not
  -- see that an inner join would do.
  return format(
    E'%s as new full join %s as old on %s%s\n    where case when %s and (%s) then %s else false end',
    p_new, p_old, v_same, v_more, v_same, coalesce(v_changed, 'true'), v_condition);
end;
$$;
comment on function push.rule_source(push.rules, text, text, text, text) is
  'What follows `from` to get the pairs of new and old row that a rule is about; p_new and p_old name the rows'' relations. Without p_old, p_new '
  'is one of pairs, with new_row and old_row.';

create function push.rule_of_no_row(p_table regclass)
returns text
language sql
immutable
set search_path = ''
as $$
  select format('(select ''{}''::jsonb as changes) as rule left join %1$s as new on false left join %1$s as old on false', p_table);
$$;
comment on function push.rule_of_no_row(regclass) is 'What follows `from` to look at expressions of a rule on a table without a row of it.';

create function push.recipients_kind(p_table regclass, p_recipients text)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_type regtype;
begin
  if push.is_query(p_recipients) then
    return 'query';
  end if;
  v_type := push.expression_type(p_recipients, push.rule_of_no_row(p_table));
  return case v_type when 'uuid'::regtype then 'user' when 'uuid[]'::regtype then 'users' else 'rows' end;
exception when feature_not_supported then
  -- A function that returns a set cannot stand within `case`.
  return 'rows';
end;
$$;
comment on function push.recipients_kind(regclass, text) is
  'Whether recipients are written as a query, or as an expression for one user, an array of users, or rows (a function that returns a set).';

create function push.recipients_query(p_table regclass, p_recipients text)
returns text
language sql
set search_path = ''
as $$
  -- A user id is looked up one by one: left to itself the planner, which knows nothing of how many there will be, reads all
  -- users for each changed row.
  select case k.kind
    when 'user' then format(
      E'select named.value as user_id from (select (%s\n    ) offset 0) as named (value)\n    where (select true from auth.users as a where a.id = named.value)',
      p_recipients)
    when 'users' then format(
      E'select distinct u.user_id from pg_catalog.unnest((%s\n    )) as u (user_id)\n    where (select true from auth.users as a where a.id = u.user_id)',
      p_recipients)
    else format(
      E'select distinct u.user_id from (%s\n    ) as named (value)\n    cross join lateral pg_catalog.unnest(push.user_ids(named.value)) as u (user_id)\n    where (select true from auth.users as a where a.id = u.user_id)',
      case k.kind when 'query' then p_recipients else format(E'select (%s\n    )', p_recipients) end)
  end
  from (select push.recipients_kind(p_table, p_recipients) as kind) as k;
$$;
comment on function push.recipients_query(regclass, text) is
  'The select of user_id that recipients stand for: each user once, and only users in auth.users.';

create function push.rule_said(p_rule push.rules, p_event text)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select to_jsonb(p_rule) || case
    -- These params are added by default, so they must not make a message too large.
    when p_rule.params is null and p_event = 'update' and p_rule.columns is not null then jsonb_build_object('params',
      'case when octet_length(rule.changes::text) <= 1024 then pg_catalog.jsonb_build_object(''changes'', rule.changes) end')
    else '{}'
  end;
$$;
comment on function push.rule_said(push.rules, text) is 'What a rule says on an event, as push.message_parts() wants it.';

create function push.rule_expiry(p_rule push.rules)
returns text
language sql
immutable
set search_path = ''
as $$
  -- As push.complete_notification(): what leaves nothing open needs no trigger to fill it.
  select case when p_rule.template is null and num_nonnulls(p_rule.send_at, p_rule.expires_at) = 0 then
    'pg_catalog.now() + ' || case
      when p_rule.ttl is not null then format('pg_catalog.make_interval(secs => %s)', greatest(p_rule.ttl, 60))
      else '(select pg_catalog.make_interval(secs => greatest(s.default_ttl, 60)) from push.settings as s)'
    end
  end;
$$;
comment on function push.rule_expiry(push.rules) is
  'The expression of expires_at for a rule that leaves it to its TTL; null when it is for its template or an expression of its own to say.';

create function push.rule_query(p_rule push.rules, p_event text, p_new text, p_old text)
returns text
language sql
set search_path = ''
as $$
  -- `offset 0` keeps the steps apart: recipients and texts are worked out only for rows that meet the condition.
  select push.fill_in(
    $query$select recipient.user_id, {{name}}, message.*{{expiry}}
  from (
    select {{pair}} from {{source}}
    offset 0
  ) as changed{{rows}}
  cross join lateral (select {{changes}} as changes offset 0) as rule
  cross join lateral (
    {{message}}
  ) as message
  cross join lateral (
    {{recipients}}
  ) as recipient$query$,
    jsonb_build_object(
      'name', quote_literal(p_rule.name),
      'source', push.rule_source(p_rule, p_event, p_new, p_old, p_rule.condition),
      'pair', case when p_old is not null then 'push_new_row as new_row, push_old_row as old_row' else (
        select string_agg(format('pair.%s_row', w.name), ', ') from push.rows_of_event(p_event) as w (name)
      ) end,
      'rows', push.rule_row_names('changed', p_event),
      'changes', push.rule_changes(p_rule, p_event),
      'message', push.message_select(push.rule_said(p_rule, p_event)),
      'expiry', coalesce(', ' || push.rule_expiry(p_rule), ''),
      'recipients', push.recipients_query(p_rule.watched, p_rule.recipients)
    )
  );
$$;
comment on function push.rule_query(push.rules, text, text, text) is
  'The select that turns changed rows into notifications; p_new and p_old as in push.rule_source().';

create function push.rule_insert(p_rule push.rules, p_event text, p_new text, p_old text)
returns text
language sql
set search_path = ''
as $$
  select format(
    E'insert into public.push_notifications\n    (user_id, rule, %s%s)\n  %s%s',
    push.message_columns(push.rule_said(p_rule, p_event)), case when push.rule_expiry(p_rule) is not null then ', expires_at' else '' end,
    push.rule_query(p_rule, p_event, p_new, p_old),
    -- Being ready for a conflict costs every row; without a key there is none.
    case when p_rule.idempotency_key is not null then E'\n  on conflict do nothing' else '' end);
$$;
comment on function push.rule_insert(push.rules, text, text, text) is 'The statement that makes the notifications of changed rows.';
