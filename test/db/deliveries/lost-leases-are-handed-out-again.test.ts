import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import {
  claim,
  claimOne,
  clearQueue,
  plus,
  queueOne,
  readDelivery,
  setSetting,
  startOfClock,
} from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const heartbeat = (dispatcher: string, deliveries: string[], now: Date) =>
  db().sql`select public.push_heartbeat(${dispatcher}, ${deliveries}, ${now})`;
const recover = async (now: Date): Promise<number> =>
  (await db().sql`select push.recover_leases(${now}) as n`)[0]?.n;

test('not while the lease runs, but once it is over', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  await claimOne(sql, now);
  expect(await recover(plus(now, 59))).toBe(0);
  expect(await claim(sql, plus(now, 59))).toEqual([]);
  expect(await recover(plus(now, 60))).toBe(1);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({
    state: 'queued',
    claims: 1,
    failures: 1,
    lease_until: null,
  });
  expect((await claimOne(sql, plus(now, 60))).claim_number).toBe(2);
});

test('a heartbeat keeps dispatcher and deliveries for another lease', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const [now, dispatcher] = [startOfClock(), randomUUID()];
  await claimOne(sql, now, dispatcher);
  await heartbeat(dispatcher, [deliveryId], plus(now, 50));
  expect((await readDelivery(sql, deliveryId)).lease_until).toEqual(plus(now, 110));
  const rows = await sql`select id, lease_until from push.dispatchers where id = ${dispatcher}`;
  expect([...rows]).toEqual([{ id: dispatcher, lease_until: plus(now, 70) }]);
  expect(await recover(plus(now, 109))).toBe(0);
  expect(await recover(plus(now, 110))).toBe(1);
});

test('a heartbeat without deliveries keeps the dispatcher alone', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const [now, dispatcher] = [startOfClock(), randomUUID()];
  await claimOne(sql, now, dispatcher);
  await sql`select public.push_heartbeat(p_dispatcher => ${dispatcher}, p_now => ${plus(now, 30)})`;
  expect((await readDelivery(sql, deliveryId)).lease_until).toEqual(plus(now, 60));
});

test("one dispatcher's heartbeat does not keep what another holds", async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const [now, dispatcher, late] = [startOfClock(), randomUUID(), randomUUID()];
  await claimOne(sql, now, dispatcher);
  await claim(sql, now, { dispatcher: late });
  await heartbeat(late, [deliveryId], plus(now, 50));
  expect((await readDelivery(sql, deliveryId)).lease_until).toEqual(plus(now, 60));
});

test('a heartbeat brings nothing back: neither a delivery that was handed on nor a dispatcher that left', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const [now, dispatcher] = [startOfClock(), randomUUID()];
  await claimOne(sql, now, dispatcher);
  await recover(plus(now, 61));
  await sql`delete from push.dispatchers`;
  await heartbeat(dispatcher, [deliveryId], plus(now, 62));
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', lease_until: null });
  expect(await sql`select from push.dispatchers`).toHaveLength(0);
});

test('one that kills every dispatcher is given up in the end', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_attempts', 3);
  const { deliveryId } = await queueOne(sql, { ttl: 2_419_200 });
  let now = startOfClock();
  for (const state of ['queued', 'queued', 'failed']) {
    await claimOne(sql, now);
    await recover(plus(now, 60));
    // More than it has to wait after a second lease that was lost.
    now = plus(now, 90);
    expect((await readDelivery(sql, deliveryId)).state).toBe(state);
  }
  expect(await claim(sql, now)).toEqual([]);
  await setSetting(sql, 'max_attempts', 10);
});

test('a delivery that another session settles at this moment is not taken back', async () => {
  const { sql, url } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await withSessions(url, 1, async (session) => {
    if (!session) throw new Error('one session');
    await session.sql`begin`;
    await session.sql`
      select public.push_complete(
        ${sql.json([{ delivery_id: claimed.delivery_id, claim_number: 1, outcome: 'sent', status: 201 }])}, ${plus(now, 61)})`;
    expect(await recover(plus(now, 61))).toBe(0);
    await session.sql`commit`;
  });
  expect((await readDelivery(sql, deliveryId)).state).toBe('sent');
});
