import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  clearQueue,
  complete,
  notify,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { APPLE, createEndpoint, FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function refuseAll(now: Date, code = 'vapid_refused'): Promise<number> {
  const { sql } = db();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'misconfigured', status: 403, code, message: 'BadJwtToken' })),
  );
  return claimed.length;
}

test('the push service is paused, an operator told, and no delivery or device lost', async () => {
  const { sql } = db();
  const queued = [await queueOne(sql), await queueOne(sql), await queueOne(sql)];
  const now = startOfClock();
  await refuseAll(now);
  const [host] = await sql`select paused_at, last_error from push.hosts where origin = ${FCM}`;
  expect(host).toEqual({ paused_at: now, last_error: 'BadJwtToken' });
  const [alarm] = await sql`select subject, message from push.alarms where code = 'vapid_refused'`;
  expect(alarm).toMatchObject({ subject: FCM, message: expect.stringMatching(/VAPID.*BadJwtToken/s) });
  for (const { deliveryId, subscriptionId } of queued) {
    expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', failures: 0 });
    expect(await sql`select from public.push_subscriptions where id = ${subscriptionId}`).toHaveLength(1);
  }
});

test('a project with one device is told within a minute, by the waits that ship', async () => {
  const { sql } = db();
  await queueOne(sql);
  const start = startOfClock();
  let seconds = 0;
  // As often as the tick looks.
  for (; !(await openAlarms(sql)).includes('vapid_refused') && seconds <= 120; seconds += 10)
    await refuseAll(plus(start, seconds));
  expect(await openAlarms(sql)).toContain('vapid_refused');
  expect(seconds).toBeLessThanOrEqual(60);
});

test('deliveries wait for as long as they matter, and go out within a minute of the repair', async () => {
  const { sql } = db();
  const queued = [];
  for (let n = 0; n < 3; n++) queued.push(await queueOne(sql, { ttl: 2_419_200 }));
  const start = startOfClock();
  // Ten days of a wrong key, looked at each hour.
  for (let hour = 0; hour < 240; hour++) await refuseAll(plus(start, hour * 3600));
  const repaired = plus(start, 240 * 3600);
  const claimed = [];
  for (let second = 0; second <= 60; second += 5) claimed.push(...(await claim(sql, plus(repaired, second))));
  expect(claimed.map(({ delivery_id }) => delivery_id).sort()).toEqual(
    queued.map(({ deliveryId }) => deliveryId).sort(),
  );
});

test('messages to a device that was made with another key are not given up before their time', async () => {
  const { sql } = db();
  const { deliveryId, subscriptionId } = await queueOne(sql, { ttl: 86_400 });
  const other = await queueOne(sql);
  const start = startOfClock();
  let attempts = 0;
  for (let minute = 0; minute < 1380; minute += 5) {
    const now = plus(start, minute * 60);
    // Another user's messages are accepted all the while.
    if (minute % 60 === 0) await notify(sql, other.userId);
    const claimed = await claim(sql, now);
    attempts += claimed.filter(({ delivery_id }) => delivery_id === deliveryId).length;
    await complete(
      sql,
      now,
      claimed.map((row) =>
        row.delivery_id === deliveryId
          ? { ...row, outcome: 'misconfigured', status: 403, code: 'vapid_mismatch' }
          : { ...row, outcome: 'sent', status: 201 },
      ),
    );
  }
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', last_code: 'vapid_mismatch' });
  // Its backoff grows to an hour.
  expect(attempts).toBeLessThan(60);
  expect(await sql`select from public.push_subscriptions where id = ${subscriptionId}`).toHaveLength(1);
  expect(await openAlarms(sql)).toEqual([]);
});

test('what a device that fails has waiting costs one attempt at a time, and none of what works', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  const [failing, working] = [await subscribe(sql, id), await subscribe(sql, id)];
  await sql`
    insert into public.push_notifications (user_id, title) select ${id}, 'Hello' from generate_series(1, 20)`;
  const now = startOfClock();
  const claimed = await claim(sql, now);
  const ofDevice = async (subscription: string) =>
    (await sql`select id::text from push.deliveries where subscription_id = ${subscription}`).map(
      (row) => row.id,
    );
  const mine = new Set(await ofDevice(failing));
  await complete(
    sql,
    now,
    claimed.map((row) =>
      mine.has(row.delivery_id)
        ? { ...row, outcome: 'retry', status: 500, code: 'push_service_error' }
        : { ...row, outcome: 'sent', status: 201 },
    ),
  );
  const next = await claim(sql, plus(now, 4));
  expect(next.filter(({ delivery_id }) => mine.has(delivery_id))).toEqual([]);
  expect(next.length).toBeGreaterThan(0);
  expect(new Set(next.map(({ delivery_id }) => delivery_id)).size).toBe(next.length);
  const others = new Set(await ofDevice(working));
  expect(next.every(({ delivery_id }) => others.has(delivery_id))).toBe(true);
});

test('a batch with successes and refusals of one push service does not pause it', async () => {
  const { sql } = db();
  for (let index = 0; index < 4; index += 1) await queueOne(sql);
  await queueOne(sql, { endpoint: createEndpoint(APPLE) });
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row, index) => ({
      ...row,
      outcome: index === 0 ? 'sent' : 'misconfigured',
      status: index === 0 ? 201 : 403,
    })),
  );
  const [host] = await sql`select paused_at from push.hosts where origin = ${FCM}`;
  expect(host).toEqual({ paused_at: null });
});
