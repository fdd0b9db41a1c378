import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { duplicates, makeImpatient, settle } from '../../support/impatient.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

let stack: Stack;
let other: PushService;
let sql: postgres.Sql;

beforeAll(async () => {
  [stack, other] = await Promise.all([startMigratedStack({ workers: { cron: false } }), startPushService()]);
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  await makeImpatient(sql);
  await sql`insert into push.hosts (origin) values (${other.origin})`;
});

afterAll(async () => {
  await sql?.end();
  await Promise.all([stack?.stop(), other?.stop()]);
});

beforeEach(async () => {
  for (const service of [stack.pushService, other]) service.script('all', []);
  await sql`delete from public.push_notifications`;
  await closeCircuits(sql);
});

const notifyAll = (recipients: Recipient[], rounds: number) => sql`
  insert into public.push_notifications (user_id, title)
  select user_id, 'Message ' || round
  from unnest(${recipients.map(({ userId }) => userId)}::uuid[]) as user_id, generate_series(1, ${rounds}::int) as round`;

const arrivals = (recipients: Recipient[]) =>
  recipients.flatMap(({ userId, device }) => device.messages.map(({ text }) => `${userId} ${text}`));

test('one that trickles its answers holds up no other, and no answer for longer than a request may take', async () => {
  const trickling = await createRecipients(sql, stack.pushService, 20);
  const said = await createRecipients(sql, stack.pushService, 20);
  const healthy = await createRecipients(sql, other, 20);
  const before = stack.pushService.received.length;
  // A byte a second: the first never come to the end of a header, the others have said 201 and never end its body.
  for (const { device } of trickling)
    stack.pushService.script(device.endpoint, { kind: 'trickle', everyMs: 1000 });
  for (const { device } of said)
    stack.pushService.script(device.endpoint, { kind: 'slow-body', status: 201, milliseconds: 3_600_000 });
  await notifyAll([...trickling, ...said, ...healthy], 1);
  await stack.pushService.waitFor(() => true, { count: before + 40 });
  await Promise.all(healthy.map(({ device }) => device.waitForMessages(1, { timeoutMs: 9500 })));
  const underWay = await deliveryStates(sql);
  expect(underWay.sending, 'everybody else has it while these trickle').toBeGreaterThanOrEqual(40);

  expect(await settle(sql, ['sent'])).toEqual({ sent: 60 });
  expect(duplicates('trickle', arrivals([...trickling, ...healthy]))).toBe(0);
  expect(arrivals(trickling)).toHaveLength(20);
  // What was not answered was sent again, and what was answered was not.
  expect(stack.pushService.received.length - before).toBe(20 * 2 + 20);
  const [gaveUp] = await sql`
    select count(*)::int as count, bool_and(failures = 1) as once from push.deliveries where failures > 0`;
  expect(gaveUp).toEqual({ count: 20, once: true });
});

test('one that hangs does not hold up the messages of another', async () => {
  const hanging = await createRecipients(sql, stack.pushService, 20);
  const healthy = await createRecipients(sql, other, 20);
  stack.pushService.script('all', { kind: 'hang', times: 400 });
  await notifyAll([...hanging, ...healthy], 20);
  // Less than the ten seconds after which a request is given up: no delivery waited for those that hang.
  await Promise.all(healthy.map(({ device }) => device.waitForMessages(20, { timeoutMs: 9500 })));
  expect(arrivals(hanging)).toEqual([]);
  await sql`delete from public.push_notifications`;
});

test('one that fails half the time gets everything once', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 20);
  for (const { device } of recipients) {
    const answers = Array.from({ length: 10 }, (_, n) =>
      n % 2 === 0 ? ({ kind: 'status', status: 500 } as const) : ({ kind: 'accept' } as const),
    );
    stack.pushService.script(device.endpoint, answers);
  }
  await notifyAll(recipients, 10);
  expect(await settle(sql, ['sent'])).toEqual({ sent: 200 });
  expect(duplicates('500 half the time', arrivals(recipients))).toBe(0);
});

test('one that throttles for a while gets everything once, more slowly', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 10);
  stack.pushService.script('all', { kind: 'status', status: 429, times: 60 });
  await notifyAll(recipients, 10);
  expect(await settle(sql, ['sent'])).toEqual({ sent: 100 });
  expect(duplicates('429 for a while', arrivals(recipients))).toBe(0);
});

test('one that resets connections gets everything once', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 10);
  stack.pushService.script('all', { kind: 'reset', times: 50 });
  await notifyAll(recipients, 5);
  expect(await settle(sql, ['sent'])).toEqual({ sent: 50 });
  expect(duplicates('reset', arrivals(recipients))).toBe(0);
});

test('one that answers garbage, redirects and 413 loses no subscription, and ends each delivery', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 3);
  const [garbage, redirect, tooLarge] = recipients;
  stack.pushService.script(garbage.device.endpoint, {
    kind: 'status',
    status: 418,
    body: '\u0000<html>\ud800',
  });
  stack.pushService.script(redirect?.device.endpoint ?? '', {
    kind: 'redirect',
    location: 'http://127.0.0.1:1/',
    status: 301,
  });
  stack.pushService.script(tooLarge?.device.endpoint ?? '', { kind: 'status', status: 413 });
  await notifyAll(recipients, 1);
  expect(await settle(sql, ['failed'])).toEqual({ failed: 3 });
  const kept = await sql`
    select from public.push_subscriptions where id = any (${recipients.map(({ subscriptionId }) => subscriptionId)})`;
  expect(kept).toHaveLength(3);
});

test('a subscription deleted while its delivery is under way takes nothing else with it', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 2);
  const [leaving, staying] = recipients;
  stack.pushService.script(leaving.device.endpoint, { kind: 'slow-body', status: 500, milliseconds: 1500 });
  await notifyAll(recipients, 1);
  await stack.pushService.waitFor(({ url }) => url === leaving.device.endpoint);
  await sql`delete from public.push_subscriptions where id = ${leaving.subscriptionId}`;
  // The attempt that was under way fails, and the next claim finds no device any more.
  expect(await settle(sql, ['sent', 'cancelled'])).toEqual({ sent: 1, cancelled: 1 });
  expect(staying?.device.messages).toHaveLength(1);
});
