import { beforeEach, expect, test } from 'vitest';
import { prove, release, resubscribe } from '../../support/device-events.ts';
import { createUser } from '../../support/postgres.ts';
import { claimOne, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import {
  APPLE,
  createEndpoint,
  createKeys,
  createSubscription,
  MOZILLA,
  type SubscriptionInput,
  subscribe,
  subscribeApp,
} from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
let old: SubscriptionInput;
let id: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  user = (await createUser(sql)).id;
  old = createSubscription();
  id = await subscribe(sql, user, old);
});

const rows = async () =>
  await db()
    .sql`select id, user_id, endpoint, p256dh, auth, vapid_key, host from public.push_subscriptions order by created_at`;

test('the row stays, with what is preferred for the device and what waits for it', async () => {
  const { sql } = db();
  await sql`insert into public.push_device_preferences (subscription_id, user_id, timezone) values (${id}, ${user}, 'UTC')`;
  await notify(sql, user);
  const renewed = {
    ...createSubscription({ endpoint: createEndpoint(MOZILLA) }),
    vapid_key: createKeys().p256dh,
  };
  expect(await resubscribe(sql, old, renewed)).toBe(id);
  expect([...(await rows())]).toEqual([{ id, user_id: user, ...renewed, host: MOZILLA }]);
  expect(await sql`select from public.push_device_preferences where subscription_id = ${id}`).toHaveLength(1);
  expect(await claimOne(sql, startOfClock())).toMatchObject(renewed);
});

test('without a VAPID key it is the one that the project has now, and an end that was announced is over', async () => {
  const { sql } = db();
  const current = createKeys().p256dh;
  await sql`update push.settings set vapid_public_key = ${current}`;
  await sql`update public.push_subscriptions set expires_at = now() + interval '1 hour'`;
  await resubscribe(sql, old, createSubscription());
  const [row] = await sql`select vapid_key, expires_at from public.push_subscriptions`;
  expect(row).toEqual({ vapid_key: current, expires_at: null });
  await sql`update push.settings set vapid_public_key = null`;
});

test('a message that was under way to the endpoint that is no more does not delete the device', async () => {
  const { sql } = db();
  await notify(sql, user);
  const now = new Date();
  const claimed = await claimOne(sql, plus(now, 1));
  await resubscribe(sql, old, createSubscription());
  await sql`update public.push_subscriptions set updated_at = ${plus(now, 2)}`;
  await complete(sql, plus(now, 3), [{ ...claimed, outcome: 'gone', status: 410 }]);
  expect(await rows()).toHaveLength(1);
});

test('wrong keys and unknown endpoints are refused alike, before anything is said of the new one', async () => {
  const { sql } = db();
  const stranger = await createUser(sql);
  const taken = createSubscription();
  await subscribe(sql, stranger.id, taken);
  await subscribeApp(sql, user);
  const { endpoint, p256dh, auth } = old;
  const refusals: unknown[] = [];
  for (const renewed of [
    createSubscription(),
    taken,
    { ...taken, ...createKeys() },
    createSubscription({ endpoint: 'https://evil.example/x' }),
  ])
    for (const unproven of [
      { endpoint, p256dh, auth: createKeys().auth },
      { endpoint, p256dh: createKeys().p256dh, auth },
      { endpoint, p256dh: auth, auth: p256dh },
      { endpoint, p256dh: `${p256dh}.${auth}`, auth: '' },
      { endpoint: `${endpoint}x`, p256dh, auth },
      { endpoint: endpoint.toUpperCase(), p256dh, auth },
      createSubscription(),
      { endpoint: '', p256dh: '', auth: '' },
    ]) {
      // A caller who has the keys of the other device proves that one, and learns its id alone.
      if (renewed === taken) continue;
      refusals.push(await refusalOf(resubscribe(sql, unproven, renewed)));
    }
  expect(new Set(refusals.map((refusal) => JSON.stringify(refusal))).size).toBe(1);
  expect(refusals[0]).toMatchObject({ sqlstate: 'PT404', code: 'subscription_unknown' });
  expect((await rows()).filter((row) => row.id === id)).toMatchObject([old]);
});

test('null proves nothing', async () => {
  const { sql } = db();
  await subscribeApp(sql, user);
  const nothing = { endpoint: null, p256dh: null, auth: null } as never;
  expect((await refusalOf(resubscribe(sql, nothing, nothing))).code).toBe('subscription_unknown');
  expect(await release(sql, nothing)).toBe(false);
  expect(await rows()).toHaveLength(2);
});

test.each([
  ['not of a known push service', { endpoint: 'https://evil.example/push/1' }, 'endpoint_not_allowed'],
  [
    'what Chromium gives after unsubscribing',
    { endpoint: 'https://permanently-removed.invalid/fcm/send/x' },
    'endpoint_not_allowed',
  ],
  [
    'of a host that only looks like one',
    { endpoint: 'https://web.push.apple.com.evil.example/x' },
    'endpoint_not_allowed',
  ],
  ['on this machine', { endpoint: 'http://127.0.0.1:54321/x' }, 'endpoint_not_allowed'],
  ['no URL', { endpoint: 'javascript:alert(1) ' }, 'endpoint_malformed'],
  ['with a key off the curve', { p256dh: `B${'A'.repeat(86)}` }, 'p256dh_invalid'],
  ['with a short secret', { auth: 'AAAA' }, 'auth_invalid'],
  ['with a VAPID key that is none', { vapid_key: 'AAAA' }, 'vapid_key_invalid'],
])('a new subscription %s is refused as it is at the table', async (_what, values, code) => {
  const { sql } = db();
  const refusal = await refusalOf(resubscribe(sql, old, { ...createSubscription(), ...values }));
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code });
  expect(await rows()).toMatchObject([old]);
});

test("another user's endpoint is refused, with its keys and without", async () => {
  const { sql } = db();
  const theirs = createSubscription({ endpoint: createEndpoint(APPLE) });
  await subscribe(sql, (await createUser(sql)).id, theirs);
  for (const renewed of [theirs, { ...theirs, ...createKeys() }])
    expect(await refusalOf(resubscribe(sql, old, renewed))).toMatchObject({
      sqlstate: 'PT409',
      code: 'endpoint_taken',
    });
  expect(await rows()).toMatchObject([old, theirs]);
});

test('the same device that the app has registered meanwhile becomes one row again, the older one', async () => {
  const { sql } = db();
  const renewed = createSubscription();
  await subscribe(sql, user, renewed);
  const withOtherKeys = { ...renewed, ...createKeys() };
  expect((await refusalOf(resubscribe(sql, old, withOtherKeys))).code).toBe('endpoint_taken');
  expect(await resubscribe(sql, old, renewed)).toBe(id);
  expect(await rows()).toMatchObject([{ id, ...renewed }]);
});

test('the same subscription again, and an answer that was lost, change nothing', async () => {
  const { sql } = db();
  const renewed = createSubscription();
  for (let time = 0; time < 20; time += 1) expect(await resubscribe(sql, old, old)).toBe(id);
  for (let time = 0; time < 20; time += 1) expect(await resubscribe(sql, old, renewed)).toBe(id);
  expect(await rows()).toMatchObject([{ id, ...renewed }]);
});

test('a device may do it ten times an hour, whatever others do', async () => {
  const { sql } = db();
  const now = new Date();
  const next = async (at: Date) => {
    const renewed = createSubscription();
    await resubscribe(sql, old, renewed, at);
    old = renewed;
  };
  for (let time = 0; time < 10; time += 1) await next(plus(now, time));
  expect(await refusalOf(next(plus(now, 3599)))).toMatchObject({
    sqlstate: 'PT429',
    code: 'too_many_resubscriptions',
  });
  expect(await rows()).toMatchObject([old]);

  const other = createSubscription();
  await subscribe(sql, user, other);
  await resubscribe(sql, other, createSubscription(), plus(now, 3599));
  await next(plus(now, 3600));
  await sql`delete from public.push_subscriptions`;
  expect(await sql`select from push.resubscriptions`).toHaveLength(0);
});

test('a device that proves its keys is released, and what waited for it is taken back', async () => {
  const { sql } = db();
  const other = await subscribe(sql, user);
  await notify(sql, user);
  expect(await release(sql, old)).toBe(true);
  expect((await rows()).map((row) => row.id)).toEqual([other]);
  expect((await sql`select state from push.deliveries order by state`).map(({ state }) => state)).toEqual([
    'cancelled',
    'queued',
  ]);
  expect(await release(sql, old)).toBe(false);
});

test('a device is not released without its keys', async () => {
  const { sql } = db();
  const { endpoint, p256dh, auth } = old;
  for (const unproven of [
    { endpoint, p256dh, auth: createKeys().auth },
    { endpoint, p256dh: createKeys().p256dh, auth },
    { endpoint, p256dh: '', auth: '' },
    createSubscription(),
  ])
    expect(await release(sql, unproven)).toBe(false);
  expect(await rows()).toHaveLength(1);
});

test('many are looked up at once, each answered in its place, and wrong keys like unknown devices', async () => {
  const { sql } = db();
  const other = createSubscription();
  const otherId = await subscribe(sql, user, other);
  await subscribeApp(sql, user);
  const asked = [
    other,
    { ...old, auth: createKeys().auth },
    old,
    createSubscription(),
    { ...old, p256dh: other.p256dh },
    old,
    { endpoint: null, p256dh: null, auth: null },
    {},
  ];
  expect(await prove(sql, asked as SubscriptionInput[])).toEqual([
    otherId,
    null,
    id,
    null,
    null,
    id,
    null,
    null,
  ]);
  expect(await prove(sql, [])).toEqual([]);
  expect(await rows()).toHaveLength(3);
});

test('a look-up goes by the index, also on a connection that knew the table when it was empty', async () => {
  const { sql } = db();
  const connection = await sql.reserve();
  try {
    await connection`delete from public.push_subscriptions`;
    await connection`analyze public.push_subscriptions`;
    const ask = () => connection`select public.push_proven_devices(${sql.json([old, old] as never)}) as ids`;
    const scans = async () => {
      const [row] = await connection<{ seq_scan: number; idx_scan: number }[]>`
        select seq_scan::int, idx_scan::int from pg_stat_xact_user_tables where relname = 'push_subscriptions'`;
      return row as { seq_scan: number; idx_scan: number };
    };
    for (let time = 0; time < 10; time += 1) await ask();
    await connection`begin`;
    const before = await scans();
    await ask();
    const after = await scans();
    await connection`rollback`;
    expect([after.seq_scan - before.seq_scan, after.idx_scan - before.idx_scan]).toEqual([0, 2]);
  } finally {
    connection.release();
  }
});
