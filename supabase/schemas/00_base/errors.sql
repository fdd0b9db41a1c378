-- How a client is refused: a status, a code, a message, and what to do about it.

create function push.refuse(p_status integer, p_code text, p_message text, p_hint text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- SQLSTATE PTnnn makes PostgREST answer with that HTTP status and pass message, detail and hint through.
  raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code, hint = p_hint;
end;
$$;
comment on function push.refuse(integer, text, text, text) is
  'Raises a client-facing error: HTTP status, machine code (detail), message, and what to do (hint).';

create function push.explain_constraints()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_check record;
  v_holds boolean;
  v_given text;
begin
  -- Postgres names the constraint and shows the whole row, but a client that changes one column needs the allowed values.
  for v_check in
    select pg_catalog.pg_get_expr(c.conbin, c.conrelid) as expression, c.conkey,
      pg_catalog.obj_description(c.oid, 'pg_constraint') as hint
    from pg_catalog.pg_constraint as c
    where c.conrelid = tg_relid and c.contype = 'c'
    order by c.conname
  loop
    execute pg_catalog.format('select (%s) is not false from (select ($1).*) as given', v_check.expression) into v_holds using new;
    if not v_holds then
      select string_agg(pg_catalog.format('%s = %s', a.attname, coalesce(to_jsonb(new) ->> a.attname, 'null')), ', ') into v_given
      from pg_catalog.pg_attribute as a
      where a.attrelid = tg_relid and a.attnum = any (v_check.conkey)
        and (tg_op = 'INSERT' or to_jsonb(new) -> a.attname is distinct from to_jsonb(old) -> a.attname);
      raise exception using errcode = 'check_violation', detail = 'value_refused',
        message = pg_catalog.format('%I.%I does not accept %s.', tg_table_schema, tg_table_name, left(v_given, 300)),
        hint = coalesce(v_check.hint, 'It must satisfy: ' || v_check.expression);
    end if;
  end loop;
  return new;
end;
$$;
comment on function push.explain_constraints() is
  'Says which value of a row is refused, and what it may be: the comment of the check constraint, or its condition.';
