import { beforeAll, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { queueOne } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';
import { type Answer, MATRIX, OPERATIONS, type Operation, ROLES, type Role } from './access-matrix.ts';
import { prepareRows, ROWS, type RowOf } from './table-rows.ts';

const db = useDatabase();
let owner: string;
let other: string;

beforeAll(async () => {
  const { sql } = db();
  other = (await createUser(sql)).id;
  await prepareRows(sql);
});

async function answerOf(table: string, role: Role, operation: Operation): Promise<Answer> {
  const { sql } = db();
  const { key, change, row, before, find } = ROWS[table] as RowOf;
  // A fresh owner for every cell: a delete must not empty the next one's table.
  const made = await queueOne(sql);
  owner = made.userId;
  await before?.(sql, made);
  // What is inserted is not there yet.
  const found = operation !== 'insert' && find ? await find(sql, made) : null;
  const id = found ?? (await sql.unsafe(`select ${key} as id from ${table} limit 1`))[0]?.id;

  const values = row(owner, made);
  const columns = Object.keys(values);
  const statements: Record<Operation, [string, unknown[]]> = {
    // Unfiltered: what another owner has must not show either.
    select: [`select * from ${table}`, []],
    insert: [
      `insert into ${table} (${columns}) values (${columns.map((_, index) => `$${index + 1}`)})`,
      Object.values(values),
    ],
    update: [`update ${table} set ${change} where ${key} = $1`, [id]],
    delete: [`delete from ${table} where ${key} = $1`, [id]],
  };
  const [text, parameters] = statements[operation];
  const run = async (t: { unsafe: typeof sql.unsafe }) => await t.unsafe(text, parameters as never[]);
  try {
    const result = await (role === 'anon'
      ? asAnon(sql, run)
      : role === 'service_role'
        ? asService(sql, run)
        : asUser(sql, role === 'owner' ? owner : other, run));
    if (operation !== 'select') return result.count as Answer;
    const owned = result.columns.some(({ name }) => name === 'user_id');
    if (role !== 'service_role' && owned) expect(result.every((seen) => seen.user_id === owner)).toBe(true);
    return result.filter((seen) => seen[key] === id).length as Answer;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code as Answer;
  }
}

describe.each(Object.keys(MATRIX))('%s', (table) => {
  const cells = ROLES.flatMap((role) =>
    OPERATIONS.map((operation) => [role, operation, MATRIX[table]?.[role][operation] as Answer] as const),
  );
  test.each(cells)('%s, %s: %s', async (role, operation, expected) => {
    expect(await answerOf(table, role, operation)).toBe(expected);
  });
});

test('no table, view or sequence exists beside those listed here', async () => {
  const { sql } = db();
  const relations = await sql<{ name: string; rls: boolean }[]>`
    select n.nspname || '.' || c.relname as name, c.relrowsecurity as rls
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'push') and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and c.oid <> 'public.deals'::regclass
    order by 1`;
  expect(relations.map(({ name }) => name)).toEqual(Object.keys(MATRIX).sort());
  expect(relations.filter(({ rls }) => !rls)).toEqual([]);
});

test.each(['anon', 'authenticated', 'service_role'])(
  '%s may truncate, reference or trigger nothing',
  async (role) => {
    const { sql } = db();
    const granted = await sql`
    select n.nspname || '.' || c.relname as name, p.privilege
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    cross join (values ('truncate'), ('references'), ('trigger')) as p (privilege)
    where n.nspname in ('public', 'push') and c.relkind in ('r', 'p') and has_table_privilege(${role}, c.oid, p.privilege)`;
    expect([...granted]).toEqual([]);
  },
);
