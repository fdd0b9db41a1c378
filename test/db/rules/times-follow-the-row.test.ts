import { expect, test } from 'vitest';
import { readFailedRows, readRuleErrors, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

/** Deals whose titles these are, from number 1 on. */
async function insertDeals(...titles: (string | null)[]): Promise<void> {
  const { sql } = db();
  await sql`
    insert into public.deals (id, owner_id, title)
    select t.place, ${owner()}, t.title from unnest(${titles}::text[]) with ordinality as t (title, place)`;
}

const readTimes = async () => [
  ...(await db().sql`
    select title, status, send_at, expires_at, extract(epoch from expires_at - send_at)::int as lasts
    from public.push_notifications order by title collate "C"`),
];

test('each message is sent when its row says, and at once where that says nothing', async () => {
  const { sql } = db();
  await watch(sql, { title: `coalesce(new.title, 'now')`, sendAt: 'new.title::timestamptz -- its time' });
  await insertDeals('2031-05-10T12:00:00Z', null);
  expect(await readTimes()).toMatchObject([
    { status: 'scheduled', send_at: new Date('2031-05-10T12:00:00Z') },
    { title: 'now', status: 'queued' },
  ]);
  const [released] = await sql`select push.enqueue_due_notifications(10, '2031-05-10T12:00:00Z') as released`;
  expect(released).toEqual({ released: 1 });
});

test('each expires when its row says, and after its TTL where that says nothing', async () => {
  const { sql } = db();
  await watch(sql, {
    title: `coalesce(new.title, 'ttl')`,
    ttl: 600,
    expiresAt: 'new.title::timestamptz -- the end',
  });
  await insertDeals('2031-05-10T12:00:00Z', null);
  expect(await readTimes()).toMatchObject([
    { status: 'queued', expires_at: new Date('2031-05-10T12:00:00Z') },
    { title: 'ttl', status: 'queued', lasts: 600 },
  ]);
});

test('what is said of old and of changes counts on update', async () => {
  const { sql } = db();
  await insertDeals('2031-05-10T12:00:00Z');
  await watch(sql, {
    events: ['update'],
    columns: ['title'],
    sendAt: 'old.title::timestamptz',
    expiresAt: `(rule.changes -> 'title' ->> 'new')::timestamptz`,
  });
  await sql`update public.deals set title = '2031-05-11T12:00:00Z'`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTimes()).toMatchObject([{ send_at: new Date('2031-05-10T12:00:00Z'), lasts: 86_400 }]);
});

test.each([
  ['expires before it is sent', '2031-05-10T11:00:00Z', 'PT400', /after send_at/],
  ['expires as it is sent', '2031-05-10T12:00:00Z', 'PT400', /after send_at/],
  ['has no time at all', 'someday', '22007', /someday/],
])('one that %s costs itself, and the row is written', async (_what, bad, sqlstate, message) => {
  const { sql } = db();
  await watch(sql, {
    title: 'new.title',
    sendAt: `'2031-05-10T12:00:00Z'::timestamptz`,
    expiresAt: 'new.title::timestamptz',
  });
  await insertDeals('2031-05-10T13:00:00Z', bad, '2031-05-10T14:00:00Z');
  expect(await sql`select from public.deals`).toHaveLength(3);
  expect((await readTimes()).map(({ lasts }) => lasts)).toEqual([3600, 7200]);
  expect(await readFailedRows(sql)).toEqual([
    { row_key: { id: 2 }, row_count: '1', sqlstate, message: expect.stringMatching(message) },
  ]);
});

test('a column that loses its time zone breaks the rule, which says so, and no write', async () => {
  const { sql } = db();
  await sql`create table public.meetings (id integer primary key, owner_id uuid, ends_at timestamptz)`;
  try {
    await watch(sql, { table: 'public.meetings', expiresAt: 'new.ends_at' });
    await sql`alter table public.meetings alter column ends_at type timestamp`;
    await sql`select push.check_rules()`;
    const [rule] = await sql`select broken from push.rules`;
    expect(rule?.broken).toMatch(/expires_at must be a timestamptz.*timestamp without time zone/);
    await sql`insert into public.meetings values (1, ${owner()}, 'yesterday')`;
    expect(await readFailedRows(sql)).toMatchObject([{ row_key: null, row_count: '1', sqlstate: '42804' }]);
  } finally {
    await sql`drop table public.meetings`;
  }
});

test('a rule that says neither is compiled without them', async () => {
  const { sql } = db();
  const compiled = async () => (await sql`select push.explain_rule('deal_rule') as text`)[0]?.text;
  await watch(sql);
  // Nothing is evaluated for them: when it expires follows from the TTL.
  expect(await compiled()).not.toMatch(/send_at|\)::timestamptz as expires_at/);
  await watch(sql, { expiresAt: `now() + interval '1 hour'` });
  expect(await compiled()).not.toMatch(/send_at/);
  expect(await compiled()).toMatch(/as expires_at/);
});
