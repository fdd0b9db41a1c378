import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import {
  claim,
  clearQueue,
  complete,
  plus,
  queueOne,
  readDelivery,
  secondsBetween,
  startOfClock,
} from '../../support/queue.ts';
import { APPLE, createEndpoint, FCM } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function readHost(origin = FCM) {
  const [row] = await db().sql<{ paused_until: Date | null; pauses: number; last_error: string | null }[]>`
    select paused_until, pauses, last_error from push.hosts where origin = ${origin}`;
  if (!row) throw new Error(`No host ${origin}.`);
  return row;
}

async function refuseAll(now: Date): Promise<number> {
  const { sql } = db();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'misconfigured', status: 403, message: 'BadJwtToken' })),
  );
  return claimed.length;
}

test('the push service is paused, an operator told, and no delivery or device lost', async () => {
  const { sql } = db();
  const queued = [await queueOne(sql), await queueOne(sql)];
  const now = startOfClock();
  await refuseAll(now);
  expect(await readHost()).toMatchObject({
    paused_until: plus(now, 60),
    pauses: 1,
    last_error: 'BadJwtToken',
  });
  expect(await openAlarms(sql)).toContain('vapid_refused');
  const [alarm] = await sql`select subject, message from push.alarms where code = 'vapid_refused'`;
  expect(alarm).toMatchObject({ subject: FCM, message: expect.stringMatching(/VAPID.*BadJwtToken/s) });
  for (const { deliveryId, subscriptionId } of queued) {
    expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', failures: 0 });
    expect(await sql`select from public.push_subscriptions where id = ${subscriptionId}`).toHaveLength(1);
  }
  expect(await claim(sql, plus(now, 59))).toEqual([]);
  // One goes first, to see whether the key is taken now.
  expect(await claim(sql, plus(now, 61))).toHaveLength(1);
});

test('every pause is twice the last one, up to the longest; the deliveries outlast them all', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: 2_419_200 });
  let now = startOfClock();
  for (const seconds of [60, 120, 240, 480, 900, 900, 900, 900, 900, 900, 900, 900]) {
    expect(await refuseAll(now)).toBe(1);
    const { paused_until } = await readHost();
    expect(secondsBetween(now, paused_until as Date)).toBe(seconds);
    now = plus(paused_until as Date, 0.001);
  }
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', failures: 0 });
});

test('many refusals at once are one pause', async () => {
  const { sql } = db();
  for (let index = 0; index < 5; index += 1) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  for (const [index, row] of claimed.entries()) {
    await complete(sql, plus(now, index), [{ ...row, outcome: 'misconfigured', status: 401 }]);
  }
  expect(await readHost()).toMatchObject({ paused_until: plus(now, 60), pauses: 1 });
});

test('other push services go on', async () => {
  const { sql } = db();
  await queueOne(sql);
  await queueOne(sql, { endpoint: createEndpoint(APPLE) });
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: row.host === FCM ? 'misconfigured' : 'sent' })),
  );
  expect((await readHost(APPLE)).paused_until).toBeNull();
  await queueOne(sql, { endpoint: createEndpoint(APPLE) });
  expect(await claim(sql, plus(now, 5))).toHaveLength(1);
});

test('a success ends pause and alarm, and the next pause is short again', async () => {
  const { sql } = db();
  await queueOne(sql, { ttl: 2_419_200 });
  let now = startOfClock();
  for (let pause = 0; pause < 3; pause += 1) {
    await refuseAll(now);
    now = plus((await readHost()).paused_until as Date, 0.001);
  }
  await complete(
    sql,
    now,
    (await claim(sql, now)).map((row) => ({ ...row, outcome: 'sent', status: 201 })),
  );
  expect(await readHost()).toMatchObject({ paused_until: null, pauses: 0 });
  expect(await openAlarms(sql)).not.toContain('vapid_refused');

  await queueOne(sql, { ttl: 2_419_200 });
  now = plus(now, 3600);
  await refuseAll(now);
  expect(await readHost()).toMatchObject({ paused_until: plus(now, 60), pauses: 1 });
  expect(await openAlarms(sql)).toContain('vapid_refused');
});

test('one device that was made with another key stops nobody: the host accepted us a moment ago', async () => {
  const { sql } = db();
  await queueOne(sql);
  const now = startOfClock();
  await complete(
    sql,
    now,
    (await claim(sql, now)).map((row) => ({ ...row, outcome: 'sent' })),
  );
  await queueOne(sql);
  await refuseAll(plus(now, 10));
  expect(await readHost()).toMatchObject({ paused_until: null, pauses: 0 });
  expect(await openAlarms(sql)).not.toContain('vapid_refused');
});

test('such a device is given up like any other that keeps failing', async () => {
  const { sql } = db();
  const odd = await queueOne(sql, { ttl: 2_419_200 });
  const [oddDevice] =
    await sql`select endpoint from public.push_subscriptions where id = ${odd.subscriptionId}`;
  let now = startOfClock();
  let attempts = 0;
  for (let round = 0; round < 40; round += 1) {
    // Somebody else's message is accepted all the while.
    await queueOne(sql);
    const claimed = await claim(sql, now);
    attempts += claimed.filter(({ endpoint }) => endpoint === oddDevice?.endpoint).length;
    await complete(
      sql,
      now,
      claimed.map((row) => ({
        ...row,
        outcome: row.endpoint === oddDevice?.endpoint ? 'misconfigured' : 'sent',
        status: row.endpoint === oddDevice?.endpoint ? 403 : 201,
      })),
    );
    now = plus(now, 3600);
  }
  expect((await readDelivery(sql, odd.deliveryId)).state).toBe('failed');
  expect(attempts).toBeLessThanOrEqual(10);
});

test('a batch with successes and refusals of one push service does not pause it', async () => {
  const { sql } = db();
  for (let index = 0; index < 4; index += 1) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row, index) => ({ ...row, outcome: index === 0 ? 'sent' : 'misconfigured' })),
  );
  expect((await readHost()).paused_until).toBeNull();
});
