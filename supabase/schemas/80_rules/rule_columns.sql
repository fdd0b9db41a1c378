-- The columns of a watched table that a rule needs: its key, and those that it compares.

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
