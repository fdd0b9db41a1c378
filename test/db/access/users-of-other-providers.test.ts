import { beforeAll, describe, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { queueOne } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';
import { FUNCTIONS } from './function-roles.ts';
import { prepareRows, ROWS, type RowOf } from './table-rows.ts';

// Tokens of other providers name users as they like: `user_2NNEqL2nrIRdJ194ndJqAHwEfxC`, `auth0|5f7c8ec7`.

const db = useDatabase();
const OTHER = 'user_2NNEqL2nrIRdJ194ndJqAHwEfxC';
const REFUSED = { sqlstate: 'PT403', code: 'user_id_not_uuid', hint: expect.stringMatching(/claim sub/) };

/** Tables whose rows are a user's own. */
const OWNED = [
  'push_subscriptions',
  'push_notifications',
  'push_topic_members',
  'push_reads',
  'push_preferences',
  'push_device_preferences',
  'push_alerts',
];

beforeAll(() => prepareRows(db().sql));

test('every table with rows of users is in this file', async () => {
  const found = await db().sql<{ name: string }[]>`
    select distinct c.relname as name
    from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and pg_get_expr(p.polqual, p.polrelid) || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') ~ 'user_id'
      and c.relname like 'push%'`;
  expect(found.map(({ name }) => name).toSorted()).toEqual(OWNED.toSorted());
});

describe.each(OWNED)('%s', (table) => {
  test('says by code that its users have other ids, whatever is done', async () => {
    const { sql } = db();
    const { key, change, row, before, find } = ROWS[`public.${table}`] as RowOf;
    const made = await queueOne(sql);
    await before?.(sql, made);
    const values = row(made.userId, made);
    const columns = Object.keys(values).filter((column) => column !== 'user_id');
    const inserted = columns.map((column) => values[column] as string);
    const given = columns.length
      ? `(${columns}) values (${columns.map((_, index) => `$${index + 1}`)})`
      : 'default values';
    const id = (await find?.(sql, made)) ?? '';
    for (const [text, parameters] of [
      [`select * from public.${table}`, []],
      [`insert into public.${table} ${given}`, inserted],
      [`update public.${table} set ${change} where ${key} = $1`, [id]],
      [`delete from public.${table} where ${key} = $1`, [id]],
    ] as const) {
      const refusal = await refusalOf(asUser(sql, OTHER, (t) => t.unsafe(text, [...parameters])));
      // What no user may do is refused for that reason.
      if (refusal.sqlstate !== '42501') expect({ text, ...refusal }).toMatchObject(REFUSED);
    }
  });
});

test.each(Object.keys(FUNCTIONS).filter((name) => FUNCTIONS[name]?.includes('authenticated')))(
  '%s answers, or says so by code',
  async (name) => {
    const { sql } = db();
    const [found] = await sql<{ call: string }[]>`
      select p.oid::regproc || '(' || array_to_string(array(
        select 'null::' || format_type(t.type, null) from unnest(p.proargtypes) as t (type)), ', ') || ')' as call
      from pg_proc p where p.oid::regproc::text = ${name.replace('public.', '')} or p.oid = to_regproc(${name})`;
    const outcome = asUser(sql, OTHER, (t) => t.unsafe(`select * from ${found?.call}`));
    if (name === 'public.push_vapid_key') return void (await outcome);
    expect(await refusalOf(outcome)).toMatchObject(REFUSED);
  },
);

test('what is everybody’s is read all the same', async () => {
  const { sql } = db();
  await sql`insert into public.push_topics (key, title) values ('all', 'All')`;
  const read = (table: string) => asUser(sql, OTHER, (t) => t.unsafe(`select * from public.${table}`));
  expect(await read('push_topics')).not.toEqual([]);
  for (const table of ['push_categories', 'push_quotes', 'push_levels']) await read(table);
});

test('ids are taken in every spelling that Postgres has, and a session without one belongs to no user', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  const me = (sub: string) =>
    asUser(sql, sub, (t) => t<{ id: string | null }[]>`select public.push_user_id() as id`);
  for (const sub of [id, id.toUpperCase(), id.replaceAll('-', '')])
    expect([...(await me(sub))]).toEqual([{ id }]);
  const service = await asService(sql, (t) => t`select public.push_user_id() as id`);
  expect([...service]).toEqual([{ id: null }]);
});

test.each(['', '5', `${'0'.repeat(33)}`, 'f0000000-0000-0000-0000-00000000000g', '{', "' or true --"])(
  '"%s" is no id',
  async (sub) => {
    const { sql } = db();
    expect(await refusalOf(asUser(sql, sub, (t) => t`select public.push_user_id()`))).toMatchObject(REFUSED);
  },
);
