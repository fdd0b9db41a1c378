-- The functions of Supapush, with what the reference tells of them.
select
  format('%s.%s', n.nspname, p.proname) as name,
  coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), '') as comment,
  p.prosrc as source,
  pg_catalog.pg_get_function_result(p.oid) as returns,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'name', a.name, 'type', pg_catalog.format_type(a.type, null),
      'fallback', pg_catalog.pg_get_function_arg_default(p.oid, a.place::integer)
    ) order by a.place), '[]')
    from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
      with ordinality as a (name, type, mode, place)
    where coalesce(a.mode, 'i') in ('i', 'b', 'v')
  ) as parameters,
  array(
    select r.rolname::text
    from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as g
    join pg_catalog.pg_roles as r on r.oid = g.grantee or g.grantee = 0
    where g.privilege_type = 'EXECUTE' and r.rolname in ('anon', 'authenticated', 'service_role')
      -- Where a role may not use the schema, what may be called in it helps nothing.
      and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
    order by 1
  ) as roles
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'push' or (n.nspname = 'public' and starts_with(p.proname, 'push_'))
order by 1, p.oid;
