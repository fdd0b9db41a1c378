import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { createKeys, createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test('the row has the device, the message and the claim', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = { ...createSubscription(), vapid_key: createKeys().p256dh };
  await subscribe(sql, user.id, device);
  const [made] = await sql<{ id: string }[]>`
    select push.notify(${user.id}::uuid, 'Won', 'Deal 7', '/deals/7', '{"deal": 7, "nested": {"a": [1, null]}}', 'deals:won', 'high', 600, 'deal-7') as id`;
  const [queued] = await sql`select id from push.deliveries`;

  const claimed = await asService(sql, (t) => claim(t, startOfClock()));

  expect(claimed).toEqual([
    {
      delivery_id: queued?.id,
      claim_number: 1,
      notification_id: made?.id,
      user_id: user.id,
      channel: 'webpush',
      host: 'https://fcm.googleapis.com',
      ...device,
      fcm_token: null,
      title: 'Won',
      body: 'Deal 7',
      url: '/deals/7',
      params: { deal: 7, nested: { a: [1, null] } },
      category: 'deals:won',
      urgency: 'high',
      collapse_key: 'deal-7',
      tag: null,
      position: expect.any(Number),
      receipts: true,
      presentation: null,
      ttl: expect.any(Number),
      app_url: null,
    },
  ]);
});

test('it is under a lease of that dispatcher from then on', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const [now, dispatcher] = [startOfClock(), randomUUID()];
  await claimOne(sql, now, dispatcher);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({
    state: 'sending',
    claims: 1,
    dispatcher_id: dispatcher,
    lease_until: plus(now, 60),
    finished_at: null,
  });
  expect(await claim(sql, now)).toEqual([]);
});

test('every claim has the next number', async () => {
  const { sql } = db();
  await queueOne(sql);
  let now = startOfClock();
  for (const number of [1, 2, 3]) {
    expect((await claimOne(sql, now)).claim_number).toBe(number);
    await sql`select push.recover_leases(${plus(now, 60)})`;
    // More than it has to wait after a second lease that was lost.
    now = plus(now, 90);
  }
});

test('a claim shows that the dispatcher lives', async () => {
  const { sql } = db();
  const [now, dispatcher] = [startOfClock(), randomUUID()];
  expect(await claim(sql, now, { dispatcher })).toEqual([]);
  await claim(sql, plus(now, 5), { dispatcher });
  const rows = await sql`select id, started_at, lease_until from push.dispatchers`;
  expect([...rows]).toEqual([{ id: dispatcher, started_at: now, lease_until: plus(now, 25) }]);
});

test('what is not due yet is left', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const { due_at } = await readDelivery(sql, deliveryId);
  expect(await claim(sql, plus(due_at, -1))).toEqual([]);
  expect(await claim(sql, plus(due_at, 1))).toHaveLength(1);
});

test('what is past its time is left', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const { expires_at } = await readDelivery(sql, deliveryId);
  expect(await claim(sql, plus(expires_at, 1))).toEqual([]);
  expect(await claim(sql, plus(expires_at, -1))).toHaveLength(1);
});

test('a delivery whose device vanished without a trace ends, and is not handed out', async () => {
  const { sql } = db();
  const { deliveryId, subscriptionId } = await queueOne(sql);
  await sql`alter table public.push_subscriptions disable trigger push_subscriptions_cancel`;
  await sql`delete from public.push_subscriptions where id = ${subscriptionId}`;
  await sql`alter table public.push_subscriptions enable trigger push_subscriptions_cancel`;
  expect(await claim(sql, startOfClock())).toEqual([]);
  expect((await readDelivery(sql, deliveryId)).state).toBe('cancelled');
});

test('keys that changed after queueing are the ones handed out', async () => {
  const { sql } = db();
  const { subscriptionId } = await queueOne(sql);
  const device = createSubscription();
  await sql`update public.push_subscriptions set ${sql({ ...device })} where id = ${subscriptionId}`;
  expect(await claimOne(sql, startOfClock())).toMatchObject(device);
});
