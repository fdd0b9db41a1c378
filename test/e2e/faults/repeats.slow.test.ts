import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { DeviceMessage } from '../../../tools/local/push-service/push-service.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { makeImpatient, settle } from '../../support/impatient.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  await makeImpatient(sql);
  // From its first answer the function knows how a service is spoken to.
  const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
  const app = await registerApp(userId);
  await notify(userId, 'The first');
  await Promise.all([device.next(), app.next()]);
  await settle(sql, ['sent']);
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

beforeEach(async () => {
  await sql`delete from public.push_notifications`;
  await closeCircuits(sql);
});

async function registerApp(userId: string) {
  const device = stack.fcm.createDevice();
  await sql`
    insert into public.push_subscriptions ${sql({ user_id: userId, channel: 'fcm', fcm_token: device.token })}`;
  return device;
}

async function notify(userId: string, title: string, values: { tag?: string; collapseKey?: string } = {}) {
  const [row] = await sql`
    select push.notify(${userId}::uuid, ${title}, p_tag => ${values.tag ?? null}, p_collapse_key => ${values.collapseKey ?? null}) as id`;
  return row?.id as string;
}

interface Shown {
  title: string;
  tag: string;
  renotify?: boolean;
  data: { supapush: { notification_id: string; receipt: string } };
}
const shown = (messages: readonly DeviceMessage[]) =>
  messages.map(({ json }) => (json as { notification: Shown }).notification);

test.each([1, 3])(
  'a service that takes a message and breaks the connection, %i times, gets it once more each time',
  async (times) => {
    const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
    stack.pushService.script(device.endpoint, { kind: 'accept', answer: 'reset', times });
    const id = await notify(userId, 'Hello');
    expect(await settle(sql, ['sent', 'failed'])).toEqual({ sent: 1 });
    const messages = shown(device.messages);
    console.log(`${times} broken connections: ${messages.length} messages`);
    // Every one of them was counted: the HTTP client repeated nothing by itself.
    expect(messages).toHaveLength(times + 1);
    expect(await sql`select failures from push.deliveries`).toMatchObject([{ failures: times }]);
    expect(new Set(messages.map(({ tag }) => tag))).toEqual(new Set([id]));
    expect(new Set(messages.map(({ data }) => data.supapush.receipt)).size).toBe(1);
    for (const message of messages) expect(message).not.toHaveProperty('renotify');
  },
);

test('a service that takes a message and says so after twelve seconds gets it twice', async () => {
  const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
  stack.pushService.script(device.endpoint, {
    kind: 'accept',
    answer: { afterMs: 12_000 },
    times: Number.POSITIVE_INFINITY,
  });
  const id = await notify(userId, 'Hello');
  expect(await settle(sql, ['sent', 'failed'])).toEqual({ sent: 1 });
  expect(shown(device.messages).map(({ tag }) => tag)).toEqual([id, id]);
});

test('messages that are not the same replace each other only where their app says so', async () => {
  const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
  const first = await notify(userId, 'One');
  const second = await notify(userId, 'Two');
  await notify(userId, 'Three', { tag: 'deal:7' });
  await notify(userId, 'Four', { collapseKey: 'deals' });
  const messages = shown(await device.waitForMessages(4));
  expect(Object.fromEntries(messages.map(({ title, tag }) => [title, tag]))).toEqual({
    One: first,
    Two: second,
    Three: 'deal:7',
    Four: 'deals',
  });
});

test('a repeat to an app takes the place of the first, on Android and on Apple’s devices', async () => {
  const userId = randomUUID();
  await sql`insert into auth.users ${sql({ id: userId })}`;
  const app = await registerApp(userId);
  stack.fcm.script(app.token, { kind: 'accept', answer: 'reset', times: 2 });
  const id = await notify(userId, 'Hello');
  expect(await settle(sql, ['sent', 'failed'])).toEqual({ sent: 1 });
  expect(app.messages).toHaveLength(3);
  for (const { android, apns } of app.messages) {
    expect(android?.notification?.tag).toBe(id);
    expect(apns?.headers?.['apns-collapse-id']).toBe(id);
    expect(android).not.toHaveProperty('collapse_key');
  }
});

test('a device that was away gets the messages of all tags: no more than four collapse keys would be kept', async () => {
  const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
  device.offline();
  const titles = Array.from({ length: 10 }, (_, index) => `Conversation ${index}`);
  for (const title of titles) await notify(userId, title, { tag: title });
  await notify(userId, 'Score 1:0', { collapseKey: 'score' });
  expect(await settle(sql, ['sent'])).toEqual({ sent: 11 });
  await notify(userId, 'Score 1:1', { collapseKey: 'score' });
  expect(await settle(sql, ['sent'])).toEqual({ sent: 12 });
  device.online();
  const messages = shown(device.messages);
  console.log(
    `12 messages of 10 tags and 1 collapse key to a device that was away: ${messages.length} arrived`,
  );
  expect(messages.map(({ title }) => title).sort()).toEqual([...titles, 'Score 1:1'].sort());
});
