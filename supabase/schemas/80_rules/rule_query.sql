-- The text that a rule is compiled to.

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

create function push.changes_join(p_rule push.rules, p_event text, p_expressions text)
returns text
language sql
stable
set search_path = ''
as $$
  select case when p_expressions ~* '\mrule\M' then
    format(E'\n    cross join lateral (select %s as changes offset 0) as rule', push.rule_changes(p_rule, p_event))
  else '' end;
$$;
comment on function push.changes_join(push.rules, text, text) is
  'The join that makes rule.changes; empty where none of these expressions asks for it, since each join costs every row.';

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
      E'%s as pair%s%s\n    where case when %s then %s else false end',
      p_new, push.rule_row_names('pair', p_event), push.changes_join(p_rule, p_event, p_condition), coalesce(v_changed, 'true'), v_condition);
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
  {{changes}}
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
      'changes', push.changes_join(p_rule, p_event, push.message_select(push.rule_said(p_rule, p_event)) || ' ' || p_rule.recipients),
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
