import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import {
  claim,
  clearQueue,
  complete,
  type Delivery,
  notify,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { generator } from '../../support/random-numbers.ts';
import { createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const FINAL = ['sent', 'gone', 'failed', 'expired', 'suppressed', 'cancelled'];
const OUTCOMES = ['sent', 'gone', 'failed', 'retry', 'misconfigured'] as const;

// The transitions of the design, and no other.
const ALLOWED: Record<string, string[]> = {
  queued: ['sending', 'expired', 'suppressed', 'cancelled'],
  sending: ['sent', 'queued', 'gone', 'failed', 'expired'],
  ...Object.fromEntries(FINAL.map((state) => [state, []])),
};

describe.each(FINAL)('%s', (state) => {
  test('is final: nothing leads out of it', async () => {
    const { sql } = db();
    const { deliveryId, subscriptionId, userId } = await queueOne(sql);
    const [now, dispatcher] = [startOfClock(), randomUUID()];
    await sql`update push.queue set claims = 1, dispatcher_id = ${dispatcher} where id = ${deliveryId}`;
    await sql`select push.end_deliveries(array[${deliveryId}::bigint], ${state}, null, ${now})`;
    const before = await readDelivery(sql, deliveryId);
    const unchanged = async () => expect(await readDelivery(sql, deliveryId)).toEqual(before);

    expect(await claim(sql, plus(now, 10))).toEqual([]);
    await unchanged();
    for (const outcome of OUTCOMES) {
      for (const claim_number of [0, 1, 2]) {
        expect(await complete(sql, now, [{ delivery_id: deliveryId, claim_number, outcome }])).toMatchObject({
          recorded: 0,
        });
        await unchanged();
      }
    }
    await sql`select public.push_heartbeat(${dispatcher}, ${[deliveryId]}, ${now})`;
    await unchanged();
    await sql`select push.recover_leases(${plus(now, 1e6)})`;
    await sql`select push.expire_deliveries(100, ${plus(now, 1e7)})`;
    await sql`select push.tick(${plus(now, 1e7)})`;
    await unchanged();
    expect(await sql`select from public.push_subscriptions where id = ${subscriptionId}`).toHaveLength(1);
    await asUser(sql, userId, (t) => t`delete from public.push_subscriptions`);
    await unchanged();
  });
});

test('queued: a report for a claim that never was changes nothing', async () => {
  const { sql } = db();
  const { deliveryId, subscriptionId } = await queueOne(sql);
  const before = await readDelivery(sql, deliveryId);
  for (const outcome of OUTCOMES) {
    for (const claim_number of [0, 1, -1]) {
      expect(
        await complete(sql, startOfClock(), [{ delivery_id: deliveryId, claim_number, outcome }]),
      ).toMatchObject({ recorded: 0 });
    }
  }
  expect(await readDelivery(sql, deliveryId)).toEqual(before);
  expect(await sql`select from public.push_subscriptions where id = ${subscriptionId}`).toHaveLength(1);
});

test('sending: it does not expire, nor is it cancelled, under its dispatcher', async () => {
  const { sql } = db();
  const { deliveryId, userId } = await queueOne(sql, { ttl: 60 });
  const now = startOfClock();
  await claim(sql, now);
  const before = await readDelivery(sql, deliveryId);
  await sql`select push.expire_deliveries(100, ${plus(now, 1e6)})`;
  await asUser(sql, userId, (t) => t`delete from public.push_subscriptions`);
  expect(await readDelivery(sql, deliveryId)).toEqual(before);
});

test('600 random steps make only the transitions of the design', async () => {
  const { sql } = db();
  const random = generator(20261121);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const users = await Promise.all(Array.from({ length: 6 }, async () => (await createUser(sql)).id));
  const claims: { delivery_id: string; claim_number: number }[] = [];
  const seen = new Set<string>();
  const lost = new Set<string>();
  let now = startOfClock();
  let states = new Map<string, Delivery>();

  const steps: Record<string, () => Promise<unknown>> = {
    subscribe: () => subscribe(sql, pick(users), { endpoint: createEndpoint(pick([FCM, MOZILLA])) }),
    notify: () => notify(sql, pick(users), { ttl: pick([60, 600, 2_419_200]) }),
    claim: async () => claims.push(...(await claim(sql, now, { limit: pick([1, 5]) }))),
    complete: async () => {
      if (claims.length === 0) return;
      // Any claim of the past, so late and double reports too.
      await complete(sql, now, [{ ...pick(claims), outcome: pick(OUTCOMES), status: 0 }]);
    },
    wait: async () => {
      now = plus(now, pick([1, 30, 61, 1000]));
    },
    recover: () => sql`select push.recover_leases(${now})`,
    expire: () => sql`select push.expire_deliveries(3, ${now})`,
    tick: () => sql`select push.tick(${now})`,
    unsubscribe: () => sql`
      delete from public.push_subscriptions where id = (
        select id from public.push_subscriptions where user_id = ${pick(users)} order by created_at limit 1)`,
  };
  const names = Object.keys(steps);
  const weighted = [
    ...names,
    'subscribe',
    'notify',
    'notify',
    'claim',
    'claim',
    'complete',
    'complete',
    'complete',
  ];

  for (let step = 0; step < 600; step += 1) {
    const name = pick(weighted);
    await steps[name]?.();
    const rows = await sql<Delivery[]>`select * from push.deliveries`;
    for (const row of rows) {
      const before = states.get(row.id);
      if (before && before.state !== row.state) {
        const transition = `${before.state} → ${row.state}`;
        // A tick may take back a lease and end what it finds; and the report of a claim whose lease was lost still
        // counts as long as no other dispatcher has the delivery.
        const allowed =
          ALLOWED[before.state]?.includes(row.state) ||
          (name === 'tick' && transition === 'sending → expired') ||
          (name === 'complete' && lost.has(row.id) && ALLOWED.sending?.includes(row.state));
        expect({ name, transition, allowed }).toEqual({ name, transition, allowed: true });
        seen.add(transition);
        if (row.state === 'queued' && name !== 'complete') lost.add(row.id);
        else lost.delete(row.id);
      }
      expect(row.claims).toBeGreaterThanOrEqual(before?.claims ?? 0);
      expect(row.failures).toBeLessThanOrEqual(row.claims);
      expect(row.lease_until !== null).toBe(row.state === 'sending');
      expect(row.finished_at !== null).toBe(FINAL.includes(row.state));
    }
    states = new Map(rows.map((row) => [row.id, row]));
  }
  // The walk is worth something only if it went everywhere.
  for (const transition of [
    'queued → sending',
    'queued → expired',
    'queued → cancelled',
    'sending → sent',
    'sending → queued',
    'sending → gone',
    'sending → failed',
  ]) {
    expect([...seen]).toContain(transition);
  }
});
