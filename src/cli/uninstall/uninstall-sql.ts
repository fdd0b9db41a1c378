import type { Release, ReleasedMigration } from '../init/release.ts';
import { objectsAfter } from '../init/sql-objects.ts';

/** What of a release is in `public`, beside what is the app's; all else is in the schema `push`. */
interface PublicObjects {
  /** Without their schema. */
  relations: string[];
  /** With the types of their arguments: `public.push_notify(uuid, jsonb)`. */
  functions: string[];
}

/** Every function of a release has a comment, which names it as Postgres tells it from others of the same name. */
const COMMENT = /^comment on function (public\.\w+\([^)]*\))\s+is\b/gm;

/** Read from the migrations themselves, so that an object that is new in a release cannot be forgotten. */
export function publicObjectsOf(migrations: readonly ReleasedMigration[]): PublicObjects {
  const made = [...objectsAfter(migrations.map(({ sql }) => ({ file: '', sql }))).values()];
  const comments = migrations.flatMap(({ sql }) => [...sql.matchAll(COMMENT)]);
  return {
    relations: made
      .filter(({ kind, name }) => kind === 'relation' && name.startsWith('public.'))
      .map(({ name }) => name.slice('public.'.length)),
    functions: [...new Set(comments.map(([, signature = '']) => signature.replace(/\s+/g, ' ')))],
  };
}

/**
 * The migration that takes back what the migrations of a release made, and what rules and reminders made on the app's tables.
 *
 * One `do` block, so that all of it happens or nothing, also in an editor that runs statement by statement. What of the app would
 * break, stops it: `cascade` takes only what is Supapush's.
 */
export function uninstallSql({ version, migrations }: Pick<Release, 'version' | 'migrations'>): string {
  const { relations, functions } = publicObjectsOf(migrations);
  const list = (names: string[]) => `array[${names.map((name) => `\n    '${name}'`).join(',')}\n  ]::text[]`;
  return `${HEAD.replace('$VERSION', version)}${SQL.replace('$RELATIONS', () => list(relations)).replace(
    '$FUNCTIONS',
    () => list(functions),
  )}`;
}

const HEAD = `-- Supapush $VERSION, written by supapush uninstall: takes back what its migrations made, and the triggers of its rules and
-- reminders on your tables. Your tables lose no row. The extensions pg_net, pg_cron and supabase_vault stay, as others may use them.
--
-- It stops, and changes nothing, where something of yours would break: what it names is to be changed or dropped first.

`;

const SQL = String.raw`do $uninstall$
declare
  -- Functions and jobs of yours that may go on naming Supapush, though they will fail then: 'public.log_push', 'nightly'.
  c_may_fail constant text[] := '{}'::text[];
  c_relations constant text[] := $RELATIONS;
  c_functions constant text[] := $FUNCTIONS;
  v_relations oid[];
  v_functions oid[];
  v_named text;
  v_callers text;
  v_dependents text;
  v_item record;
  v_table text := 'the tables of Supapush';
begin
  if to_regclass('push.settings') is null then
    raise notice 'There is no Supapush in this database: nothing was removed.';
    return;
  end if;
  select array_agg(c.oid) into v_relations
  from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = 'push' or n.nspname = 'public' and c.relname = any (c_relations);
  select array_agg(p.oid) into v_functions
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'push'::regnamespace
    or p.oid = any (select to_regprocedure(f.signature) from unnest(c_functions) as f (signature));

  -- What only names it, in a text that Postgres does not read before it runs: writes that run it would fail from then on.
  v_named := '\mpush"?\s*\.\s*[a-z_"]|\m(' || array_to_string(c_relations, '|') || '|'
    || (select string_agg(p.proname, '|') from pg_catalog.pg_proc as p
      where p.oid = any (v_functions) and p.pronamespace <> 'push'::regnamespace) || ')\M';
  select string_agg(c.name, ', ' order by c.name) into v_callers
  from (
    select format('function %s.%s', n.nspname, p.proname) as name, format('%s.%s', n.nspname, p.proname) as allowed
    from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where p.oid <> all (v_functions) and n.nspname not in ('pg_catalog', 'information_schema')
      -- Without comments. What stands in quotes stays, as it may look like the begin of one.
      and regexp_replace(p.prosrc, '(''[^'']*''|"[^"]*")|--[^\n]*|/\*([^*]|\*+[^*/])*\*+/', '\1 ', 'g') ~* v_named
      and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
      )
  ) as c
  where c.allowed <> all (c_may_fail);
  if to_regclass('cron.job') is not null then
    select concat_ws(', ', v_callers, string_agg(format('job %s of pg_cron', coalesce(j.jobname, j.jobid::text)), ', ' order by j.jobid)) into v_callers
    from cron.job as j
    where j.command ~* v_named and coalesce(j.jobname, j.jobid::text) <> all (c_may_fail)
      and not exists (select from push.jobs() as w where w.name = j.jobname);
    v_callers := nullif(v_callers, '');
  end if;
  if v_callers is not null then
    raise exception using errcode = 'dependent_objects_still_exist',
      message = format('Supapush was not removed: these use it, and would fail: %s.', v_callers),
      hint = 'Change or drop them in a migration before this one; or name them in c_may_fail of this one.';
  end if;

  -- What is the app's and is made of ours: views, foreign keys, policies, columns, triggers.
  with recursive dependents (classid, objid, objsubid) as (
    select 'pg_catalog.pg_namespace'::regclass::oid, 'push'::regnamespace::oid, 0
    union
    select 'pg_catalog.pg_class'::regclass::oid, r.oid, 0 from unnest(v_relations) as r (oid)
    union
    select 'pg_catalog.pg_proc'::regclass::oid, f.oid, 0 from unnest(v_functions) as f (oid)
    union
    select d.classid, d.objid, d.objsubid
    from dependents as o
    join pg_catalog.pg_depend as d on d.refclassid = o.classid and d.refobjid = o.objid
    -- Not on from a single column, of which its table would seem to be made.
    where o.objsubid = 0
  ), homes as (
    select d.classid, d.objid, d.objsubid,
      case d.classid
        when 'pg_catalog.pg_class'::regclass then coalesce((select i.indrelid from pg_catalog.pg_index as i where i.indexrelid = d.objid), d.objid)
        when 'pg_catalog.pg_rewrite'::regclass then (select r.ev_class from pg_catalog.pg_rewrite as r where r.oid = d.objid)
        when 'pg_catalog.pg_policy'::regclass then (select p.polrelid from pg_catalog.pg_policy as p where p.oid = d.objid)
        when 'pg_catalog.pg_attrdef'::regclass then (select a.adrelid from pg_catalog.pg_attrdef as a where a.oid = d.objid)
        when 'pg_catalog.pg_constraint'::regclass then (select c.conrelid from pg_catalog.pg_constraint as c where c.oid = d.objid)
        when 'pg_catalog.pg_publication_rel'::regclass then (select r.prrelid from pg_catalog.pg_publication_rel as r where r.oid = d.objid)
        when 'pg_catalog.pg_statistic_ext'::regclass then (select s.stxrelid from pg_catalog.pg_statistic_ext as s where s.oid = d.objid)
        when 'pg_catalog.pg_type'::regclass then (
          select coalesce(nullif(t.typrelid, 0), nullif(e.typrelid, 0)) from pg_catalog.pg_type as t
          left join pg_catalog.pg_type as e on e.oid = t.typelem
          where t.oid = d.objid
        )
        when 'pg_catalog.pg_trigger'::regclass then (
          -- A foreign key has triggers on both of its tables.
          select coalesce(nullif(c.conrelid, 0), t.tgrelid) from pg_catalog.pg_trigger as t
          left join pg_catalog.pg_constraint as c on c.oid = t.tgconstraint
          where t.oid = d.objid
        )
      end as relation
    from dependents as d
  )
  select string_agg(distinct pg_catalog.pg_describe_object(
    case when h.classid = 'pg_catalog.pg_rewrite'::regclass then 'pg_catalog.pg_class'::regclass::oid else h.classid end,
    case when h.classid = 'pg_catalog.pg_rewrite'::regclass then h.relation else h.objid end, h.objsubid
  ), ', ') into v_dependents
  from homes as h
  left join pg_catalog.pg_class as c on c.oid = h.relation
  -- A table's row type goes with it.
  where h.relation <> all (v_relations) and c.relnamespace <> 'pg_toast'::regnamespace
    and h.classid <> 'pg_catalog.pg_type'::regclass
    -- A rule and a reminder name theirs after its function. One of the app's may run a function of ours, or ask it in its condition.
    and not (h.classid = 'pg_catalog.pg_trigger'::regclass and exists (
      select from pg_catalog.pg_trigger as t join pg_catalog.pg_proc as p on p.oid = t.tgfoid
      where t.oid = h.objid and (t.tgisinternal or p.oid = any (v_functions) and t.tgname = 'push_' || p.proname)
    ))
    or h.relation is null and not (
      h.classid in ('pg_catalog.pg_namespace'::regclass, 'pg_catalog.pg_default_acl'::regclass)
      or h.classid = 'pg_catalog.pg_publication_namespace'::regclass
      or h.classid = 'pg_catalog.pg_proc'::regclass and h.objid = any (v_functions)
      or h.classid = 'pg_catalog.pg_type'::regclass
        and (select t.typnamespace from pg_catalog.pg_type as t where t.oid = h.objid) = 'push'::regnamespace
    );
  if v_dependents is not null then
    raise exception using errcode = 'dependent_objects_still_exist',
      message = format('Supapush was not removed: these are made of its tables or functions, and would go with it: %s.', v_dependents),
      hint = 'Change or drop them in a migration before this one.';
  end if;

  -- The triggers of rules and reminders. Their tables are locked for a moment: better none than one that waits for long, with every
  -- write waiting behind it. A limit that was set before holds.
  if current_setting('lock_timeout') = '0' then
    perform set_config('lock_timeout', '5s', true);
  end if;
  for v_item in
    select distinct t.tgfoid::regprocedure::text as function, t.tgrelid::regclass::text as watched
    from pg_catalog.pg_trigger as t
    where not t.tgisinternal and t.tgrelid <> all (v_relations) and t.tgfoid = any (v_functions)
    order by watched, function
  loop
    v_table := v_item.watched;
    -- By its function, as a trigger of a table that is another role's, such as auth.users, cannot be dropped by itself. It may have
    -- gone with another table that it was on.
    if to_regprocedure(v_item.function) is not null then
      execute format('drop function %s cascade', v_item.function);
    end if;
  end loop;
  v_table := 'the tables of Supapush, or auth.users, which they refer to';

  if to_regclass('cron.job') is not null then
    delete from cron.job_run_details as r
    where r.jobid in (select j.jobid from cron.job as j join push.jobs() as w on w.name = j.jobname);
    perform cron.unschedule(j.jobid) from cron.job as j join push.jobs() as w on w.name = j.jobname;
  end if;
  if to_regclass('vault.secrets') is not null then
    delete from vault.secrets as s where s.name in ('push_project_url', 'push_bell_secret');
  end if;

  -- All of it is ours, as was looked at above: not a notice of each.
  perform set_config('client_min_messages', 'warning', true);
  drop schema push cascade;
  for v_item in
    select c.relname, case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end as word
    from pg_catalog.pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relname = any (c_relations) and c.relkind in ('r', 'p', 'v', 'm', 'S')
  loop
    execute format('drop %s if exists public.%I cascade', v_item.word, v_item.relname);
  end loop;
  for v_item in
    select f.signature from unnest(c_functions) as f (signature) where to_regprocedure(f.signature) is not null
  loop
    execute format('drop function if exists %s cascade', v_item.signature);
  end loop;
  perform set_config('client_min_messages', 'notice', true);
  raise notice 'Supapush is removed. These extensions stay, as others may use them: %.', (
    select string_agg(e.extname, ', ' order by e.extname) from pg_catalog.pg_extension as e
    where e.extname in ('pg_cron', 'pg_net', 'supabase_vault')
  );
exception when lock_not_available then
  raise exception using errcode = 'lock_not_available',
    message = format('Supapush was not removed: %s is in use.', v_table),
    detail = sqlerrm,
    hint = 'Nothing was changed. End the transaction that has been open for long (select * from pg_stat_activity where xact_start < now() - interval ''5 seconds''), and run this again.';
end;
$uninstall$;
`;
