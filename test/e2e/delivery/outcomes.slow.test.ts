import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ScriptedAnswer } from '../../../tools/local/push-service/push-service.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';
import { createKeys } from '../../support/subscriptions.ts';

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

beforeEach(async () => {
  stack.pushService.script('all', []);
  // What the test before left waiting would be accepted now, and say that all is well.
  await sql`delete from auth.users`;
  await closeCircuits(sql);
});

/** Notifies one new device, to which the push service answers as scripted, and waits for the first report. */
async function attempt(answers: ScriptedAnswer | ScriptedAnswer[]) {
  const [{ userId, device, subscriptionId }] = await createRecipients(sql, stack.pushService, 1);
  stack.pushService.script(device.endpoint, answers);
  const [notified] = await sql`select push.notify(${userId}::uuid, 'Hello', 'World') as id`;
  const delivery = await eventually(
    async () => {
      const [row] = await sql`
        select id, state, claims, failures, last_status, last_code, due_at > now() as later,
          extract(epoch from due_at - now())::float as wait
        from push.deliveries where notification_id = ${notified?.id}`;
      return row;
    },
    (row) =>
      row !== undefined && row.state !== 'sending' && (row.state !== 'queued' || row.last_code !== null),
  );
  const [subscription] =
    await sql`select last_used_at from public.push_subscriptions where id = ${subscriptionId}`;
  return { delivery: delivery as postgres.Row, subscription, device, userId };
}

test('an accepted push is decrypted by the device and sets last_used_at', async () => {
  const { delivery, subscription, device } = await attempt([]);
  const message = await device.next();
  expect(message.json).toMatchObject({
    web_push: 8030,
    notification: { title: 'Hello', body: 'World', navigate: '/' },
  });
  expect(delivery).toMatchObject({ state: 'sent', last_status: 201, claims: 1 });
  expect(subscription?.last_used_at).toBeInstanceOf(Date);
});

test.each([404, 410])('%i deletes the subscription and nothing else', async (status) => {
  const before = await sql`select count(*)::int as count from public.push_subscriptions`;
  const { delivery, subscription } = await attempt({ kind: 'status', status });
  expect(delivery).toMatchObject({ state: 'gone', last_status: status });
  expect(subscription).toBeUndefined();
  const after = await sql`select count(*)::int as count from public.push_subscriptions`;
  expect(after[0]?.count).toBe(before[0]?.count);
});

test.each([
  [{ kind: 'status', status: 500 }, 'push_service_error'],
  [{ kind: 'status', status: 503 }, 'push_service_error'],
  [{ kind: 'status', status: 429, retryAfter: 120 }, 'throttled'],
  // Twice: an HTTP client may repeat a request by itself when a kept connection breaks.
  [{ kind: 'reset', times: 2 }, 'network_error'],
] as [ScriptedAnswer, string][])('%o is retried later and keeps the subscription', async (answer, code) => {
  const { delivery, subscription } = await attempt(answer);
  expect(delivery).toMatchObject({ state: 'queued', last_code: code, failures: 1, later: true });
  expect(subscription).toBeDefined();
});

test('Retry-After is honoured when it is longer than the backoff', async () => {
  const { delivery } = await attempt({ kind: 'status', status: 429, retryAfter: 120 });
  expect(delivery.wait).toBeGreaterThan(100);
});

test('a push service that hangs is given up after the timeout and tried again', async () => {
  const { delivery } = await attempt({ kind: 'hang' });
  expect(delivery).toMatchObject({ state: 'queued', last_code: 'timed_out' });
});

test.each([
  [{ kind: 'status', status: 400 }, 'push_service_refused'],
  [{ kind: 'status', status: 413 }, 'payload_too_large'],
] as [ScriptedAnswer, string][])('%o fails for good and keeps the subscription', async (answer, code) => {
  const { delivery, subscription } = await attempt(answer);
  expect(delivery).toMatchObject({ state: 'failed', last_code: code });
  expect(subscription).toBeDefined();
});

test('a redirect is not followed', async () => {
  const [{ device: bait }] = await createRecipients(sql, stack.pushService, 1);
  const { delivery } = await attempt({ kind: 'redirect', location: bait.endpoint });
  expect(delivery).toMatchObject({ state: 'failed', last_code: 'redirected' });
  expect(
    stack.pushService.received.filter((request) => request.url === new URL(bait.endpoint).pathname),
  ).toEqual([]);
});

test.each([401, 403])(
  '%i deletes no device; from three devices, it pauses the push service and raises an alarm',
  async (status) => {
    for (let device = 1; device <= 3; device++) {
      const { delivery, subscription } = await attempt({ kind: 'status', status });
      expect(delivery).toMatchObject({
        state: 'queued',
        last_code: 'vapid_refused',
        failures: 0,
        later: true,
      });
      expect(subscription).toBeDefined();
      const [host] =
        await sql`select paused_at is not null as paused from push.hosts where origin = ${stack.pushServiceUrl}`;
      expect(host).toMatchObject({ paused: device === 3 });
    }
    const alarms =
      await sql`select subject from push.alarms where code = 'vapid_refused' and resolved_at is null`;
    expect(alarms).toMatchObject([{ subject: stack.pushServiceUrl }]);
  },
);

test('a subscription made with a foreign VAPID key fails alone and pauses no push service', async () => {
  const [{ userId, subscriptionId }] = await createRecipients(sql, stack.pushService, 1);
  await sql`update public.push_subscriptions set vapid_key = ${createKeys().p256dh} where id = ${subscriptionId}`;
  await sql`select push.notify(${userId}::uuid, 'Hello')`;
  const row = await eventually(
    async () =>
      (await sql`select state, last_code from push.deliveries where subscription_id = ${subscriptionId}`)[0],
    (found) => found?.state === 'failed',
  );
  expect(row).toMatchObject({ last_code: 'vapid_key_unknown' });
  const [host] = await sql`select paused_at from push.hosts where origin = ${stack.pushServiceUrl}`;
  expect(host).toMatchObject({ paused_at: null });
});
