import { expect, test } from 'vitest';
import { readRuleErrors, readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function update(
  from: Record<string, unknown>,
  to: Record<string, unknown>,
  columns: string[],
): Promise<number> {
  const { sql } = db();
  await watch(sql, { events: ['update'], columns });
  await sql`insert into public.deals ${sql({ id: 1, owner_id: owner(), ...from } as never)}`;
  await sql`update public.deals set ${sql(to as never)}`;
  expect(await readRuleErrors(sql)).toEqual([]);
  return (await readTitles(sql)).length;
}

test.each<[string, Record<string, unknown>, Record<string, unknown>, string[], number]>([
  ['another value', { stage: 'open' }, { stage: 'won' }, ['stage'], 1],
  ['the same value', { stage: 'open' }, { stage: 'open' }, ['stage'], 0],
  ['null to a value', { stage: null }, { stage: 'won' }, ['stage'], 1],
  ['a value to null', { stage: 'won' }, { stage: null }, ['stage'], 1],
  ['null to null', { stage: null }, { stage: null }, ['stage'], 0],
  ['an empty text to null', { stage: '' }, { stage: null }, ['stage'], 1],
  ['another column', { stage: 'open' }, { title: 'new' }, ['stage'], 0],
  ['one of two columns', { stage: 'open', amount: 1 }, { amount: 2 }, ['stage', 'amount'], 1],
  ['neither of two columns', { stage: 'open', amount: 1 }, { title: 'new' }, ['stage', 'amount'], 0],
  ['an equal number written otherwise', { amount: '1.0' }, { amount: '1.00' }, ['amount'], 0],
  ['json', { meta: '{"a": 1}' }, { meta: '{"a": 2}' }, ['meta'], 1],
  ['the same json', { meta: '{"a": 1}' }, { meta: '{"a": 1}' }, ['meta'], 0],
  ['null to json', { meta: null }, { meta: '{"a": 1}' }, ['meta'], 1],
  ['jsonb', { tags: ['a'] }, { tags: ['b'] }, ['tags'], 1],
  ['the same jsonb', { tags: { a: 1, b: 2 } }, { tags: { b: 2, a: 1 } }, ['tags'], 0],
  ['json beside another column', { meta: '{}', stage: 'a' }, { stage: 'b' }, ['meta', 'stage'], 1],
])('%s', async (_what, from, to, columns, expected) => {
  const { sql } = db();
  const json = (values: Record<string, unknown>) =>
    'tags' in values ? { ...values, tags: sql.json(values.tags as never) } : values;
  expect(await update(json(from), json(to), columns)).toBe(expected);
});

test('without columns every update fires', async () => {
  const { sql } = db();
  await watch(sql, { events: ['update'] });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  await sql`update public.deals set stage = stage`;
  expect(await readTitles(sql)).toHaveLength(1);
});

test('columns are compared on update alone', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['insert', 'update', 'delete'],
    columns: ['stage'],
    recipients: 'coalesce(new.owner_id, old.owner_id)',
  });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  await sql`update public.deals set title = 'x'`;
  await sql`delete from public.deals`;
  expect(await readTitles(sql)).toHaveLength(2);
});

test('of many rows in one statement, those that changed', async () => {
  const { sql } = db();
  await watch(sql, { events: ['update'], columns: ['stage'], title: 'new.id::text' });
  await sql`
    insert into public.deals (id, owner_id, stage)
    select i, ${owner()}, case when i % 2 = 0 then 'won' else 'open' end from generate_series(1, 6) i`;
  await sql`update public.deals set stage = 'won'`;
  expect(await readTitles(sql)).toEqual(['1', '3', '5']);
});

test('a condition decides further, over old and new', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['update'],
    columns: ['amount'],
    title: 'new.id::text',
    condition: 'new.amount > 100 and coalesce(old.amount, 0) <= 100',
  });
  await sql`insert into public.deals (id, owner_id, amount) values (1, ${owner()}, 50), (2, ${owner()}, 150), (3, ${owner()}, null), (4, ${owner()}, 1)`;
  await sql`update public.deals set amount = case when id = 4 then 2 else 200 end`;
  expect(await readTitles(sql)).toEqual(['1', '3']);
});

test('a condition that is null is not met', async () => {
  const { sql } = db();
  await watch(sql, { condition: 'new.amount > 100' });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readTitles(sql)).toEqual([]);
});

test('a condition with or stands for itself', async () => {
  const { sql } = db();
  await watch(sql, { events: ['update'], columns: ['stage'], condition: `new.amount > 1 or true` });
  await sql`insert into public.deals (id, owner_id, stage) values (1, ${owner()}, 'open')`;
  await sql`update public.deals set title = 'x'`;
  expect(await readTitles(sql)).toEqual([]);
});

test('recipients and texts are not worked out for rows that do not meet it', async () => {
  const { sql } = db();
  await watch(sql, { condition: 'new.amount <> 0', title: `'1/x = ' || (1 / new.amount)::text` });
  await sql`insert into public.deals (id, owner_id, amount) values (1, ${owner()}, 0), (2, ${owner()}, 1)`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toHaveLength(1);
});
