-- How rules are doing. A table that a rule watches changes in some later migration; push.check_rules() notices.

create function push.rule_stopped(p_rule push.rules)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_missing text;
begin
  if not exists (select from pg_catalog.pg_class as c where c.oid = p_rule.watched) then
    return format('its table %I.%I was dropped', p_rule.table_schema, p_rule.table_name);
  end if;
  select string_agg(distinct e.name, ', ') into v_missing
  from unnest(p_rule.events) as e (name)
  where not exists (select from push.rule_trigger(p_rule.watched, e.name) as t where t.is_enabled);
  if v_missing is not null then
    return format('its trigger on %s of %s is missing or disabled', v_missing, p_rule.watched);
  end if;
  return null;
end;
$$;
comment on function push.rule_stopped(push.rules) is
  'Why nothing calls a rule any more: its table is gone, or a trigger is; null while something does. A look into the catalog.';

create function push.rule_misfit(p_rule push.rules)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_stopped constant text := push.rule_stopped(p_rule);
begin
  if v_stopped is not null then
    return v_stopped;
  end if;
  perform push.compile_rule(p_rule);
  return null;
exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
  return sqlerrm;
end;
$$;
comment on function push.rule_misfit(push.rules) is
  'Why a rule does not fit its table any more, null when it does; makes its functions anew where that is all it takes.';

create function push.catalog_fingerprint()
returns bigint
language sql
stable
set search_path = ''
as $$
  -- What rules may use: tables with their columns, keys and privileges, sequences, functions, operators, types and triggers of the
  -- project, but not those of one session. By content where a row of the catalog also changes for other reasons, such as a truncate.
  with tables as materialized (
    select c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, c.relacl from pg_catalog.pg_class as c
    where c.oid >= 16384 and c.relpersistence <> 't' and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S') and c.relnamespace <> 'push'::regnamespace
  )
  select hashtextextended(string_agg(p.part || ' ' || p.rows || ' ' || p.hash, ',' order by p.part), 0)
  from (
    select 'tables' as part, count(*) as rows, sum(hashtextextended(
      concat_ws(' ', t.oid, t.relname, t.relnamespace, t.relkind, t.relowner, t.relacl), 0)) as hash
    from tables as t
    union all
    select 'columns', count(*), sum(hashtextextended(concat_ws(' ', a.attrelid, a.attnum, a.attname, a.atttypid, a.attisdropped), 0))
    from tables as t join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum > 0
    union all
    select 'keys', count(*), sum(hashtextextended(concat_ws(' ', i.indrelid, i.indkey, i.indnkeyatts), 0))
    from tables as t join pg_catalog.pg_index as i on i.indrelid = t.oid and i.indisprimary
    union all
    select 'functions', count(*), sum(hashtextextended(concat_ws(' ', f.oid, f.xmin), 0)) from pg_catalog.pg_proc as f where f.oid >= 16384
    union all
    select 'operators', count(*), sum(hashtextextended(concat_ws(' ', o.oid, o.xmin), 0)) from pg_catalog.pg_operator as o where o.oid >= 16384
    union all
    select 'casts', count(*), sum(hashtextextended(concat_ws(' ', c.oid, c.castfunc), 0)) from pg_catalog.pg_cast as c where c.oid >= 16384
    union all
    select 'types', count(*), sum(hashtextextended(concat_ws(' ', t.oid, t.typname, t.typnamespace, t.typbasetype), 0))
    from pg_catalog.pg_type as t where t.oid >= 16384 and t.typtype <> 'c' and t.typcategory <> 'A'
    union all
    select 'labels', count(*), sum(hashtextextended(concat_ws(' ', e.oid, e.enumtypid, e.enumlabel), 0)) from pg_catalog.pg_enum as e
    union all
    select 'schemas', count(*), sum(hashtextextended(concat_ws(' ', n.oid, n.nspname), 0))
    from pg_catalog.pg_namespace as n where n.nspname !~ '^pg_(toast_)?temp_'
    union all
    select 'triggers', count(*), sum(hashtextextended(concat_ws(' ', t.oid, t.tgfoid, t.tgenabled), 0))
    from pg_catalog.pg_trigger as t where not t.tgisinternal
  ) as p;
$$;
comment on function push.catalog_fingerprint() is
  'Changes when anything in the catalog does by which a rule may cease to fit. A few milliseconds, however many rules there are.';

create function push.check_rules(p_now timestamptz default clock_timestamp(), p_all boolean default false)
returns integer
language plpgsql
set search_path = ''
-- A table that is just being changed is looked at the next time.
set lock_timeout = '100ms'
as $$
declare
  v_fingerprint constant bigint := case when not p_all then push.catalog_fingerprint() end;
  v_name text;
  v_rule push.rules;
  v_tables regclass[] := '{}'::regclass[];
  v_shared record;
  v_misfit text;
begin
  for v_name in
    select r.name from push.rules as r
    -- What broke is looked at each time, for its alarm; the others when something changed.
    where p_all or r.broken is not null or r.checked_as is distinct from v_fingerprint
    order by r.name
  loop
    -- As it is now: it may have been removed or declared anew since the loop began.
    select r.* into v_rule from push.rules as r where r.name = v_name;
    continue when v_rule.name is null;
    v_tables := v_tables || v_rule.watched;
    begin
      v_misfit := push.rule_misfit(v_rule);
    exception when assert_failure or others then
      -- Locks and resources: nothing is known about the rule.
      continue;
    end;
    if v_misfit is not null then
      perform push.raise_alarm('rule_broken', v_rule.name,
        format('Rule %s no longer works: %s. Declare it again, or remove it with push.unwatch().', v_rule.name, v_misfit), p_now);
    else
      perform push.resolve_alarm('rule_broken', v_rule.name, p_now);
    end if;
    update push.rules as r
    set broken = v_misfit,
        broken_since = case when v_misfit is not null then coalesce(r.broken_since, p_now) end,
        table_schema = coalesce(t.nspname, r.table_schema),
        table_name = coalesce(t.relname, r.table_name),
        checked_as = coalesce(v_fingerprint, r.checked_as)
    from (select) as one
    left join (
      select n.nspname, c.relname from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.oid = v_rule.watched
    ) as t on true
    where r.name = v_rule.name
      and (r.broken, r.table_schema, r.table_name, r.checked_as) is distinct from
        (v_misfit, coalesce(t.nspname, r.table_schema), coalesce(t.relname, r.table_name), coalesce(v_fingerprint, r.checked_as));
  end loop;

  for v_shared in
    select distinct r.watched, e.name as event from push.rules as r cross join lateral unnest(r.events) as e (name)
    where r.watched = any (v_tables)
  loop
    begin
      perform push.compile_trigger(v_shared.watched, v_shared.event, false);
    exception when assert_failure or others then
      -- It keeps the function it has: rules for which that is wrong are called one by one.
      null;
    end;
  end loop;

  perform push.resolve_alarm(a.code, a.subject, p_now)
  from push.alarms as a
  where a.code = 'rule_failed' and a.resolved_at is null and not exists (
    select from push.rule_errors as e where e.rule = a.subject and e.occurred_at > p_now - interval '1 hour'
  );
  return (select count(*) from push.rules as r where r.broken is not null);
end;
$$;
comment on function push.check_rules(timestamptz, boolean) is
  'Looks whether each rule still fits its table, where anything in the catalog has changed since it was last looked at, or everywhere (p_all); '
  'raises or resolves the alarm rule_broken, and resolves rule_failed an hour after the last error. Returns how many rules are broken. Run by '
  'pg_cron.';

create view push.rule_status
with (security_invoker = true)
as
select
  r.name,
  r.table_schema,
  r.table_name,
  r.events,
  r.columns,
  case when s.broken is not null then 'broken' when e.errors > 0 then 'failing' else 'intact' end as state,
  s.broken,
  r.broken_since,
  e.errors as errors_last_hour,
  l.message as last_error,
  l.row_key as last_error_row,
  l.occurred_at as last_error_at
from push.rules as r
-- A rule that nothing calls shows as broken at once, and not only after push.check_rules().
cross join lateral (select coalesce(push.rule_stopped(r), r.broken) as broken) as s
cross join lateral (
  select count(*) as errors from push.rule_errors as e where e.rule = r.name and e.occurred_at > now() - interval '1 hour'
) as e
left join lateral (
  select o.message, o.row_key, o.occurred_at from push.rule_errors as o where o.rule = r.name order by o.occurred_at desc limit 1
) as l on true;
comment on view push.rule_status is
  'Each rule with its state: intact, failing (errors within the last hour) or broken (does not fit its table), and its last error. For the database owner.';

create function push.rule_error_counts(p_now timestamptz)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'rule', c.rule, 'count', c.errors, 'last_error', l.message, 'last_error_at', l.occurred_at
  ) order by c.errors desc, c.rule), '[]')
  from (
    select r.name as rule, e.errors
    from push.rules as r
    cross join lateral (
      -- Counted up to a limit, along the index.
      select count(*) as errors from (
        select from push.rule_errors as o
        where o.rule = r.name and o.occurred_at > p_now - interval '1 hour' and o.occurred_at <= p_now
        limit 10000
      ) as w
    ) as e
    where e.errors > 0
  ) as c
  cross join lateral (
    select o.message, o.occurred_at from push.rule_errors as o
    where o.rule = c.rule and o.occurred_at <= p_now order by o.occurred_at desc limit 1
  ) as l;
$$;
comment on function push.rule_error_counts(timestamptz) is 'Errors of the last hour by rule, with the last of each; for health.';

create function push.explain_rule(p_name text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_status push.rule_status;
  v_text text;
begin
  select s.* into v_status from push.rule_status as s where s.name = p_name;
  if v_status.name is null then
    perform push.refuse(404, 'rule_unknown', format('There is no rule %s.', p_name), 'List the rules with: select name from push.rules');
  end if;
  select string_agg(
    concat_ws(E'\n',
      pg_catalog.pg_get_functiondef(p.oid) || ';',
      '',
      pg_catalog.pg_get_functiondef(t.function_id) || ';',
      coalesce(
        replace(pg_catalog.pg_get_triggerdef(t.trigger_id), 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER') || ';',
        format('-- There is no trigger on %s.', e.name)
      ),
      case when not t.is_enabled then '-- This trigger is disabled.' end),
    E'\n\n' order by e.place)
  into v_text
  from unnest(v_status.events) with ordinality as e (name, place)
  join push.rules as r on r.name = p_name
  left join pg_catalog.pg_proc as p on p.oid = to_regprocedure(format('push.%I(anyarray, anyarray)', 'rule_' || p_name || '_' || e.name))
  left join lateral push.rule_trigger(r.watched, e.name) as t on true;
  return concat_ws(E'\n',
    format('-- Rule %s on %I.%I: %s', p_name, v_status.table_schema, v_status.table_name, v_status.state),
    '-- Broken: ' || v_status.broken,
    '-- Last error (' || v_status.last_error_at || '): ' || v_status.last_error,
    '', v_text);
end;
$$;
comment on function push.explain_rule(text) is
  'What push.watch() has made of a rule: its state, its generated functions, and the triggers that it shares with other rules of its table, as SQL. '
  'For the database owner.';
