import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const countDeliveries = async () => (await db().sql`select count(*)::int as n from push.deliveries`)[0]?.n;

test('the same call again gives the same id and makes nothing', async () => {
  const { sql } = db();
  const first = await notify(sql, user, { key: 'order-1' });
  for (let index = 0; index < 3; index += 1) expect(await notify(sql, user, { key: 'order-1' })).toBe(first);
  expect(await countDeliveries()).toBe(1);
});

test('through the RPC likewise', async () => {
  const { sql } = db();
  const call = async () =>
    (
      await asService(
        sql,
        (t) => t`
      select public.push_notify(${user}, '{"title": "Hello", "params": {"b": 1, "a": [2]}, "idempotency_key": "order-1"}') as id`,
      )
    )[0]?.id;
  expect(await call()).toBe(await call());
  expect(await countDeliveries()).toBe(1);
});

test('without a key every call is a message', async () => {
  const { sql } = db();
  expect(await notify(sql, user)).not.toBe(await notify(sql, user));
  expect(await countDeliveries()).toBe(2);
});

test('the key is per user', async () => {
  const { sql } = db();
  const other = await createUser(sql);
  await subscribe(sql, other.id);
  await notify(sql, user, { key: 'order-1' });
  await notify(sql, other.id, { key: 'order-1' });
  expect(await countDeliveries()).toBe(2);
});

test.each([
  ['title', { p_title: 'Other' }],
  ['body', { p_body: 'other' }],
  ['body that was there', { p_body: null }],
  ['url', { p_url: '/other' }],
  ['params', { p_params: { deal: 8 } }],
  ['category', { p_category: 'other' }],
  ['urgency', { p_urgency: 'low' }],
  ['ttl', { p_ttl: 61 }],
  ['collapse key', { p_collapse_key: 'other' }],
  ['tag', { p_tag: 'other' }],
])('another message under the same key is refused: %s', async (_what, change) => {
  const { sql } = db();
  const message: Record<string, unknown> = {
    p_title: 'Hello',
    p_body: 'body',
    p_url: '/a',
    p_params: { deal: 7 },
    p_category: 'deals',
    p_urgency: 'high',
    p_ttl: 60,
    p_collapse_key: 'deal',
    p_tag: null,
  };
  const call = (values: Record<string, unknown>) => sql`
    select push.notify(${user}::uuid, ${values.p_title as string}, ${values.p_body as string}, ${values.p_url as string},
      ${sql.json(values.p_params as never)}, ${values.p_category as string}, ${values.p_urgency as string},
      ${values.p_ttl as number}, ${values.p_collapse_key as string}, p_tag => ${values.p_tag as string}, p_idempotency_key => 'order-1') as id`;
  const [first] = await call(message);
  const [again] = await call({ ...message });
  expect(again).toEqual(first);
  expect(await refusalOf(call({ ...message, ...change }))).toMatchObject({
    sqlstate: 'PT409',
    code: 'idempotency_conflict',
    message: expect.stringMatching(/key/),
    hint: expect.stringMatching(/\S/),
  });
  expect(await countDeliveries()).toBe(1);
});

test('for many users, those who have the message already get no second one', async () => {
  const { sql } = db();
  const other = await createUser(sql);
  await subscribe(sql, other.id);
  const call = async (ids: string[]) =>
    Number(
      (await sql`select push.notify_many(${ids}::uuid[], 'Hello', p_idempotency_key => 'news-1') as made`)[0]
        ?.made,
    );
  expect(await call([user])).toBe(1);
  expect(await call([user, other.id])).toBe(1);
  expect(await call([user, other.id])).toBe(0);
  expect(await countDeliveries()).toBe(2);
});

test('two at once make one message, and both get its id', async () => {
  const { sql, url } = db();
  await withSessions(url, 2, async (first, second) => {
    if (!first || !second) throw new Error('two sessions');
    await first.sql`begin`;
    const made = await notify(first.sql, user, { key: 'order-1' });
    const repeated = notify(second.sql, user, { key: 'order-1' });
    await untilBlocked(sql, second);
    await first.sql`commit`;
    expect(await repeated).toBe(made);
  });
  expect(await countDeliveries()).toBe(1);
});

test('when the first of two is rolled back, the second makes the message', async () => {
  const { sql, url } = db();
  await withSessions(url, 2, async (first, second) => {
    if (!first || !second) throw new Error('two sessions');
    await first.sql`begin`;
    await notify(first.sql, user, { key: 'order-1' });
    const repeated = notify(second.sql, user, { key: 'order-1' });
    await untilBlocked(sql, second);
    await first.sql`rollback`;
    expect(await repeated).toMatch(/-/);
  });
  expect(await countDeliveries()).toBe(1);
});

test('50 at once make one message, and all get its id', async () => {
  const { sql, url } = db();
  const { topic } = await createTopic(sql, 1);
  await withSessions(url, 10, async (...sessions) => {
    const calls = (call: (sql: (typeof sessions)[number]['sql']) => Promise<string>) =>
      Promise.all(sessions.flatMap((session) => Array.from({ length: 5 }, () => call(session.sql))));
    expect(new Set(await calls((own) => notify(own, user, { key: 'order-1' }))).size).toBe(1);
    expect(new Set(await calls((own) => notifyTopic(own, topic, { key: 'news-1' }))).size).toBe(1);
  });
  expect(await sql`select from public.push_notifications`).toHaveLength(2);
  expect(await countDeliveries()).toBe(1);
});

test('a repeated call that computes its moment anew means the same message, and the first moment stands', async () => {
  const { sql } = db();
  const sendAt = plus(new Date(), 3600);
  const id = await notify(sql, user, { key: 'order-1', sendAt });
  const again = { sendAt: plus(sendAt, 5), expiresAt: plus(sendAt, 500) };
  expect(await notify(sql, user, { key: 'order-1', ...again })).toBe(id);
  const [row] = await sql`select send_at, expires_at from public.push_notifications`;
  expect(row).toEqual({ send_at: sendAt, expires_at: plus(sendAt, 86_400) });
});

test('the key of a topic is its own: the same one serves another topic and a user', async () => {
  const { sql } = db();
  const [first, second] = [await createTopic(sql, 0), await createTopic(sql, 0)];
  const ids = [
    await notify(sql, user, { key: 'k' }),
    await notifyTopic(sql, first.topic, { key: 'k' }),
    await notifyTopic(sql, second.topic, { key: 'k' }),
  ];
  expect(new Set(ids).size).toBe(3);
  expect(await notifyTopic(sql, first.topic, { key: 'k' })).toBe(ids[1]);
  expect(await refusalOf(notifyTopic(sql, first.topic, { key: 'k', title: 'Other' }))).toMatchObject({
    sqlstate: 'PT409',
    code: 'idempotency_conflict',
  });
});
