-- What rules and reminders share when they become SQL: how a row becomes a message.

create function push.fill_in(p_text text, p_parts jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_missing text;
  v_filled text;
begin
  -- In one pass, so that braces within a part are left as they are.
  select string_agg(case when m.part[1] is null then m.part[2] else p_parts ->> m.part[1] end, '' order by m.place),
    max(m.part[1]) filter (where p_parts ->> m.part[1] is null)
  into v_filled, v_missing
  from regexp_matches(p_text, '\{\{([a-z_]+)\}\}|((?:[^{]|\{(?!\{[a-z_]+\}\}))+)', 'g') with ordinality as m (part, place);
  if v_missing is not null then
    raise exception using errcode = 'invalid_parameter_value', message = format('Nothing is given for {{%s}}.', v_missing);
  end if;
  return v_filled;
end;
$$;
comment on function push.fill_in(text, jsonb) is 'A text with the parts of these names in the places of {{name}}.';

create function push.is_query(p_expression text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select p_expression ~* '^\s*(select|with|values|table)\s';
$$;
comment on function push.is_query(text) is 'Whether an expression of a rule or reminder is a query by itself.';

create function push.is_declared_name(p_name text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_name ~ '^[a-z][a-z0-9_]{0,39}$', false);
$$;
comment on function push.is_declared_name(text) is 'Whether a rule or reminder may be called so: functions and triggers are named after it.';

create function push.is_table(p_relation regclass)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (select from pg_catalog.pg_class as c where c.oid = p_relation and c.relkind in ('r', 'p'));
$$;
comment on function push.is_table(regclass) is 'Whether this is a table, partitioned or not: the others have no triggers that a rule or reminder needs.';

create function push.said_times(p_said jsonb)
returns table (place bigint, name text)
language sql
immutable
set search_path = ''
as $$
  select t.place, t.name from unnest('{send_at,expires_at}'::text[]) with ordinality as t (name, place) where p_said ->> t.name is not null;
$$;
comment on function push.said_times(jsonb) is 'Which of send_at and expires_at a rule or reminder, its row as JSON, says by an expression.';

create function push.message_parts(p_said jsonb)
returns table (place bigint, name text, expression text)
language sql
immutable
set search_path = ''
as $$
  -- What is not said is left to the column's default: each column more costs every row. An empty title or urgency is for the template to
  -- say. A line break after each expression: it may end in a comment.
  select f.place, f.name, case
    when f.name in ('url', 'digest_key') then format(E'push.encode_spaces((%s\n    )::text)', p_said ->> f.name)
    when f.name = 'params' then format(E'coalesce((%s\n    )::jsonb, ''{}'')', p_said ->> f.name)
    when f.is_expression then format(E'(%s\n    )::%s', p_said ->> f.name, f.type)
    else format('%L::%s', coalesce(p_said ->> f.name, case when p_said ->> 'template' is null then 'normal' else '' end), f.type)
  end
  from rows from (
    unnest('{title,body,url,params,category,urgency,ttl,collapse_key,tag,template,presentation,digest_key,idempotency_key}'::text[]),
    unnest('{text,text,text,jsonb,text,text,integer,text,text,text,jsonb,text,text}'::text[]),
    unnest('{t,t,t,t,f,f,f,f,t,f,t,t,t}'::boolean[])
  ) with ordinality as f (name, type, is_expression, place)
  where f.name = 'urgency' or p_said ->> f.name is not null
  union all
  select 100 + t.place, t.name, format(E'(%s\n    )::timestamptz', p_said ->> t.name) from push.said_times(p_said) as t;
$$;
comment on function push.message_parts(jsonb) is
  'The columns of push_notifications that a rule or reminder, its row as JSON, fills, with what it makes of one row: expressions are evaluated, the '
  'rest stands as it is.';

create function push.message_select(p_said jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select 'select ' || string_agg(format('%s as %s', p.expression, p.name), ', ' order by p.place) from push.message_parts(p_said) as p;
$$;
comment on function push.message_select(jsonb) is 'The select of push.message_columns() that a rule or reminder, its row as JSON, makes of one row.';

create function push.message_columns(p_said jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select string_agg(p.name, ', ' order by p.place) from push.message_parts(p_said) as p;
$$;
comment on function push.message_columns(jsonb) is 'The columns of push_notifications that push.message_select() fills, in its order.';

create function push.expression_type(p_expression text, p_from text)
returns regtype
language plpgsql
set search_path = ''
as $$
declare
  v_type regtype;
begin
  -- The type alone: random() is never below 0, and so nothing is worked out.
  execute format(E'select pg_catalog.pg_typeof(case when pg_catalog.random() < 0 then (%s\n) end) from %s', p_expression, p_from) into v_type;
  return (select coalesce(nullif(t.typbasetype, 0), t.oid)::regtype from pg_catalog.pg_type as t where t.oid = v_type);
end;
$$;
comment on function push.expression_type(text, text) is
  'The type of an SQL expression over what stands in p_from, which has one row; that of a domain is what it is based on.';

create function push.refuse_local_times(p_said jsonb, p_from text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_name text;
  v_type regtype;
begin
  for v_name in select t.name from push.said_times(p_said) as t order by t.place loop
    v_type := push.expression_type(p_said ->> v_name, p_from);
    if v_type <> 'timestamptz'::regtype then
      -- It would be another moment in each session that has another time zone.
      raise exception using errcode = 'datatype_mismatch', message = format('%s must be a timestamptz, and this is a %s', v_name, v_type);
    end if;
  end loop;
end;
$$;
comment on function push.refuse_local_times(jsonb, text) is
  'Raises that send_at or expires_at of a rule or reminder, its row as JSON, has no time zone; p_from as in push.expression_type().';

create function push.refuse_constants(p_url text, p_presentation text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_said push.message;
begin
  -- An expression that names no row is the same in every message. One that names a row fails here, and is checked when there
  -- is a row. Whatever the expressions do is rolled back.
  begin
    execute format(E'select push.encode_spaces((%s\n)::text)', coalesce(p_url, 'null')) into v_said.url;
    raise exception using errcode = 'PT200';
  exception when others then
    null;
  end;
  begin
    execute format(E'select (%s\n)::jsonb', coalesce(p_presentation, 'null')) into v_said.presentation;
    raise exception using errcode = 'PT200';
  exception when others then
    null;
  end;
  perform push.check_message(v_said);
end;
$$;
comment on function push.refuse_constants(text, text) is
  'Refuses url and presentation of a rule or reminder, SQL expressions, where they are wrong whatever the row is.';
