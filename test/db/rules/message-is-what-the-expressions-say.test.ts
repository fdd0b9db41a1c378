import { expect, test } from 'vitest';
import { readRuleErrors, readTold, watch } from '../../support/rules.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function insert(values: Record<string, unknown> = {}): Promise<void> {
  const { sql } = db();
  await sql`insert into public.deals ${sql({ id: 7, owner_id: owner(), title: 'Big', stage: 'open', ...values } as never)}`;
}

test('title, body, url and params come from the row, the rest from the rule', async () => {
  const { sql } = db();
  await watch(sql, {
    title: `'New: ' || new.title`,
    body: `format('%s is %s', new.title, new.stage)`,
    url: `'/deals/' || new.id`,
    params: `jsonb_build_object('id', new.id, 'row', to_jsonb(new) - 'owner_id')`,
    category: 'deals:new',
    urgency: 'high',
    ttl: 600,
    collapseKey: 'deals',
    key: `'deal-' || new.id`,
  });
  await insert();
  const rows = await sql`
    select user_id, title, body, url, params, category, urgency, ttl, collapse_key, idempotency_key, status
    from public.push_notifications`;
  expect([...rows]).toEqual([
    {
      user_id: owner(),
      title: 'New: Big',
      body: 'Big is open',
      url: '/deals/7',
      params: {
        id: 7,
        row: { id: 7, title: 'Big', stage: 'open', team: null, amount: null, meta: null, tags: null },
      },
      category: 'deals:new',
      urgency: 'high',
      ttl: 600,
      collapse_key: 'deals',
      idempotency_key: 'deal-7',
      status: 'queued',
    },
  ]);
});

test('params with old and new', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['update'],
    params: `json_build_object('from', old.stage, 'to', new.stage)`,
  });
  await insert();
  await sql`update public.deals set stage = 'won'`;
  expect((await readTold(sql)).map(({ params }) => params)).toEqual([{ from: 'open', to: 'won' }]);
});

test('a key to digest it by', async () => {
  const { sql } = db();
  await sql`select push.define_digest('deals', '1 hour')`;
  await watch(sql, { digestKey: `'deals:' || new.id` });
  await insert();
  expect([...(await sql`select digest_key, template from public.push_notifications`)]).toEqual([
    { digest_key: 'deals:7', template: null },
  ]);
});

test('params that are null are none', async () => {
  const { sql } = db();
  await watch(sql, { params: 'new.tags' });
  await insert();
  expect((await readTold(sql)).map(({ params }) => params)).toEqual([{}]);
});

test('a body or url that is null is none', async () => {
  const { sql } = db();
  await watch(sql, { body: 'new.meta ->> 0', url: 'null' });
  await insert();
  expect((await readTold(sql)).map(({ body, url }) => [body, url])).toEqual([[null, null]]);
});

test('numbers and dates are written as text', async () => {
  const { sql } = db();
  await watch(sql, { title: 'new.id', body: `date '2030-01-02'` });
  await insert();
  expect((await readTold(sql)).map(({ title, body }) => [title, body])).toEqual([['7', '2030-01-02']]);
});

test.each([
  `'it''s "quoted" \\ $$ $body$ $query$ %s %I %1$s {} ; -- /* '`,
  `$q$it's$q$`,
  `E'line\\nbreak'`,
  `'日本 Grüße 🎉'`,
])('a text with odd characters stays itself: %s', async (title) => {
  const { sql } = db();
  const [expected] = await sql.unsafe(`select ${title} as text`);
  await watch(sql, { title, body: title, params: `jsonb_build_object('text', ${title})` });
  await insert();
  expect(await readRuleErrors(sql)).toEqual([]);
  expect((await readTold(sql)).map(({ title: told, body, params }) => [told, body, params])).toEqual([
    [expected?.text, expected?.text, { text: expected?.text }],
  ]);
});

test('odd characters in the row stay themselves, and are no SQL', async () => {
  const { sql } = db();
  const title = `'); drop table public.deals; -- " \\ %s $1`;
  await watch(sql, { title: 'new.title', url: `'/deals/' || new.id` });
  await insert({ title });
  expect((await readTold(sql)).map((row) => row.title)).toEqual([title]);
});

test('every expression may end in a comment', async () => {
  const { sql } = db();
  await watch(sql, {
    recipients: 'new.owner_id -- the owner',
    title: `new.title -- as it is`,
    body: `'body' /* x */ -- y`,
    url: `'/x' -- z`,
    params: `'{"a": 1}' -- p`,
    condition: 'true -- always',
    key: `'k' -- key`,
  });
  await insert();
  expect(await readRuleErrors(sql)).toEqual([]);
  expect((await readTold(sql)).map((row) => [row.title, row.body, row.url, row.params])).toEqual([
    ['Big', 'body', '/x', { a: 1 }],
  ]);
});

test('with an idempotency key the second message is not made', async () => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'update'], key: `'deal-' || new.id` });
  await insert();
  await sql`update public.deals set stage = 'won'`;
  await sql`update public.deals set stage = 'lost'`;
  expect(await readTold(sql)).toHaveLength(1);
  expect(await readRuleErrors(sql)).toEqual([]);
});

test('with an idempotency key two rows of one statement make one message', async () => {
  const { sql } = db();
  await watch(sql, { key: 'new.stage' });
  await sql`insert into public.deals (id, owner_id, stage) select i, ${owner()}, 'open' from generate_series(1, 5) i`;
  expect(await readTold(sql)).toHaveLength(1);
});

test('ten thousand rows in one statement are one run of the rule, and all are told', async () => {
  const { sql } = db();
  await subscribe(sql, owner());
  await watch(sql, { title: `'Deal ' || new.id` });
  await sql`insert into public.deals (id, owner_id) select i, ${owner()} from generate_series(1, 10000) i`;
  expect(await readRuleErrors(sql)).toEqual([]);
  const [counted] = await sql`
    select count(*)::int as made, count(distinct cmin::text)::int as commands, count(distinct xmin::text)::int as transactions
    from public.push_notifications`;
  expect(counted).toEqual({ made: 10_000, commands: 1, transactions: 1 });
  const triggers = await sql`
    select tgname, tgtype & 1 as per_row from pg_trigger where tgrelid = 'public.deals'::regclass and not tgisinternal`;
  expect([...triggers]).toEqual([{ tgname: expect.any(String), per_row: 0 }]);
});
