import { glob, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { unfilteredWrites } from '../../support/unfiltered-writes.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

/** Of every function that is not an extension's: its name with the writes in it that have no condition. */
async function findInCatalog(): Promise<string[]> {
  const functions = await db().sql<{ name: string; source: string }[]>`
    select p.oid::regprocedure::text as name, p.prosrc as source
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ('public', 'push') and p.prokind in ('f', 'p')
      and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
    union all
    select 'the job ' || jobname, command from cron.job`;
  expect(functions.length).toBeGreaterThan(250);
  return functions.flatMap(({ name, source }) =>
    unfilteredWrites(source).map((write) => `${name}: ${write}`),
  );
}

describe('an update or delete without a condition, which safeupdate refuses,', () => {
  test('is in no function of ours', async () => {
    expect(await findInCatalog()).toEqual([]);
  });

  test('is in no migration, seed, example or part of the demo', async () => {
    const found: string[] = [];
    for await (const file of glob('{supabase,examples,tools/demo}/**/*.sql'))
      for (const write of unfilteredWrites(await readFile(file, 'utf8'))) found.push(`${file}: ${write}`);
    expect(found).toEqual([]);
  });

  test('is found in a function that is added later', async () => {
    const { sql } = db();
    await sql`
      create function push.planted() returns void language plpgsql set search_path = '' as $$
      begin
        if true then
          update push.settings as s set vapid_public_key = (select null where true);
        end if;
      end $$`;
    try {
      expect(await findInCatalog()).toEqual([
        'push.planted(): update push.settings as s set vapid_public_key = (select null where true)',
      ]);
    } finally {
      await sql`drop function push.planted()`;
    }
  });

  test.each([
    'delete from push.alarms',
    'begin\n  perform 1;\n  DELETE FROM push.alarms;\nend',
    'with gone as (delete from push.alarms returning 1) select count(*) from gone where true',
    'with one as (select 1 where true) update push.alarms as a set subject = one.x from one',
    "execute format('delete from %I', v_table)",
    "execute 'update push.alarms set subject = ''x'''",
    'create function f() returns void language sql as $f$ delete from push.alarms returning 1; $f$',
    'for r in select 1 loop update push.alarms set subject = null; end loop where',
    'return query delete from push.alarms returning code',
  ])('is found in %j', (sql) => {
    expect(unfilteredWrites(sql)).toHaveLength(1);
  });

  test.each([
    'delete from push.alarms where true',
    'with gone as (delete from push.alarms as a where a.code = 1 returning 1) select count(*) from gone',
    'insert into push.alarms values (1) on conflict (code) do update set subject = excluded.subject',
    'select 1 from push.alarms for no key update skip locked',
    'create trigger t after insert or update on push.alarms for each row execute function f()',
    'grant select, update (subject), delete on push.alarms to service_role',
    'create policy p on push.alarms for delete to authenticated using (true)',
    "perform push.refuse(400, 'x', 'Update the app.', 'delete push_subscriptions first')",
    '-- delete from push.alarms\nselect 1 /* update push.alarms set x = 1 */',
    "select ';' where true; update push.alarms set subject = ';' where code = 'x'",
  ])('is not seen where there is none: %j', (sql) => {
    expect(unfilteredWrites(sql)).toEqual([]);
  });
});
