import { expect, test } from 'vitest';
import { type Rule, readRuleErrors, readTitles, readTold, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function update(to: Record<string, unknown>, rule: Rule): Promise<Record<string, unknown>[]> {
  const { sql } = db();
  await sql`
    insert into public.deals (id, owner_id, stage, amount, title, meta)
    values (1, ${owner()}, 'open', 10, 'Acme', '{"a": 1}')`;
  await watch(sql, { events: ['update'], ...rule });
  await sql`update public.deals set ${sql(to as never)}`;
  expect(await readRuleErrors(sql)).toEqual([]);
  return (await readTold(sql)).map(({ params }) => params);
}

test('the columns that are watched and changed, and no others', async () => {
  expect(await update({ stage: 'won', title: 'Acme Ltd' }, { columns: ['stage', 'amount'] })).toEqual([
    { changes: { stage: { old: 'open', new: 'won' } } },
  ]);
});

test('several of them, each in its own type', async () => {
  const { sql } = db();
  const params = await update(
    { stage: null, amount: 12.5, meta: sql.json({ a: 2 }) },
    { columns: ['stage', 'amount', 'meta'] },
  );
  expect(params).toEqual([
    {
      changes: {
        stage: { old: 'open', new: null },
        amount: { old: 10, new: 12.5 },
        meta: { old: { a: 1 }, new: { a: 2 } },
      },
    },
  ]);
});

test('params that are given stand alone, and may hold them too', async () => {
  expect(await update({ stage: 'won' }, { columns: ['stage'], params: `'{}'` })).toEqual([{}]);
  await db().sql`delete from public.push_notifications`;
  await db().sql`delete from public.deals`;
  expect(
    await update(
      { stage: 'won' },
      { columns: ['stage'], params: `jsonb_build_object('deal', new.id, 'was', rule.changes)` },
    ),
  ).toEqual([{ deal: 1, was: { stage: { old: 'open', new: 'won' } } }]);
});

test('title, condition and recipients may ask for them', async () => {
  const { sql } = db();
  await update(
    { stage: 'won' },
    {
      columns: ['stage', 'amount'],
      title: `rule.changes #>> '{stage,old}'`,
      condition: `rule.changes ? 'stage'`,
      recipients: `case when rule.changes ? 'stage' then new.owner_id end`,
    },
  );
  await sql`update public.deals set amount = 11`;
  expect(await readTitles(sql)).toEqual(['open']);
});

test('without columns there are none', async () => {
  expect(await update({ stage: 'won' }, { body: 'rule.changes' })).toEqual([{}]);
  expect((await readTold(db().sql))[0]?.body).toBe('{}');
});

test('inserts and deletes have none', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['insert', 'update', 'delete'],
    columns: ['stage'],
    recipients: 'coalesce(new.owner_id, old.owner_id)',
    body: 'rule.changes',
  });
  await sql`insert into public.deals (id, owner_id, stage) values (1, ${owner()}, 'open')`;
  await sql`delete from public.deals`;
  expect((await readTold(sql)).map(({ params, body }) => [params, body])).toEqual([
    [{}, '{}'],
    [{}, '{}'],
  ]);
});

test('changes that the rule did not ask for are left out where they are long, so that the message fits', async () => {
  expect(await update({ stage: 'x'.repeat(5000) }, { columns: ['stage'] })).toEqual([{}]);
});
