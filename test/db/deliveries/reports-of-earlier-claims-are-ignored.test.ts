import { beforeEach, expect, test } from 'vitest';
import {
  claimOne,
  clearQueue,
  complete,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const OUTCOMES = ['sent', 'gone', 'failed', 'retry', 'misconfigured'] as const;

test.each(OUTCOMES)('%s, reported by a dispatcher whose delivery another one has now', async (outcome) => {
  const { sql } = db();
  const { deliveryId, subscriptionId } = await queueOne(sql);
  const now = startOfClock();
  const late = await claimOne(sql, now);
  const recovered = plus(now, 61);
  await sql`select push.recover_leases(${recovered})`;
  await claimOne(sql, recovered);
  const before = await readDelivery(sql, deliveryId);

  expect(await complete(sql, plus(recovered, 1), [{ ...late, outcome }])).toMatchObject({ recorded: 0 });

  expect(await readDelivery(sql, deliveryId)).toEqual(before);
  const [device] = await sql`select last_used_at from public.push_subscriptions where id = ${subscriptionId}`;
  expect(device).toEqual({ last_used_at: null });
  const [host] =
    await sql`select paused_at, evidence from push.hosts where origin = 'https://fcm.googleapis.com'`;
  expect(host).toEqual({ paused_at: null, evidence: null });
});

test('the running claim is settled all the same', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const late = await claimOne(sql, now);
  const recovered = plus(now, 61);
  await sql`select push.recover_leases(${recovered})`;
  const running = await claimOne(sql, recovered);
  await complete(sql, recovered, [
    { ...late, outcome: 'failed' },
    { ...running, outcome: 'sent' },
  ]);
  expect((await readDelivery(sql, deliveryId)).state).toBe('sent');
});

test('a report after the lease counts while no other dispatcher has the delivery, which avoids a repeat', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const late = await claimOne(sql, now);
  await sql`select push.recover_leases(${plus(now, 61)})`;
  await complete(sql, plus(now, 62), [{ ...late, outcome: 'sent' }]);
  expect((await readDelivery(sql, deliveryId)).state).toBe('sent');
});

test.each(OUTCOMES)('%s reported twice counts once', async (outcome) => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await complete(sql, now, [{ ...claimed, outcome }]);
  const before = await readDelivery(sql, deliveryId);
  // A dispatcher that got no answer to its report sends it again.
  expect(await complete(sql, plus(now, 1), [{ ...claimed, outcome }])).toMatchObject({ recorded: 0 });
  expect(await readDelivery(sql, deliveryId)).toEqual(before);
});

test('one attempt is one failure, though its lease was lost and its dispatcher reported it after all', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const late = await claimOne(sql, now);
  await sql`select push.recover_leases(${plus(now, 61)})`;
  await complete(sql, plus(now, 62), [{ ...late, outcome: 'retry', status: 500 }]);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', claims: 1, failures: 1 });
});

test('the same delivery twice in one batch is settled once', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  const answer = await complete(sql, now, [
    { ...claimed, outcome: 'sent' },
    { ...claimed, outcome: 'sent' },
  ]);
  expect(answer).toMatchObject({ recorded: 1, states: { sent: 1 } });
  expect((await readDelivery(sql, deliveryId)).state).toBe('sent');
});
