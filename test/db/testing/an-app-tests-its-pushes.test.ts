import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestPush, type TestPush } from '../../../src/testing/index.ts';
import { readTestMessage } from '../../../src/testing/test-message.ts';
import { createTestDatabase, createUser } from '../../support/postgres.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';
import { createVapidKeys, sendPush } from '../../unit/push-service/sender.ts';

const database = useDatabase();
let push: TestPush;
beforeAll(async () => {
  push = await startTestPush({ databaseUrl: database().url });
});
afterAll(() => push?.stop());

const anyone = async (): Promise<string> => (await createUser(database().sql)).id;

async function notify(userId: string, title: string, sendAt: Date | null = null): Promise<string> {
  const [row] = await database().sql<{ id: string }[]>`
    select push.notify(
      ${userId}, ${title}, 'It is on its way.', '/orders/7', '{"order": 7}', 'orders', p_send_at => ${sendAt}
    ) as id`;
  return row?.id ?? '';
}

const seconds = (count: number): Date => new Date(Date.now() + count * 1000);

describe('deliver()', () => {
  test('brings what the database has for a device, which decrypts it', async () => {
    const device = await push.createDevice(await anyone());
    const id = await notify(device.userId, 'Your order has shipped');
    expect(device.messages).toEqual([]);
    expect(await push.deliver()).toEqual({ sent: 1 });
    const message = await device.nextMessage();
    expect(message).toMatchObject({
      title: 'Your order has shipped',
      body: 'It is on its way.',
      url: '/orders/7',
      params: { order: 7 },
      notificationId: id,
      category: 'orders',
      content: { web_push: 8030 },
      push: { urgency: 'normal' },
    });
    expect(device.messages).toEqual([message]);
    expect(await push.deliver()).toEqual({});
  });

  test('brings a message to each device of a user, and to no other user', async () => {
    const [one, another] = [await anyone(), await anyone()];
    const [phone, laptop, other] = [
      await push.createDevice(one),
      await push.createDevice(one),
      await push.createDevice(another),
    ];
    await notify(one, 'Both');
    expect(await push.deliver()).toEqual({ sent: 2 });
    expect([await phone.nextMessage(), await laptop.nextMessage()].map(({ title }) => title)).toEqual([
      'Both',
      'Both',
    ]);
    expect(other.messages).toEqual([]);
  });

  test('leaves what waits for devices of browsers, and of other test files', async () => {
    const { sql, url } = database();
    const others = await startTestPush({ databaseUrl: url });
    const userId = await anyone();
    const mine = await push.createDevice(userId);
    const theirs = await others.createDevice(userId);
    const real = await subscribe(sql, userId);
    await notify(userId, 'For all');
    expect(await push.deliver()).toEqual({ sent: 1 });
    expect((await mine.nextMessage()).title).toBe('For all');
    expect(theirs.messages).toEqual([]);
    expect(await others.deliver()).toEqual({ sent: 1 });
    expect((await theirs.nextMessage()).title).toBe('For all');
    const waiting = await sql`select state from push.deliveries where subscription_id = ${real}`;
    expect(waiting).toEqual([{ state: 'queued' }]);
    expect(await sql`select from push.dispatchers`).toHaveLength(0);
    await sql`delete from push_subscriptions where id = ${real}`;
    await others.stop();
  });

  test('brings what is sent later when that is the time', async () => {
    const device = await push.createDevice(await anyone());
    await notify(device.userId, 'Tomorrow', seconds(86_400));
    expect(await push.deliver()).toEqual({});
    expect(await push.deliver({ at: seconds(86_000) })).toEqual({});
    expect(await push.deliver({ at: seconds(86_410) })).toEqual({ sent: 1 });
    expect((await device.nextMessage()).title).toBe('Tomorrow');
  });
});

describe('answers', () => {
  test('410: the device is gone, and the database deletes it', async () => {
    const device = await push.createDevice(await anyone());
    device.answer(410);
    await notify(device.userId, 'No device there');
    expect(await push.deliver()).toEqual({ gone: 1 });
    expect(await device.isRegistered()).toBe(false);
    expect(device.messages).toEqual([]);
  });

  test('410 as well where the user has unsubscribed', async () => {
    const device = await push.createDevice(await anyone());
    device.unsubscribe();
    await notify(device.userId, 'No device there');
    expect(await push.deliver()).toEqual({ gone: 1 });
    expect(await device.isRegistered()).toBe(false);
  });

  test('500 and 429: the message comes with a later attempt, not before Retry-After', async () => {
    const device = await push.createDevice(await anyone());
    device.answer(500, { kind: 'status', status: 429, retryAfter: 600 });
    await notify(device.userId, 'At last');
    expect(await push.deliver()).toEqual({ retry: 1 });
    expect(await push.deliver({ at: seconds(60) })).toEqual({ retry: 1 });
    expect(await push.deliver({ at: seconds(500) })).toEqual({});
    expect(await device.isRegistered()).toBe(true);
    expect(await push.deliver({ at: seconds(2000) })).toEqual({ sent: 1 });
    expect((await device.nextMessage()).title).toBe('At last');
  });

  test('201 takes a message, and none ends what was set before', async () => {
    const device = await push.createDevice(await anyone());
    device.answer(201, 410);
    await notify(device.userId, 'Taken');
    expect(await push.deliver()).toEqual({ sent: 1 });
    expect((await device.nextMessage()).title).toBe('Taken');
    device.answer();
    await notify(device.userId, 'Taken as well');
    expect(await push.deliver()).toEqual({ sent: 1 });
    expect((await device.nextMessage()).title).toBe('Taken as well');
  });

  test('201 while a device is away: it gets the message when it is back', async () => {
    const device = await push.createDevice(await anyone());
    device.offline();
    await notify(device.userId, 'Kept');
    expect(await push.deliver()).toEqual({ sent: 1 });
    expect(device.messages).toEqual([]);
    device.online();
    expect((await device.nextMessage()).title).toBe('Kept');
  });
});

test('what does not come is told in words before a test runner gives up', async () => {
  const device = await push.createDevice(await anyone());
  await expect(device.nextMessage({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'timeout' });
});

test('a push that is none of ours is told from a message', async () => {
  const vapidKeys = createVapidKeys();
  const device = await push.createDevice(await anyone());
  const foreign = push.service.createDevice();
  await sendPush(foreign.subscription, '{"title":"Hello"}', { vapidKeys });
  const got = await foreign.next();
  expect(got.json).toEqual({ title: 'Hello' });
  expect(() => readTestMessage(got)).toThrow(expect.objectContaining({ code: 'body_malformed' }));
  // The device takes nothing but what its own sender signs.
  const refused = await sendPush(device.subscription, '{"title":"Hello"}', { vapidKeys });
  expect([refused.status, device.messages]).toEqual([403, []]);
});

test('stop() takes devices and push service out of the database, once', async () => {
  const { sql, url } = database();
  const before = await sql`select origin from push.hosts order by origin`;
  const shortLived = await startTestPush({ databaseUrl: url });
  const device = await shortLived.createDevice(await anyone());
  await notify(device.userId, 'Too late');
  expect(await sql`select from push.hosts`).toHaveLength(before.length + 1);
  await Promise.all([shortLived.stop(), shortLived.stop()]);
  expect(await sql`select origin from push.hosts order by origin`).toEqual(before);
  expect(await sql`select from push_subscriptions where id = ${device.id}`).toHaveLength(0);
  await expect(fetch(device.subscription.endpoint, { method: 'POST' })).rejects.toThrow();
});

describe('startTestPush() refuses', () => {
  test('a user who is not there, in the words of the database', async () => {
    await expect(push.createDevice(randomUUID())).rejects.toMatchObject({ code: '23503' });
  });

  test.each([
    'postgresql://postgres:secret@db.abcdefghijklmnopqrst.supabase.co:5432/postgres',
    'postgresql://postgres:secret@10.0.0.5/postgres',
    'not a URL',
  ])('%s, which is not on this machine, and shows no password', async (databaseUrl) => {
    const refused = startTestPush({ databaseUrl });
    await expect(refused).rejects.toMatchObject({ code: 'usage' });
    await expect(refused).rejects.not.toThrow('secret');
  });

  test('a database without Supapush, and one whose push-dispatch would send as well', async () => {
    const empty = await createTestDatabase({ migrations: false });
    await expect(startTestPush({ databaseUrl: empty.url })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('does not have Supapush'),
    });
    await empty.drop();
    const connected = await createTestDatabase();
    await connected.sql`select push.connect('http://127.0.0.1:54321', ${'s'.repeat(32)})`;
    const before = await connected.sql`select from push.hosts`;
    await expect(startTestPush({ databaseUrl: connected.url })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('http://127.0.0.1:54321'),
    });
    expect(await connected.sql`select from push.hosts`).toHaveLength(before.length);
    await connected.drop();
  });
});
