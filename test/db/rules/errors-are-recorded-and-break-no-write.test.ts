import { expect, test } from 'vitest';
import { readRuleErrors, readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function insert(values: Record<string, unknown> = {}): Promise<void> {
  const { sql } = db();
  await sql`insert into public.deals ${sql({ id: 1, owner_id: owner(), amount: 0, ...values } as never)}`;
}

const countDeals = async () => (await db().sql`select count(*)::int as n from public.deals`)[0]?.n;

test.each<[string, Parameters<typeof watch>[1], Record<string, unknown>, string]>([
  ['a title that is null', { title: 'new.title' }, {}, 'PT400'],
  ['a title that is empty', { title: 'new.title' }, { title: ' ' }, 'PT400'],
  ['a title that is too long', { title: 'new.title' }, { title: 'x'.repeat(10_000) }, 'PT413'],
  ['a url that leads elsewhere', { url: 'new.title' }, { title: 'javascript:alert(1)' }, 'PT400'],
  ['params that are no object', { params: 'new.tags' }, { tags: 1 }, 'PT400'],
  ['a division by zero in the title', { title: '(1 / new.amount)::text' }, {}, '22012'],
  ['a division by zero in the condition', { condition: '1 / new.amount > 0' }, {}, '22012'],
  ['a division by zero in the params', { params: `jsonb_build_object('x', 1 / new.amount)` }, {}, '22012'],
  ['a cast that fails in the recipients', { recipients: 'new.title::uuid' }, { title: 'nobody' }, '22P02'],
  ['a subquery with two rows', { title: '(select new.title from generate_series(1, 2))' }, {}, '21000'],
  ['a function that raises', { title: 'public.raise_something(new.id)' }, {}, 'P0001'],
  ['an assertion that fails', { title: 'public.assert_something(new.id)' }, {}, 'P0004'],
])('%s', async (_what, rule, values, sqlstate) => {
  const { sql } = db();
  await sql.unsafe(`
    create or replace function public.raise_something(p_id integer) returns text language plpgsql as $$
    begin raise exception 'something' using detail = 'the detail'; end $$;
    create or replace function public.assert_something(p_id integer) returns text language plpgsql as $$
    begin assert p_id is null, 'something'; return 'x'; end $$`);
  await watch(sql, { name: 'broken', ...rule });
  await watch(sql, { name: 'whole', title: `'whole'` });
  await insert(values);
  expect(await countDeals()).toBe(1);
  expect(await readRuleErrors(sql)).toEqual([
    {
      rule: 'broken',
      event: 'insert',
      sqlstate,
      message: expect.stringMatching(/\w/),
      detail: expect.any(String),
    },
  ]);
  // Another rule of the same table is not held up.
  expect(await readTitles(sql)).toEqual(['whole']);
});

test('the detail of what was raised is kept', async () => {
  const { sql } = db();
  await watch(sql, { title: 'new.title' });
  await insert();
  expect(await readRuleErrors(sql)).toMatchObject([{ rule: 'deal_rule', detail: 'title_missing' }]);
});

test.each(['insert', 'update', 'delete'])(
  '%s: the write goes through, and the error names the event',
  async (event) => {
    const { sql } = db();
    await insert();
    await watch(sql, {
      events: ['insert', 'update', 'delete'],
      recipients: 'coalesce(new.owner_id, old.owner_id)',
      title: '(1 / coalesce(new.amount, old.amount))::text',
    });
    const statements: Record<string, () => Promise<unknown>> = {
      insert: () => insert({ id: 2 }),
      update: () => sql`update public.deals set stage = 'won'`,
      delete: () => sql`delete from public.deals`,
    };
    await statements[event]?.();
    expect(await readRuleErrors(sql)).toMatchObject([{ event, sqlstate: '22012' }]);
    expect(await countDeals()).toBe({ insert: 2, update: 1, delete: 0 }[event]);
  },
);

test('the transaction goes on, and what it does afterwards fires again', async () => {
  const { sql } = db();
  await watch(sql, { title: '(1 / new.amount)::int::text' });
  await sql.begin(async (t) => {
    await t`insert into public.deals (id, owner_id, amount) values (1, ${owner()}, 0)`;
    await t`insert into public.deals (id, owner_id, amount) values (2, ${owner()}, 1)`;
  });
  expect(await countDeals()).toBe(2);
  expect(await readRuleErrors(sql)).toHaveLength(1);
  expect(await readTitles(sql)).toEqual(['1']);
});

test('an error is rolled back with the write it belongs to', async () => {
  const { sql } = db();
  await watch(sql, { title: 'new.title' });
  await sql
    .begin(async (t) => {
      await t`insert into public.deals (id, owner_id) values (1, ${owner()})`;
      throw new Error('rolled back');
    })
    .catch(() => undefined);
  expect(await readRuleErrors(sql)).toEqual([]);
});

test('a column that is dropped later breaks the rule and not the write', async () => {
  const { sql } = db();
  await sql`alter table public.deals add column region text`;
  await watch(sql, { title: 'new.region' });
  await sql`alter table public.deals drop column region`;
  await insert();
  expect(await countDeals()).toBe(1);
  expect(await readRuleErrors(sql)).toMatchObject([{ sqlstate: '42703' }]);
});

test('a column that is added later is there for the rule', async () => {
  const { sql } = db();
  await watch(sql, { title: `'has ' || (to_jsonb(new) ->> 'region')`, events: ['insert', 'update'] });
  await sql`alter table public.deals add column region text default 'north'`;
  await insert();
  await sql`update public.deals set region = 'south'`;
  await sql`alter table public.deals drop column region`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toEqual(['has north', 'has south']);
});

test('a table that is renamed or moved is still watched', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['insert', 'update', 'delete'],
    recipients: 'coalesce(new.owner_id, old.owner_id)',
  });
  await sql`create schema crm`;
  await sql`alter table public.deals rename to contracts`;
  await sql`alter table public.contracts set schema crm`;
  await sql`insert into crm.contracts (id, owner_id) values (1, ${owner()})`;
  await sql`update crm.contracts set stage = 'won'`;
  await sql`delete from crm.contracts`;
  await sql`alter table crm.contracts set schema public`;
  await sql`alter table public.contracts rename to deals`;
  await sql`drop schema crm`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toHaveLength(3);
});
