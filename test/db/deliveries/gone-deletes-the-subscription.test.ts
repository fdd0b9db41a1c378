import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const exists = async (id: string) =>
  (await db().sql`select from public.push_subscriptions where id = ${id}`).length === 1;

test('the dead device goes, and what else waits for it is cancelled', async () => {
  const { sql } = db();
  const { subscriptionId, userId, deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await notify(sql, userId);
  expect(await complete(sql, now, [{ ...claimed, outcome: 'gone', status: 410 }])).toMatchObject({
    states: { gone: 1 },
    subscriptions_deleted: 1,
  });
  expect(await exists(subscriptionId)).toBe(false);
  expect((await readDelivery(sql, deliveryId)).state).toBe('gone');
  const others = await sql`select state from push.deliveries where id <> ${deliveryId}`;
  expect([...others]).toEqual([{ state: 'cancelled' }]);
});

test('what the same batch put back into the queue for that device is cancelled too', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  await notify(sql, userId);
  const now = startOfClock();
  const [first, second] = await claim(sql, now);
  if (!first || !second) throw new Error('two deliveries');
  await complete(sql, now, [
    { ...first, outcome: 'gone', status: 410 },
    { ...second, outcome: 'retry', status: 503 },
  ]);
  expect((await readDelivery(sql, second.delivery_id)).state).toBe('cancelled');
});

test('other devices of the user stay', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const [dead, alive] = [await subscribe(sql, user.id), await subscribe(sql, user.id)];
  await notify(sql, user.id);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  const rows = await sql`select id::text, subscription_id from push.deliveries`;
  const ofDead = rows.find((row) => row.subscription_id === dead)?.id;
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: row.delivery_id === ofDead ? 'gone' : 'sent' })),
  );
  expect([await exists(dead), await exists(alive)]).toEqual([false, true]);
});

test('a device that registered anew while the push was under way stays', async () => {
  const { sql } = db();
  const { subscriptionId, deliveryId } = await queueOne(sql);
  const claimed = await claimAMinuteLater(subscriptionId);
  await sql`update public.push_subscriptions set ${sql({ ...createSubscription() })} where id = ${subscriptionId}`;
  expect(await complete(sql, startOfClock(), [{ ...claimed, outcome: 'gone', status: 410 }])).toMatchObject({
    subscriptions_deleted: 0,
  });
  expect(await exists(subscriptionId)).toBe(true);
  expect((await readDelivery(sql, deliveryId)).state).toBe('gone');
});

test('a device that only looked in, with the same endpoint and keys, goes', async () => {
  const { sql } = db();
  const { subscriptionId } = await queueOne(sql);
  const claimed = await claimAMinuteLater(subscriptionId);
  await sql`update public.push_subscriptions set endpoint = endpoint, user_agent = 'new' where id = ${subscriptionId}`;
  await complete(sql, startOfClock(), [{ ...claimed, outcome: 'gone', status: 404 }]);
  expect(await exists(subscriptionId)).toBe(false);
});

test.each(['sent', 'failed', 'retry', 'misconfigured'] as const)('%s deletes nothing', async (outcome) => {
  const { sql } = db();
  const { subscriptionId } = await queueOne(sql, { ttl: 2_419_200 });
  let now = startOfClock();
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const claimed = await claim(sql, now);
    await complete(
      sql,
      now,
      claimed.map((row) => ({ ...row, outcome, status: 404 })),
    );
    now = plus(now, 4000);
  }
  expect(await exists(subscriptionId)).toBe(true);
});

/** Claims now what was registered and queued a minute ago, so that what the test does next comes after the claim. */
async function claimAMinuteLater(subscriptionId: string) {
  const { sql } = db();
  await sql`
    update public.push_subscriptions set updated_at = updated_at - interval '1 minute' where id = ${subscriptionId}`;
  await sql`update push.queue set due_at = due_at - interval '1 minute'`;
  return await claimOne(sql, new Date());
}
