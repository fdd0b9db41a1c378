import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus } from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
let sendAt: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  user = (await createUser(sql)).id;
  sendAt = plus(new Date(), 3600);
});

async function release(now: Date, limit = 1000): Promise<number> {
  const [row] = await db().sql<{ n: number }[]>`select push.enqueue_due_notifications(${limit}, ${now}) as n`;
  return row?.n as number;
}

async function statusOf(id: string): Promise<string> {
  const [row] = await db().sql`select status from public.push_notifications where id = ${id}`;
  return row?.status;
}

const countDeliveries = async () => (await db().sql`select count(*)::int as n from push.deliveries`)[0]?.n;

test('there is no delivery before the moment, and one per device at it', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  await subscribe(sql, user);
  const id = await notify(sql, user, { sendAt });
  expect(await statusOf(id)).toBe('scheduled');
  expect(await countDeliveries()).toBe(0);
  expect(await release(plus(sendAt, -0.01))).toBe(0);
  expect(await release(sendAt)).toBe(1);
  expect(await statusOf(id)).toBe('queued');
  const rows = await sql`select due_at, expires_at from push.deliveries`;
  expect([...rows]).toEqual(Array(2).fill({ due_at: sendAt, expires_at: plus(sendAt, 86_400) }));
  expect(await claim(sql, sendAt)).toHaveLength(2);
  expect(await release(plus(sendAt, 10))).toBe(0);
});

test('it goes to the devices of that moment, not of the moment it was written', async () => {
  const { sql } = db();
  const before = await subscribe(sql, user);
  await notify(sql, user, { sendAt });
  await sql`delete from public.push_subscriptions where id = ${before}`;
  const now = await subscribe(sql, user);
  await release(sendAt);
  const rows = await sql`select subscription_id from push.deliveries`;
  expect([...rows]).toEqual([{ subscription_id: now }]);
});

test('released after its end, it is done with, without a delivery', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  const id = await notify(sql, user, { sendAt, ttl: 60 });
  expect(await release(plus(sendAt, 3600))).toBe(1);
  expect(await statusOf(id)).toBe('queued');
  expect(await countDeliveries()).toBe(0);
});

test('a cancelled one is never released', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  const id = await notify(sql, user, { sendAt });
  await asService(sql, (t) => t`update public.push_notifications set status = 'cancelled' where id = ${id}`);
  expect(await release(plus(sendAt, 10))).toBe(0);
  expect(await countDeliveries()).toBe(0);
});

test('no more are released at once than asked for, the earliest first', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  const ids: string[] = [];
  for (const offset of [30, 10, 20]) ids.push(await notify(sql, user, { sendAt: plus(sendAt, offset) }));
  expect(await release(plus(sendAt, 100), 2)).toBe(2);
  expect(await Promise.all(ids.map(statusOf))).toEqual(['scheduled', 'queued', 'queued']);
});

test('two at once release each of them once', async () => {
  const { sql, url } = db();
  await subscribe(sql, user);
  for (let index = 0; index < 10; index += 1) await notify(sql, user, { sendAt });
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    await other.sql`begin`;
    const [first] = await other.sql`select push.enqueue_due_notifications(6, ${sendAt}) as n`;
    expect(first?.n).toBe(6);
    expect(await release(sendAt)).toBe(4);
    await other.sql`commit`;
  });
  expect(await countDeliveries()).toBe(10);
});

test('a moment in the past is now', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  const id = await notify(sql, user, { sendAt: plus(new Date(), -60) });
  expect(await statusOf(id)).toBe('queued');
  expect(await claim(sql, new Date())).toHaveLength(1);
});

test('one for a user who is deleted before the moment goes with them', async () => {
  const { sql } = db();
  await notify(sql, user, { sendAt });
  await sql`delete from auth.users where id = ${user}`;
  expect(await release(plus(sendAt, 10))).toBe(0);
});
