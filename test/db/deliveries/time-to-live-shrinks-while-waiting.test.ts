import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  notify,
  plus,
  queueOne,
  readDelivery,
  secondsBetween,
  setSetting,
} from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function queued(values: { ttl?: number; expiresIn?: number }) {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const id = await notify(sql, user.id, {
    ...(values.ttl === undefined ? {} : { ttl: values.ttl }),
    ...(values.expiresIn === undefined ? {} : { expiresAt: plus(new Date(), values.expiresIn) }),
  });
  const [delivery] = await sql`select id from push.deliveries where notification_id = ${id}`;
  return await readDelivery(sql, delivery?.id);
}

test('the message lives as long as it says, or a day', async () => {
  for (const [ttl, seconds] of [
    [600, 600],
    [2_419_200, 2_419_200],
    [undefined, 86_400],
  ] as const) {
    const delivery = await queued(ttl === undefined ? {} : { ttl });
    expect(secondsBetween(delivery.created_at, delivery.expires_at)).toBe(seconds);
  }
});

test('TTL 0 stays 0, and a minute is left to reach the push service', async () => {
  const delivery = await queued({ ttl: 0 });
  expect(secondsBetween(delivery.created_at, delivery.expires_at)).toBe(60);
  expect((await claimOne(db().sql, plus(delivery.due_at, 59))).ttl).toBe(0);
});

test('time spent waiting is taken off', async () => {
  const delivery = await queued({ ttl: 600 });
  expect((await claimOne(db().sql, plus(delivery.due_at, 250.5))).ttl).toBe(350);
});

test('just before the end a second is left, never zero or less', async () => {
  const delivery = await queued({ ttl: 600 });
  expect((await claimOne(db().sql, plus(delivery.due_at, 599.9))).ttl).toBe(1);
});

test('an early expiry shortens it', async () => {
  const delivery = await queued({ ttl: 600, expiresIn: 100 });
  expect((await claimOne(db().sql, plus(delivery.expires_at, -39.5))).ttl).toBe(40);
});

test('a late expiry does not lengthen it', async () => {
  const delivery = await queued({ ttl: 600, expiresIn: 100_000 });
  expect((await claimOne(db().sql, plus(delivery.due_at, 10))).ttl).toBe(600);
});

test('the project decides what holds where the message says nothing', async () => {
  const { sql } = db();
  await setSetting(sql, 'default_ttl', 1000);
  const delivery = await queued({});
  expect(secondsBetween(delivery.created_at, delivery.expires_at)).toBe(1000);
  expect((await claim(sql, plus(delivery.due_at, 100.5)))[0]?.ttl).toBe(900);
  await setSetting(sql, 'default_ttl', 86400);
});

test('a delivery past its end is expired, once', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: 100 });
  const { expires_at } = await readDelivery(sql, deliveryId);
  const expire = async (now: Date) => (await sql`select push.expire_deliveries(10, ${now}) as n`)[0]?.n;
  expect(await expire(plus(expires_at, -1))).toBe(0);
  const end = plus(expires_at, 1);
  expect(await expire(end)).toBe(1);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'expired', finished_at: end });
  expect(await expire(plus(end, 1))).toBe(0);
});

test('not more are expired at once than asked for, the oldest first', async () => {
  const { sql } = db();
  const deliveries = [await queued({ ttl: 300 }), await queued({ ttl: 100 }), await queued({ ttl: 200 })];
  const later = plus(deliveries[0]?.due_at as Date, 1000);
  await sql`select push.expire_deliveries(2, ${later})`;
  const states = await Promise.all(deliveries.map(async ({ id }) => (await readDelivery(sql, id)).state));
  expect(states).toEqual(['queued', 'expired', 'expired']);
});
