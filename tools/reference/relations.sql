-- The tables and views of Supapush, with what the reference tells of them.
with
  relations as (
    select c.oid, format('%s.%s', n.nspname, c.relname) as name, c.relkind, c.relacl, c.relowner, c.relrowsecurity
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v') and (n.nspname = 'push' or (n.nspname = 'public' and starts_with(c.relname, 'push_')))
  ),
  roles as (
    select r.oid, r.rolname::text as role, r.rolbypassrls from pg_catalog.pg_roles as r
    where r.rolname in ('anon', 'authenticated', 'service_role')
  ),
  privileges as (
    select c.oid as relation, r.role, lower(v.name) as may, r.rolbypassrls, r.oid as role_id, v.command
    from relations as c
    cross join roles as r
    cross join (values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) as v (name, command)
    where pg_catalog.has_schema_privilege(r.oid, (select k.relnamespace from pg_catalog.pg_class as k where k.oid = c.oid), 'usage')
      and case when v.name = 'DELETE' then pg_catalog.has_table_privilege(r.oid, c.oid, v.name)
        else pg_catalog.has_any_column_privilege(r.oid, c.oid, v.name) end
  )
select
  c.name,
  case c.relkind when 'v' then 'view' else 'table' end as kind,
  coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') as comment,
  (
    select jsonb_agg(jsonb_build_object(
      'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'required', a.attnotnull,
      'fallback', case when a.attidentity <> '' then 'generated' else pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
      'comment', coalesce(pg_catalog.col_description(c.oid, a.attnum), ''),
      'users', (
        select coalesce(jsonb_agg(lower(v.name) order by v.name), '[]') from unnest('{INSERT,UPDATE}'::text[]) as v (name)
        where pg_catalog.has_column_privilege('authenticated', c.oid, a.attnum, v.name)
      )
    ) order by a.attnum)
    from pg_catalog.pg_attribute as a
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ) as columns,
  (
    select coalesce(jsonb_agg(jsonb_build_object('role', p.role, 'may', p.may, 'rows', case
      when p.rolbypassrls or not c.relrowsecurity then 'all'
      else (
        select coalesce(
          pg_catalog.obj_description(o.oid, 'pg_policy'),
          case regexp_replace(pg_catalog.pg_get_expr(coalesce(o.polqual, o.polwithcheck), o.polrelid), '\s+', ' ', 'g')
            when 'true' then 'all'
            when '(( SELECT push_user_id() AS push_user_id) = user_id)' then 'their own'
          end,
          '`' || pg_catalog.pg_get_expr(coalesce(o.polqual, o.polwithcheck), o.polrelid) || '`'
        )
        from pg_catalog.pg_policy as o
        where o.polrelid = c.oid and o.polcmd in (p.command, '*') and p.role_id = any (o.polroles)
      )
    end) order by p.role, array_position('{select,insert,update,delete}'::text[], p.may)), '[]')
    from privileges as p where p.relation = c.oid
  ) as access,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'condition', pg_catalog.pg_get_expr(k.conbin, k.conrelid),
      'comment', pg_catalog.obj_description(k.oid, 'pg_constraint')
    ) order by k.conname), '[]')
    from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'c'
  ) as checks
from relations as c
order by c.name;
