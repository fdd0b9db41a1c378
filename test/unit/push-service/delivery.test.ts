import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import { createClock, createVapidKeys, sendPush } from './sender.ts';

const vapidKeys = createVapidKeys();
const clock = createClock();
let service: PushService;

beforeEach(async () => {
  service = await startPushService({ now: clock.now });
});
afterEach(() => service.stop());

describe('a push to a connected device', () => {
  it('is accepted with 201, its Location and its TTL, and decrypted by the device', async () => {
    const device = service.createDevice({ applicationServerKey: vapidKeys.publicKey });
    const payload = JSON.stringify({ title: 'Crème brûlée', data: { n: 1 } });

    const response = await sendPush(device.subscription, payload, {
      vapidKeys,
      ttl: 120,
      topic: 'dessert',
      urgency: 'high',
    });

    expect(response.status).toBe(201);
    expect(response.headers.get('ttl')).toBe('120');
    const message = await device.next();
    expect(response.headers.get('location')).toBe(`${service.origin}/message/${message.id}`);
    expect(message).toMatchObject({
      text: payload,
      json: { title: 'Crème brûlée', data: { n: 1 } },
      ttl: 120,
      topic: 'dessert',
      urgency: 'high',
      acceptedAt: clock.now(),
      arrivedAt: clock.now(),
    });
    expect(service.received).toEqual([
      {
        receivedAt: clock.now(),
        method: 'POST',
        url: device.endpoint,
        outcome: 'accepted',
        status: 201,
        refusal: null,
        messageId: message.id,
        ttl: 120,
        topic: 'dessert',
        urgency: 'high',
        size: payload.length + 3 + 103,
      },
    ]);
  });

  it('has text but no json where the content is none', async () => {
    const device = service.createDevice();
    await sendPush(device.subscription, 'plain', { vapidKeys });
    expect(await device.next()).toMatchObject({ text: 'plain', json: undefined });
  });

  it('may have no body', async () => {
    const device = service.createDevice();
    const response = await sendPush(device.subscription, null, { vapidKeys });
    expect(response.status).toBe(201);
    expect(await device.next()).toMatchObject({
      text: null,
      json: undefined,
      urgency: 'normal',
      topic: null,
    });
  });

  it('is delivered with TTL 0', async () => {
    const device = service.createDevice();
    await sendPush(device.subscription, 'now', { vapidKeys, ttl: 0 });
    expect(await device.next()).toMatchObject({ text: 'now', ttl: 0 });
  });

  it('has its TTL capped at 30 days', async () => {
    const device = service.createDevice();
    const response = await sendPush(device.subscription, 'late', { vapidKeys, ttl: 31 * 86_400 });
    expect(response.headers.get('ttl')).toBe('2592000');
    expect(await device.next()).toMatchObject({ ttl: 2_592_000 });
  });

  it('goes to that device alone', async () => {
    const [device, other] = [service.createDevice(), service.createDevice()];
    await sendPush(device.subscription, 'mine', { vapidKeys });
    await sendPush(other.subscription, 'yours', { vapidKeys });
    expect(device.messages.map((message) => message.text)).toEqual(['mine']);
    expect(other.messages.map((message) => message.text)).toEqual(['yours']);
  });

  it('accepts a body of 4096 bytes', async () => {
    const device = service.createDevice();
    const response = await sendPush(device.subscription, 'x'.repeat(3993), { vapidKeys });
    expect(response.status).toBe(201);
    expect(service.received[0]?.size).toBe(4096);
    expect((await device.next()).text).toHaveLength(3993);
  });

  it('is a failure at the device, and 201 for the sender, when it was encrypted for another', async () => {
    const [device, other] = [service.createDevice(), service.createDevice()];
    const mixedUp = { ...device.subscription, keys: other.subscription.keys };
    const response = await sendPush(mixedUp, 'hello', { vapidKeys });
    expect(response.status).toBe(201);
    expect(device.messages).toEqual([]);
    expect(device.failures).toMatchObject([{ error: { code: 'undecryptable' } }]);
  });
});

describe('a subscription', () => {
  it('looks as in a browser: unpadded base64url keys and no expiration', () => {
    const { endpoint, expirationTime, keys } = service.createDevice().subscription;
    expect(endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/push\/[A-Za-z0-9_-]{43}$/);
    expect(expirationTime).toBeNull();
    expect(keys.p256dh).toMatch(/^B[A-Za-z0-9_-]{86}$/);
    expect(keys.auth).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  it.each([
    ['of 64 bytes', Buffer.alloc(64, 4).toString('base64url')],
    ['off the curve', Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)]).toString('base64url')],
    ['in base64', `${vapidKeys.publicKey.slice(0, -1)}+`],
  ])('is refused for an application server key %s', (_, applicationServerKey) => {
    expect(() => service.createDevice({ applicationServerKey })).toThrow(
      expect.objectContaining({ code: 'invalid_application_server_key' }),
    );
  });
});

describe('a device that is offline', () => {
  it('gets what was sent meanwhile when it is back, in order', async () => {
    const device = service.createDevice();
    device.offline();
    for (const text of ['one', 'two', 'three']) {
      const response = await sendPush(device.subscription, text, { vapidKeys });
      expect(response.status).toBe(201);
    }
    expect(device.messages).toEqual([]);
    clock.advanceSeconds(5);
    device.online();
    expect(device.messages.map((message) => message.text)).toEqual(['one', 'two', 'three']);
    expect(device.messages[0]).toMatchObject({ acceptedAt: clock.now() - 5000, arrivedAt: clock.now() });
  });

  it('gets nothing twice', async () => {
    const device = service.createDevice();
    device.offline();
    await sendPush(device.subscription, 'once', { vapidKeys });
    device.online();
    device.offline();
    device.online();
    expect(device.messages).toHaveLength(1);
  });

  it('never gets a message with TTL 0', async () => {
    const device = service.createDevice();
    device.offline();
    const response = await sendPush(device.subscription, 'now or never', { vapidKeys, ttl: 0 });
    expect(response.status).toBe(201);
    device.online();
    expect(device.messages).toEqual([]);
  });

  it('gets a message until its TTL has passed, and not after', async () => {
    const device = service.createDevice();
    device.offline();
    await sendPush(device.subscription, 'short', { vapidKeys, ttl: 10 });
    await sendPush(device.subscription, 'long', { vapidKeys, ttl: 11 });
    clock.advanceSeconds(10);
    device.online();
    expect(device.messages.map((message) => message.text)).toEqual(['long']);
  });

  it('gets the latest message of a topic, and every one without', async () => {
    const device = service.createDevice();
    device.offline();
    await sendPush(device.subscription, 'score 1:0', { vapidKeys, topic: 'score' });
    await sendPush(device.subscription, 'weather', { vapidKeys, topic: 'weather' });
    await sendPush(device.subscription, 'a', { vapidKeys });
    await sendPush(device.subscription, 'score 1:1', { vapidKeys, topic: 'score' });
    await sendPush(device.subscription, 'b', { vapidKeys });
    device.online();
    expect(device.messages.map((message) => message.text)).toEqual(['weather', 'a', 'score 1:1', 'b']);
  });

  it('gets messages of four topics, as from FCM, and every one without', async () => {
    const device = service.createDevice();
    device.offline();
    for (const topic of ['a', 'b', 'c', 'd', 'b', 'e']) {
      await sendPush(device.subscription, topic, { vapidKeys, topic });
      await sendPush(device.subscription, 'x', { vapidKeys });
    }
    device.online();
    const topics = device.messages.map(({ topic }) => topic);
    expect(topics.filter((topic) => topic !== null)).toEqual(['c', 'd', 'b', 'e']);
    expect(topics.filter((topic) => topic === null)).toHaveLength(6);
  });

  it('keeps the topics of different devices apart', async () => {
    const [device, other] = [service.createDevice(), service.createDevice()];
    device.offline();
    other.offline();
    await sendPush(device.subscription, 'mine', { vapidKeys, topic: 'score' });
    await sendPush(other.subscription, 'yours', { vapidKeys, topic: 'score' });
    device.online();
    expect(device.messages.map((message) => message.text)).toEqual(['mine']);
  });
});

describe('DELETE of a message', () => {
  it('withdraws it while it is undelivered', async () => {
    const device = service.createDevice();
    device.offline();
    const location =
      (await sendPush(device.subscription, 'oops', { vapidKeys })).headers.get('location') ?? '';
    expect((await fetch(location, { method: 'DELETE' })).status).toBe(204);
    device.online();
    expect(device.messages).toEqual([]);
    expect((await fetch(location, { method: 'DELETE' })).status).toBe(404);
  });

  it('is 404 once the message was delivered, replaced, or has expired', async () => {
    const device = service.createDevice();
    const send = async (topic: string, ttl: number) =>
      (await sendPush(device.subscription, 'x', { vapidKeys, topic, ttl })).headers.get('location') ?? '';
    const delivered = await send('a', 60);
    device.offline();
    const replaced = await send('b', 60);
    await send('b', 60);
    const expired = await send('c', 1);
    clock.advanceSeconds(1);
    for (const location of [delivered, replaced, expired]) {
      expect((await fetch(location, { method: 'DELETE' })).status).toBe(404);
    }
  });
});

describe('a listener', () => {
  it('is called with each message until it is removed', async () => {
    const seen: unknown[] = [];
    const device = service.createDevice({ onMessage: (message) => seen.push(['first', message.text]) });
    const remove = device.onMessage((message) => seen.push(['second', message.text]));
    await sendPush(device.subscription, 'a', { vapidKeys });
    remove();
    await sendPush(device.subscription, 'b', { vapidKeys });
    expect(seen).toEqual([
      ['first', 'a'],
      ['second', 'a'],
      ['first', 'b'],
    ]);
  });
});
