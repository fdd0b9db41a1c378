import { beforeAll, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';
import { FUNCTIONS } from './function-roles.ts';

const db = useDatabase();

interface Found {
  name: string;
  signature: string;
  call: string;
  config: string[] | null;
  comment: string | null;
  grantees: string[];
}

async function findFunctions(): Promise<Found[]> {
  return await db().sql<Found[]>`
    select n.nspname || '.' || p.proname as name,
      p.oid::regprocedure::text as signature,
      'select ' || n.nspname || '.' || p.proname || '('
        || (select coalesce(string_agg('null::' || format_type(t.type, null), ', ' order by t.position), '')
            from unnest(p.proargtypes) with ordinality as t (type, position)) || ')' as call,
      p.proconfig as config,
      obj_description(p.oid, 'pg_proc') as comment,
      array(
        select r.role from unnest('{public,anon,authenticated,service_role}'::text[]) as r (role)
        where has_function_privilege(r.role, p.oid, 'execute')
      ) as grantees
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'push')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by p.oid::regprocedure::text`;
}

let user: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
});

test('no function exists beside those listed here', async () => {
  const names = (await findFunctions()).map(({ name }) => name);
  expect([...new Set(names)].sort()).toEqual(Object.keys(FUNCTIONS).sort());
});

test('each may be executed by the roles listed here alone', async () => {
  for (const { name, signature, grantees } of await findFunctions()) {
    expect({ signature, grantees }).toEqual({ signature, grantees: FUNCTIONS[name] });
  }
});

test('no API role may use schema push', async () => {
  const rows = await db().sql`
    select r.role from unnest('{public,anon,authenticated,service_role}'::text[]) as r (role)
    where has_schema_privilege(r.role, 'push', 'usage') or has_schema_privilege(r.role, 'push', 'create')`;
  expect([...rows]).toEqual([]);
});

describe.each(Object.entries(FUNCTIONS))('%s', (name, roles) => {
  test('refuses everybody else when called', async () => {
    const { sql } = db();
    const calls = (await findFunctions()).filter((found) => found.name === name).map(({ call }) => call);
    expect(calls).not.toEqual([]);
    for (const call of calls) {
      if (!roles.includes('anon')) {
        expect((await refusalOf(asAnon(sql, (t) => t.unsafe(call)))).sqlstate).toBe('42501');
      }
      if (!roles.includes('authenticated')) {
        expect((await refusalOf(asUser(sql, user, (t) => t.unsafe(call)))).sqlstate).toBe('42501');
      }
      if (!roles.includes('service_role')) {
        expect((await refusalOf(asService(sql, (t) => t.unsafe(call)))).sqlstate).toBe('42501');
      }
    }
  });
});

test('each has an empty search_path, so that no caller decides which objects it means', async () => {
  const open = (await findFunctions()).filter(({ config }) => !config?.includes('search_path=""'));
  expect(open.map(({ signature }) => signature)).toEqual([]);
});

test('each says what it is for', async () => {
  const silent = (await findFunctions()).filter(({ comment }) => !comment);
  expect(silent.map(({ signature }) => signature)).toEqual([]);
});
