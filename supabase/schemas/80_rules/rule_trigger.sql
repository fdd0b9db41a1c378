-- The one trigger of a table and event that all its rules share: it looks which of them a statement concerns, and calls those alone.

create function push.row_like(p_like anyelement, p_row record)
returns anyelement
language plpgsql
set search_path = ''
as $$
begin
  -- The linter tries it with an integer: @plpgsql_check_options: anyelementtype = push.rules
  p_like := p_row;
  return p_like;
end;
$$;
comment on function push.row_like(anyelement, record) is
  'A row with the type of p_like. A trigger function has that type in `new`, and so need not name its table.';

create function push.rule_trigger(p_table regclass, p_event text)
returns table (trigger_id oid, function_id oid, function_name name, is_enabled boolean)
language sql
stable
set search_path = ''
as $$
  select t.oid, p.oid, p.proname, t.tgenabled in ('O', 'A')
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_proc as p on p.oid = t.tgfoid
  where t.tgrelid = p_table and p.pronamespace = 'push'::regnamespace and p.proname ~ ('^rules_.*_' || p_event || '$');
$$;
comment on function push.rule_trigger(regclass, text) is 'The trigger that rules of this table and event share, with its function; no row when there is none.';

create function push.rule_tests(p_rules push.rules[], p_event text)
returns table (name text, changed text, condition text)
language sql
stable
set search_path = ''
as $$
  with columns as materialized (
    -- Once for each, however many rules watch it.
    select c.name, push.column_differs(p_rules[1].watched, c.name) as differs
    from (select distinct c.name from unnest(p_rules) as r cross join lateral unnest(r.columns) as c (name) where p_event = 'update') as c
    where push.missing_columns(p_rules[1].watched, array[c.name]) is null
  )
  select r.name,
    case when r.broken is null then (
      select string_agg(c.differs, ' or ' order by c.name) from columns as c where c.name = any (r.columns)
    ) end,
    -- The condition may end in a comment. One that asks what changed is left to its own function, which has it.
    case when r.broken is null and r.condition !~* '\mrule\M' then E'(' || r.condition || E'\n    )' end
  from unnest(p_rules) as r
  order by r.name collate "C";
$$;
comment on function push.rule_tests(push.rules[], text) is
  'How rules of one table are told apart without running them: whether one of the columns changed, and the condition. Null: always. A rule that '
  'is broken is always called, and so says why.';

create function push.concerned_query(p_rules push.rules[], p_event text, p_is_tested boolean)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_key constant text[] := push.key_columns(p_rules[1].watched);
  v_same text;
  v_changed text;
  v_tests text;
  v_condition text := 'true';
  v_is_several boolean := false;
begin
  if p_is_tested then
    select case when bool_and(t.changed is not null) then string_agg(distinct t.changed, ' or ') end,
      string_agg(concat_ws(' and ',
        -- Where all watch the same columns, that is looked at before.
        case when t.kinds > 1 then '(' || t.changed || ')' end,
        coalesce(t.condition, case when t.kinds = 1 or t.changed is null then 'true' end)
      ), E',\n          ' order by t.name collate "C"),
      case when count(*) = 1 then coalesce(max(t.condition), 'true') else 'true' end,
      count(*) > 1
    into v_changed, v_tests, v_condition, v_is_several
    from (
      select r.*, max(r.kind) over () as kinds
      from (select o.*, dense_rank() over (order by o.changed) as kind from push.rule_tests(p_rules, p_event) as o) as r
    ) as t;
  end if;
  if p_event = 'update' then
    if v_key is null then
      raise exception using errcode = 'undefined_object',
        message = format('%s has no primary key, which is needed to match old and new rows on update', p_rules[1].watched);
    end if;
    select string_agg(format('new.%1$I = old.%1$I', k.name), ' and ' order by k.place) into v_same
    from unnest(v_key) with ordinality as k (name, place);
    v_condition := format('case when %s and (%s) then %s else false end', v_same, coalesce(v_changed, 'true'), v_condition);
  end if;
  -- One row more than are handed over: then there are too many.
  return push.fill_in(
    $query$select {{arrays}}, {{met}} as met into v_met from (
        select c.* from (
          select {{rows}}, array[{{tests}}]::boolean[] as met
          from {{source}}
          where {{condition}}
          offset 0
        ) as c
        where true = any (c.met)
        limit 1001
      ) as c$query$,
    jsonb_build_object(
      'arrays', (
        select string_agg(format('pg_catalog.array_agg(push.row_like(new, c.%1$s_row)) as %1$s_rows', w.name), ', ' order by w.name)
        from push.rows_of_event(p_event) as w (name)
      ),
      'met', case when v_is_several then 'pg_catalog.array_agg(distinct c.met)' else 'case when count(*) > 0 then array[true] end' end,
      -- The rows as values have names of their own: the table may have a column `new`.
      'rows', (
        select string_agg(format('push_%1$s_row as %1$s_row', w.name), ', ' order by w.name) from push.rows_of_event(p_event) as w (name)
      ),
      'tests', case when v_is_several then E'\n          ' || v_tests else 'true' end,
      -- Both names exist for every event, so that one expression serves several: old is all null on insert, new on delete. A nested
      -- loop would compare each row with each, for the plan that a session keeps; there is none for a full join.
      'source', case p_event
        when 'insert' then 'push_new_rows as new left join push_new_rows as old on false'
        when 'delete' then 'push_old_rows as old left join push_old_rows as new on false'
        else 'push_new_rows as new full join push_old_rows as old on ' || v_same
      end || (
        select string_agg(format(E'\n        cross join lateral (select %1$s.*) as push_%1$s_row', w.name), '' order by w.name)
        from push.rows_of_event(p_event) as w (name)
      ),
      'condition', v_condition
    )
  );
end;
$$;
comment on function push.concerned_query(push.rules[], text, boolean) is
  'The statement that finds which of these rules of a table are concerned by the changed rows, and those rows; not tested: all rows. At most a '
  'thousand rows and one more.';
