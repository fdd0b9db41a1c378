import { beforeEach, expect, test } from 'vitest';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  plus,
  queueOne,
  readDelivery,
  secondsBetween,
  setSetting,
  startOfClock,
} from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const MONTH = 2_419_200;

test('each failure waits about twice as long as the one before, up to the longest wait', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_attempts', 20);
  // The push service works for others: it is this device that fails.
  await queueOne(sql);
  await complete(sql, startOfClock(), [{ ...(await claimOne(sql, startOfClock())), outcome: 'sent' }]);
  const { deliveryId } = await queueOne(sql, { ttl: MONTH });
  let now = startOfClock();
  for (let failure = 1; failure <= 15; failure += 1) {
    await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry', status: 503 }]);
    const delivery = await readDelivery(sql, deliveryId);
    const wait = secondsBetween(now, delivery.due_at);
    const longest = Math.min(10 * 2 ** (failure - 1), 3600);
    expect(wait).toBeGreaterThanOrEqual(longest / 2 - 0.001);
    expect(wait).toBeLessThanOrEqual(longest);
    expect(delivery.failures).toBe(failure);
    // Not a moment earlier.
    expect(await claim(sql, plus(delivery.due_at, -0.002))).toEqual([]);
    now = plus(delivery.due_at, 0.001);
  }
  await setSetting(sql, 'max_attempts', 10);
});

test('what failed together does not come back together', async () => {
  const { sql } = db();
  for (let index = 0; index < 60; index += 1) await queueOne(sql);
  const now = startOfClock();
  await complete(
    sql,
    now,
    (await claim(sql, now)).map((row) => ({ ...row, outcome: 'retry' as const })),
  );
  const [row] = await sql<{ moments: number; spread: number }[]>`
    select count(distinct due_at)::int as moments,
      extract(epoch from max(due_at) - min(due_at))::float as spread from push.deliveries`;
  expect(row?.moments).toBeGreaterThan(30);
  expect(row?.spread).toBeGreaterThan(1);
});

test.each([
  [1, 5],
  [30, 30],
  [600, 600],
])('Retry-After of %i s: waits at least %i s', async (retry_after, atLeast) => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry', status: 429, retry_after }]);
  const wait = secondsBetween(now, (await readDelivery(sql, deliveryId)).due_at);
  expect(wait).toBeGreaterThanOrEqual(atLeast - 0.001);
  expect(wait).toBeLessThanOrEqual(Math.max(retry_after, 10));
});

test.each([-5, 0, 1e12])('Retry-After of %d s is not believed', async (retry_after) => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: MONTH });
  const now = startOfClock();
  await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry', status: 429, retry_after }]);
  const delivery = await readDelivery(sql, deliveryId);
  expect(delivery.state).toBe('queued');
  const wait = secondsBetween(now, delivery.due_at);
  expect(wait).toBeGreaterThanOrEqual(5 - 0.001);
  expect(wait).toBeLessThanOrEqual(86_400);
});

test('the project decides how long waits are', async () => {
  const { sql } = db();
  await sql`update push.settings set backoff_base = '2 minutes', backoff_max = '3 minutes'`;
  const { deliveryId } = await queueOne(sql, { ttl: MONTH });
  let now = startOfClock();
  for (const longest of [120, 180, 180]) {
    await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry' }]);
    const { due_at } = await readDelivery(sql, deliveryId);
    const wait = secondsBetween(now, due_at);
    expect(wait).toBeGreaterThanOrEqual(longest / 2 - 0.001);
    expect(wait).toBeLessThanOrEqual(longest);
    now = plus(due_at, 0.001);
  }
});
