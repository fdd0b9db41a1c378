-- A rule that fails is tried again, row by row. The application's write goes through; what can be notified is; the rest is noted.

create function push.try_rule(p_rule push.rules, p_event text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_nothing constant text := format('(select * from %s where false)', p_rule.watched);
begin
  execute push.rule_query(p_rule, p_event, v_nothing, v_nothing);
  perform push.refuse_local_times(to_jsonb(p_rule), push.rule_of_no_row(p_rule.watched));
  if push.recipients_kind(p_rule.watched, p_rule.recipients) = 'query' then
    -- A second column would be overlooked in `from`; here it is an error.
    execute format(
      E'select array(%s\n) from %s as new left join %2$s as old on false cross join (select ''{}''::jsonb as changes) as rule',
      p_rule.recipients, v_nothing);
  end if;
end;
$$;
comment on function push.try_rule(push.rules, text) is
  'Runs a rule once over no rows: what fails there (a misspelt column, a wrong type, a function that is gone) fails for every row.';

create function push.rule_parts(p_rule push.rules, p_event text)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  -- By their key alone. Comparison and condition are left to the retry: either may be what fails.
  p_rule.columns := null;
  return format(
    $query$select array_agg(p.new_row) as new_rows, array_agg(p.old_row) as old_rows
      from (
        select row(new.*)::%1$s as new_row, row(old.*)::%1$s as old_row, (row_number() over () - 1) / 1000 as part from %2$s
      ) as p
      group by p.part order by p.part$query$,
    p_rule.watched, push.rule_source(p_rule, p_event, 'push_new_rows', 'push_old_rows', null));
end;
$$;
comment on function push.rule_parts(push.rules, text) is
  'The select of the changed rows in parts of a thousand, as arrays, to be tried again by push.retry_rule().';

create function push.retry_rule(
  p_rule push.rules, p_event text, p_insert text, p_new_rows anyarray, p_old_rows anyarray,
  inout p_errors_left integer, inout p_untried bigint
)
returns record
language plpgsql
set search_path = ''
set jit = off
as $$
declare
  v_count integer := cardinality(p_new_rows);
  v_half integer := v_count / 2;
  v_key_columns text[];
  v_key jsonb;
  v_detail text;
begin
  if p_errors_left <= 0 then
    p_untried := p_untried + v_count;
    return;
  end if;
  begin
    execute p_insert using p_new_rows, p_old_rows;
    return;
  exception
    when serialization_failure then
      raise;
    when assert_failure or others then
      if v_count = 1 then
        get stacked diagnostics v_detail = pg_exception_detail;
        v_key_columns := push.key_columns(p_rule.watched);
        if v_key_columns is not null then
          execute 'select ' || push.key_object(v_key_columns, '($1)') into v_key
          using case p_event when 'delete' then p_old_rows[1] else p_new_rows[1] end;
        end if;
        perform push.note_rule_error(p_rule.name, p_event, v_key, v_count, sqlstate, sqlerrm, v_detail);
        p_errors_left := p_errors_left - 1;
        return;
      end if;
  end;
  -- One of them is to blame: the others are found by halves.
  select r.p_errors_left, r.p_untried into p_errors_left, p_untried
  from push.retry_rule(p_rule, p_event, p_insert, p_new_rows[:v_half], p_old_rows[:v_half], p_errors_left, p_untried) as r;
  select r.p_errors_left, r.p_untried into p_errors_left, p_untried
  from push.retry_rule(p_rule, p_event, p_insert, p_new_rows[v_half + 1:], p_old_rows[v_half + 1:], p_errors_left, p_untried) as r;
end;
$$;
comment on function push.retry_rule(push.rules, text, text, anyarray, anyarray, integer, bigint) is
  'Runs a rule over these rows so that a bad one costs only itself, until as many were bad as are left; counts those that were not tried.';
