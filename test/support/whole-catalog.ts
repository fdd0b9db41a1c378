import postgres from 'postgres';
import { readCatalog } from '../../tools/quality/schema/catalog.ts';

/** Everything that Postgres can name, but what extensions brought; who may do what; jobs and secrets. A line each. */
const QUERY = `
  with objects (classid, objid) as (
    select c.tableoid, c.oid from pg_class as c where c.relnamespace <> 'pg_toast'::regnamespace
    union all select p.tableoid, p.oid from pg_proc as p
    union all select t.tableoid, t.oid from pg_type as t where t.typnamespace <> 'pg_toast'::regnamespace
    union all select n.tableoid, n.oid from pg_namespace as n where n.nspname !~ '^pg_(toast_)?temp_'
    union all select c.tableoid, c.oid from pg_constraint as c
    union all select t.tableoid, t.oid from pg_trigger as t
    union all select p.tableoid, p.oid from pg_policy as p
    union all select r.tableoid, r.oid from pg_rewrite as r
    union all select a.tableoid, a.oid from pg_attrdef as a
    union all select d.tableoid, d.oid from pg_default_acl as d
    union all select p.tableoid, p.oid from pg_publication as p
    union all select r.tableoid, r.oid from pg_publication_rel as r
    union all select n.tableoid, n.oid from pg_publication_namespace as n
    union all select e.tableoid, e.oid from pg_event_trigger as e
    union all select c.tableoid, c.oid from pg_cast as c
    union all select o.tableoid, o.oid from pg_operator as o
    union all select o.tableoid, o.oid from pg_opclass as o
    union all select c.tableoid, c.oid from pg_collation as c
    union all select s.tableoid, s.oid from pg_statistic_ext as s
    union all select l.tableoid, l.oid from pg_language as l
    union all select d.tableoid, d.oid from pg_ts_dict as d
    union all select r.tableoid, r.oid from pg_authid as r
  ), things (thing) as (
    select i.type || ' ' || coalesce(i.identity, '?') || ': ' || coalesce(case o.classid
      when 'pg_class'::regclass then (select c.relacl::text from pg_class as c where c.oid = o.objid)
      when 'pg_proc'::regclass then (select p.proacl::text from pg_proc as p where p.oid = o.objid)
      when 'pg_namespace'::regclass then (select n.nspacl::text from pg_namespace as n where n.oid = o.objid)
      when 'pg_type'::regclass then (select t.typacl::text from pg_type as t where t.oid = o.objid)
      when 'pg_default_acl'::regclass then (select d.defaclacl::text from pg_default_acl as d where d.oid = o.objid)
      when 'pg_constraint'::regclass then pg_get_constraintdef(o.objid)
      when 'pg_trigger'::regclass then pg_get_triggerdef(o.objid)
    end, '')
    from objects as o
    cross join lateral pg_identify_object(o.classid, o.objid, 0) as i
    -- What initdb made is the same in every database, but for who may use its schemas.
    where (o.objid >= 16384 or o.classid in ('pg_namespace'::regclass, 'pg_authid'::regclass)) and not exists (
      -- Of an extension, or of something of it.
      with recursive upward (classid, objid, deptype) as (
        select o.classid, o.objid, null::"char"
        union
        select d.refclassid, d.refobjid, d.deptype from upward as u
        join pg_depend as d on d.classid = u.classid and d.objid = u.objid
        where d.deptype in ('e', 'i', 'a')
      )
      select from upward as u where u.deptype = 'e'
    )
    union all
    select format('grant on column %s.%I: %s', a.attrelid::regclass, a.attname, a.attacl) from pg_attribute as a where a.attacl is not null
    union all
    select format('setting of %s in %s: %s', s.setrole, s.setdatabase, s.setconfig) from pg_db_role_setting as s
    union all
    select format('member %s of %s', m.member::regrole, m.roleid::regrole) from pg_auth_members as m
    union all
    select format('comment on %s: %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
    from pg_description as d join pg_namespace as n on n.oid = d.objoid and d.classoid = 'pg_namespace'::regclass
    where not exists (select from pg_depend as e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')
  )
  select thing from things order by thing collate "C"`;

/** The lines that say all of a database that has the extensions of Supapush, and its extensions. `url` is that of a superuser. */
export async function readWholeCatalog(url: string): Promise<{ extensions: string[]; lines: string[] }> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const extensions = await sql<{ extname: string }[]>`select extname from pg_extension order by 1`;
    const things = await sql.unsafe<{ thing: string }[]>(QUERY);
    const rows = await sql<{ row: string }[]>`
      select format('job %s: %s', jobname, command) as row from cron.job
      union all select format('run of job %s', jobid) from cron.job_run_details
      union all select format('secret %s: %s', name, secret) from vault.secrets
      order by 1`;
    const catalog = await readCatalog(url);
    return {
      extensions: extensions.map(({ extname }) => extname),
      lines: [
        ...things.map(({ thing }) => thing),
        ...rows.map(({ row }) => row),
        ...[...catalog].map(([thing, definition]) => `${thing}\n${definition}`),
      ],
    };
  } finally {
    await sql.end();
  }
}
