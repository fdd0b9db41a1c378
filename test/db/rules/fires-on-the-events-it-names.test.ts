import { describe, expect, test } from 'vitest';
import { readRuleErrors, readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function liveThrough(): Promise<void> {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id, title, stage) values (1, ${owner()}, 'one', 'open')`;
  await sql`update public.deals set stage = 'won' where id = 1`;
  await sql`delete from public.deals where id = 1`;
}

describe.each([
  [['insert']],
  [['update']],
  [['delete']],
  [['insert', 'update']],
  [['insert', 'delete']],
  [['update', 'delete']],
  [['insert', 'update', 'delete']],
])('%j', (events) => {
  test('these and no others', async () => {
    const { sql } = db();
    await watch(sql, {
      events,
      recipients: 'coalesce(new.owner_id, old.owner_id)',
      title: `case when old is null then '1 insert' when new is null then '3 delete' else '2 update' end`,
    });
    await liveThrough();
    expect(await readRuleErrors(sql)).toEqual([]);
    expect((await readTitles(sql)).map((title) => title.slice(2))).toEqual(events);
  });
});

test('the same event named twice fires once', async () => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'insert'] });
  await liveThrough();
  expect(await readTitles(sql)).toEqual(['Deal']);
});

test('old is null at insert and new is null at delete, field by field and as a whole', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['insert', 'update', 'delete'],
    recipients: 'coalesce(new.owner_id, old.owner_id)',
    title: `coalesce(new.stage, '-') || ' after ' || coalesce(old.stage, '-')`,
    params: `jsonb_build_object('new', to_jsonb(new) -> 'stage', 'old', to_jsonb(old) -> 'stage')`,
  });
  await liveThrough();
  const rows = await sql`select title, params from public.push_notifications order by created_at, title`;
  expect([...rows]).toEqual([
    { title: 'open after -', params: { new: 'open', old: null } },
    { title: 'won after open', params: { new: 'won', old: 'open' } },
    { title: '- after won', params: { new: null, old: 'won' } },
  ]);
});

test('a statement that touches no row notifies no user', async () => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'update', 'delete'] });
  await sql`insert into public.deals (id) select 1 where false`;
  await sql`update public.deals set stage = 'x' where false`;
  await sql`delete from public.deals where false`;
  expect(await readTitles(sql)).toEqual([]);
});

test('what is rolled back notifies no user', async () => {
  const { sql } = db();
  await watch(sql);
  await sql
    .begin(async (t) => {
      await t`insert into public.deals (id, owner_id) values (1, ${owner()})`;
      throw new Error('rolled back');
    })
    .catch((error: Error) => expect(error.message).toBe('rolled back'));
  expect(await readTitles(sql)).toEqual([]);
});

test('several rules on one table each fire', async () => {
  const { sql } = db();
  await watch(sql, { name: 'first', title: `'first'` });
  await watch(sql, { name: 'second', title: `'second'` });
  await watch(sql, { name: 'third', title: `'third'`, events: ['delete'], recipients: 'old.owner_id' });
  await liveThrough();
  expect(await readTitles(sql)).toEqual(['first', 'second', 'third']);
});

test('the notification says which rule made it', async () => {
  const { sql } = db();
  await watch(sql, { name: 'deal_made' });
  await liveThrough();
  expect([...(await sql`select rule from public.push_notifications`)]).toEqual([{ rule: 'deal_made' }]);
});
