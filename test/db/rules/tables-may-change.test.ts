import { afterEach, beforeEach, expect, test } from 'vitest';
import { readAlarms, readRuleErrors, readTitles, watch } from '../../support/rules.ts';
import { withSessions } from '../../support/sessions.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

// A table of this test's own, to be changed at will.
beforeEach(async () => {
  const { sql } = db();
  await sql.unsafe(`
    create table public.orders (id integer primary key, code text not null unique, owner_id uuid, stage text, note text);
    insert into public.orders values (1, 'a', '${owner()}', 'open', null)`);
  await watch(sql, {
    name: 'order_stage',
    table: 'public.orders',
    events: ['update'],
    columns: ['stage'],
    title: `new.stage`,
  });
});
afterEach(async () => {
  const { sql } = db();
  await sql`select push.unwatch(name) from push.rules`;
  await sql.unsafe(
    'drop table if exists public.orders, public.purchases; drop schema if exists sales cascade; drop type if exists public.stages',
  );
});

async function check(): Promise<number> {
  const [row] = await db().sql<{ broken: number }[]>`select push.check_rules() as broken`;
  return row?.broken as number;
}

const readStatus = async () =>
  (
    await db()
      .sql`select table_schema, table_name, state, broken from push.rule_status where name = 'order_stage'`
  )[0];

test.each<[string, string, string?]>([
  ['is renamed', 'alter table public.orders rename to purchases', 'public.purchases'],
  [
    'moves to another schema',
    'create schema sales; alter table public.orders set schema sales',
    'sales.orders',
  ],
  ['gets a column', 'alter table public.orders add column price numeric default 5'],
  ['loses a column', 'alter table public.orders drop column note'],
  ['has another column renamed', 'alter table public.orders rename column note to remark'],
  ['has the watched column retyped', 'alter table public.orders alter column stage type varchar(20)'],
  [
    'has the watched column retyped to an enum',
    `create type public.stages as enum ('open', 'won'); alter table public.orders alter column stage type public.stages using stage::public.stages`,
  ],
  ['has its key renamed', 'alter table public.orders rename column id to number'],
  ['has its key retyped', 'alter table public.orders alter column id type bigint'],
  [
    'gets another key',
    'alter table public.orders drop constraint orders_pkey; alter table public.orders add primary key (code)',
  ],
  [
    'gets another key and loses the old one',
    'alter table public.orders drop column id; alter table public.orders add primary key (code)',
  ],
])(
  'a table that %s is watched on, without a message lost',
  async (_what, change, table = 'public.orders') => {
    const { sql, url } = db();
    await withSessions(url, 1, async (writer) => {
      // A session that has the old plan, and one that has none.
      await writer.sql`update public.orders set stage = 'tried'`;
      await writer.sql`update public.orders set stage = 'open'`;
      await sql`delete from public.push_notifications`;
      await sql.unsafe(change).simple();
      await writer.sql.unsafe(`update ${table} set stage = 'won'`);
      await sql.unsafe(`update ${table} set stage = 'open'`);
      expect(await check()).toBe(0);
      await writer.sql.unsafe(`update ${table} set stage = 'won'`);
    });
    expect(await readTitles(sql)).toEqual(['open', 'won', 'won']);
    expect(await readRuleErrors(sql)).toEqual([]);
    expect(await readAlarms(sql)).toEqual([]);
    const [schema, name] = table.split('.');
    expect(await readStatus()).toEqual({
      table_schema: schema,
      table_name: name,
      state: 'intact',
      broken: null,
    });
  },
);

test('once checked, the rule is compiled for the table as it is now', async () => {
  const { sql } = db();
  const readText = async () =>
    (await sql`select prosrc as text from pg_proc where proname = 'rules_orders_update'`)[0]?.text as string;
  const before = await readText();
  await check();
  expect(await readText()).toBe(before);
  await sql`alter table public.orders rename column id to number`;
  await check();
  expect(await readText()).toBe(before.replaceAll('new.id = old.id', 'new.number = old.number'));
});

const BREAKS: [string, string, RegExp, string][] = [
  [
    'the watched column is dropped',
    'alter table public.orders drop column stage',
    /orders has no column stage/,
    `alter table public.orders add column stage text`,
  ],
  [
    'a column that an expression names is renamed',
    'alter table public.orders rename column owner_id to buyer_id',
    /owner_id does not exist/,
    'alter table public.orders rename column buyer_id to owner_id',
  ],
  [
    'its primary key is dropped',
    'alter table public.orders drop constraint orders_pkey',
    /orders has no primary key/,
    'alter table public.orders add primary key (id)',
  ],
  [
    'its recipients are no user ids any more',
    `alter table public.orders alter column owner_id type text`,
    /user_ids\(text\) does not exist/,
    `alter table public.orders alter column owner_id type uuid using owner_id::uuid`,
  ],
  [
    'its trigger is switched off',
    'alter table public.orders disable trigger user',
    /trigger on update of .*orders is missing or disabled/,
    'alter table public.orders enable trigger user',
  ],
  [
    'its trigger is dropped',
    'drop trigger push_rules_orders_update on public.orders',
    /trigger on update of .*orders is missing or disabled/,
    `create trigger push_rules_orders_update after update on public.orders
      referencing old table as push_old_rows new table as push_new_rows
      for each statement execute function push.rules_orders_update()`,
  ],
];

test.each(BREAKS)(
  'when %s, writes go through, and an alarm says what broke until it is mended',
  async (_what, change, reason, mend) => {
    const { sql } = db();
    await sql.unsafe(change);
    await sql`update public.orders set note = 'written'`;
    expect([...(await sql`select note from public.orders`)]).toEqual([{ note: 'written' }]);
    expect(await check()).toBe(1);
    expect((await readAlarms(sql)).filter(({ code }) => code === 'rule_broken')).toEqual([
      { code: 'rule_broken', subject: 'order_stage', message: expect.stringMatching(reason) },
    ]);
    expect(await readStatus()).toMatchObject({ state: 'broken', broken: expect.stringMatching(reason) });

    await sql.unsafe(mend);
    expect(await check()).toBe(0);
    expect((await readAlarms(sql)).filter(({ code }) => code === 'rule_broken')).toEqual([]);
    await sql`update public.orders set stage = 'mended'`;
    expect(await readTitles(sql)).toEqual(['mended']);
  },
);

test('a broken rule remembers since when it is broken', async () => {
  const { sql } = db();
  await sql`alter table public.orders drop column stage`;
  const since = new Date('2030-01-01T00:00:00Z');
  await sql`select push.check_rules(${since})`;
  await sql`select push.check_rules(${new Date('2030-01-01T00:01:00Z')})`;
  expect((await sql`select broken_since from push.rules`)[0]?.broken_since).toEqual(since);
});

test('a table that is dropped leaves its rule marked, until it is removed', async () => {
  const { sql } = db();
  await sql`drop table public.orders`;
  expect(await check()).toBe(1);
  expect(await readStatus()).toEqual({
    table_schema: 'public',
    table_name: 'orders',
    state: 'broken',
    broken: 'its table public.orders was dropped',
  });
  expect(await readAlarms(sql)).toMatchObject([{ code: 'rule_broken', subject: 'order_stage' }]);
  await sql`select push.unwatch('order_stage')`;
  expect(await readAlarms(sql)).toEqual([]);
  expect(await check()).toBe(0);
});

test('a function that an expression calls is missed', async () => {
  const { sql } = db();
  await sql.unsafe(
    `create function public.title_of(p_id integer) returns text language sql as $$ select 'x' $$`,
  );
  await watch(sql, { name: 'order_made', table: 'public.orders', title: 'public.title_of(new.id)' });
  await sql`drop function public.title_of`;
  expect(await check()).toBe(1);
  expect(await readAlarms(sql)).toMatchObject([
    { subject: 'order_made', message: expect.stringContaining('title_of') },
  ]);
});

test('one broken rule does not keep others from being looked at', async () => {
  const { sql } = db();
  await watch(sql, { name: 'a_first', table: 'public.orders', title: 'new.note' });
  await watch(sql, { name: 'z_last', table: 'public.orders', title: 'new.note' });
  await sql`alter table public.orders drop column note`;
  expect(await check()).toBe(2);
  expect((await readAlarms(sql)).map(({ subject }) => subject)).toEqual(['a_first', 'z_last']);
});

test('the check does not wait for a table that is being changed, and looks at it the next time', async () => {
  const { url } = db();
  await withSessions(url, 1, async (changing) => {
    await changing.sql`begin`;
    await changing.sql`alter table public.orders drop column stage`;
    expect(await check()).toBe(0);
    await changing.sql`commit`;
  });
  expect(await check()).toBe(1);
});

test('housekeeping looks after the rules', async () => {
  const { sql } = db();
  await sql`alter table public.orders drop column stage`;
  await sql`select push.clean()`;
  expect(await readAlarms(sql)).toMatchObject([{ code: 'rule_broken' }]);
});

test('of two rules on a table that lost its key, each can be removed and declared anew; what is gone says nothing', async () => {
  const { sql } = db();
  await watch(sql, { name: 'order_note', table: 'public.orders', events: ['update'], title: 'new.note' });
  await sql`alter table public.orders drop constraint orders_pkey`;
  await watch(sql, { name: 'order_note', table: 'public.orders', events: ['insert'], title: 'new.note' });
  await sql`update public.orders set stage = 'won', note = 'written'`;
  await sql`insert into public.orders values (2, 'b', ${owner()}, 'open', 'new')`;
  expect(await readTitles(sql)).toEqual(['new', 'won']);
  expect(await readRuleErrors(sql)).toEqual([]);
  const names = async () => (await sql`select name from push.rules order by 1`).map(({ name }) => name);
  await sql`select push.unwatch('order_note')`;
  expect(await names()).toEqual(['order_stage']);
  await sql`select push.unwatch('order_stage')`;
  expect(await names()).toEqual([]);
  expect(await readAlarms(sql)).toEqual([]);
});

test('a value of an enum that an expression names is renamed', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create type public.stages as enum ('open', 'won');
    alter table public.orders alter column stage type public.stages using stage::public.stages`);
  await watch(sql, {
    name: 'order_won',
    table: 'public.orders',
    title: 'new.code',
    condition: `new.stage = 'won'`,
  });
  expect(await check()).toBe(0);
  await sql`alter type public.stages rename value 'won' to 'gained'`;
  expect(await check()).toBe(1);
});

test.each([
  ['privileges', 'grant select on public.orders to anon'],
  [
    'an owner',
    'grant create on schema public to service_role; alter table public.orders owner to service_role',
  ],
  ['a sequence', 'create sequence public.order_numbers'],
])('the catalog has another fingerprint with other %s', async (_what, change) => {
  const { sql } = db();
  const read = async (t: typeof sql) =>
    (await t`select push.catalog_fingerprint() as value`)[0]?.value as string;
  await sql
    .begin(async (t) => {
      const before = await read(t as never);
      await t.unsafe(change);
      expect(await read(t as never)).not.toBe(before);
      throw new Error('rolled back');
    })
    .catch((error: Error) => {
      if (error.message !== 'rolled back') throw error;
    });
});
