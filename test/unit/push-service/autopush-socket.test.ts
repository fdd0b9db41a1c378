import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { decryptContent } from '../../../src/local/push-service/content-encryption.ts';
import { type PushService, startPushService } from '../../../src/local/push-service/push-service.ts';
import { AutopushBrowser } from './autopush-browser.ts';
import { createClock, createVapidKeys, sendPush } from './sender.ts';

const vapidKeys = createVapidKeys();
// Firefox registers the key with padding, pages pass it without.
const paddedKey = `${vapidKeys.publicKey}=`;
const clock = createClock();
let service: PushService;
const browsers: AutopushBrowser[] = [];

function openBrowser(): AutopushBrowser {
  const browser = new AutopushBrowser(service.webSocketUrl);
  browsers.push(browser);
  return browser;
}

beforeEach(async () => {
  service = await startPushService({ now: clock.now });
});
afterEach(async () => {
  for (const browser of browsers.splice(0)) browser.socket.terminate();
  await service.stop();
});

const send = (subscription: Parameters<typeof sendPush>[0], text: string, options: object = {}) =>
  sendPush(subscription, text, { vapidKeys, ...options });
const closeOf = async (socket: WebSocket) => (await once(socket, 'close'))[0];

describe('hello', () => {
  it('is answered with a uaid of its own for every new browser', async () => {
    const answer = await openBrowser().ask({ messageType: 'hello', broadcasts: {}, use_webpush: true });
    expect(answer).toEqual({
      messageType: 'hello',
      uaid: expect.stringMatching(/^[0-9a-f]{32}$/),
      status: 200,
      use_webpush: true,
      broadcasts: {},
    });
    const second = await openBrowser().hello();
    expect(service.autopush.userAgents).toEqual([answer.uaid, second]);
  });

  it('gives a known browser its uaid again, and an unknown one a new one', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    await browser.leave();
    expect(await openBrowser().hello(uaid)).toBe(uaid);
    const stranger = '0'.repeat(32);
    expect(await openBrowser().hello(stranger)).not.toBe(stranger);
  });

  it('on a second connection with the same uaid closes the first', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const closed = closeOf(browser.socket);
    const second = openBrowser();
    expect(await second.hello(uaid)).toBe(uaid);
    await closed;
    const { subscription, channelID } = await second.register(paddedKey);
    await send(subscription, 'hi');
    expect(await second.frames.take()).toMatchObject({ messageType: 'notification', channelID });
  });

  it('has to come first, and once', async () => {
    const early = openBrowser();
    await once(early.socket, 'open');
    early.tell({ messageType: 'register', channelID: randomUUID() });
    expect(await closeOf(early.socket)).toBe(1002);
    const twice = openBrowser();
    await twice.hello();
    twice.tell({ messageType: 'hello', use_webpush: true });
    expect(await closeOf(twice.socket)).toBe(1002);
  });
});

describe('a connection', () => {
  it('speaks the subprotocol push-notification', async () => {
    const browser = openBrowser();
    await browser.hello();
    expect(browser.socket.protocol).toBe('push-notification');
  });

  it('is closed without that subprotocol', async () => {
    const socket = new WebSocket(service.webSocketUrl);
    expect(await closeOf(socket)).toBe(1002);
  });

  it('is refused at another path, and the port is freed although the other side stays', async () => {
    const socket = connect({
      port: Number(new URL(service.origin).port),
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    socket.on('error', () => {});
    socket.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /);
    await service.stop();
    socket.destroy();
  });

  it.each(['not json', '[]', '{"messageType":"dance"}', '{"messageType":"register","channelID":"x"}'])(
    'is closed on %s',
    async (text) => {
      const browser = openBrowser();
      await browser.hello();
      browser.socket.send(text);
      expect(await closeOf(browser.socket)).toBe(1002);
    },
  );

  it('answers a ping, before hello too', async () => {
    const browser = openBrowser();
    expect(await browser.ask({})).toEqual({});
    await browser.hello();
    expect(await browser.ask({})).toEqual({});
    expect(await browser.ask({ messageType: 'ping' })).toEqual({});
  });

  it('stays open when Firefox follows broadcasts', async () => {
    const browser = openBrowser();
    await browser.hello();
    browser.tell({ messageType: 'broadcast_subscribe', broadcasts: { a: 'b' } });
    await browser.settled();
  });

  it('is dropped by stop', async () => {
    const browser = openBrowser();
    await browser.hello();
    const closed = closeOf(browser.socket);
    await service.stop();
    expect(await closed).toBe(1006);
  });
});

describe('register', () => {
  it('gives an endpoint whose messages arrive encrypted as notifications', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { channelID, subscription, answer } = await browser.register(paddedKey);
    expect(answer).toEqual({
      messageType: 'register',
      channelID,
      status: 200,
      pushEndpoint: expect.stringContaining(`${service.origin}/push/`),
    });

    const response = await send(subscription, 'to the browser');

    expect(response.status).toBe(201);
    const notification = await browser.frames.take();
    expect(notification).toEqual({
      messageType: 'notification',
      channelID,
      version: response.headers.get('location')?.split('/').at(-1),
      data: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
      headers: { encoding: 'aes128gcm' },
    });
    const body = Buffer.from(String(notification.data), 'base64url');
    expect(decryptContent(body, browser.keys).toString()).toBe('to the browser');
  });

  it('leaves data and headers out of a notification without a body', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { channelID, subscription } = await browser.register(paddedKey);
    await sendPush(subscription, null, { vapidKeys });
    expect(await browser.frames.take()).toEqual({
      messageType: 'notification',
      channelID,
      version: expect.any(String),
    });
  });

  it('with a key restricts the endpoint to it', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { subscription } = await browser.register(paddedKey);
    const response = await send(subscription, 'hello', { vapidKeys: createVapidKeys() });
    expect(response.status).toBe(403);
    expect((await send(subscription, 'hello')).status).toBe(201);
  });

  it('without a key restricts nothing', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { subscription } = await browser.register('');
    expect((await send(subscription, 'hello', { vapidKeys: createVapidKeys() })).status).toBe(201);
  });

  it('again gives the same endpoint, and 409 with another key', async () => {
    const browser = openBrowser();
    await browser.hello();
    const first = await browser.register(paddedKey);
    const again = await browser.register(vapidKeys.publicKey, first.channelID);
    expect(again.answer).toEqual(first.answer);
    const other = await browser.register(createVapidKeys().publicKey, first.channelID);
    expect(other.answer).toEqual({ messageType: 'register', channelID: first.channelID, status: 409 });
  });

  it('is refused with 400 for a key that is none', async () => {
    const browser = openBrowser();
    await browser.hello();
    expect((await browser.register('abc=')).answer).toMatchObject({ status: 400 });
  });
});

describe('a notification', () => {
  it('is sent again on reconnect until it is acknowledged', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const { channelID, subscription } = await browser.register(paddedKey);
    await send(subscription, 'one');
    await send(subscription, 'two');
    const one = await browser.frames.take();
    const two = await browser.frames.take();
    browser.tell({ messageType: 'ack', updates: [{ channelID, version: one.version, code: 100 }] });
    await browser.settled();
    await browser.leave();

    const back = openBrowser();
    await back.hello(uaid);
    expect(await back.frames.take()).toEqual(two);
    back.tell({ messageType: 'ack', updates: [{ channelID, version: two.version, code: 101 }] });
    await back.settled();
    await back.leave();

    const again = openBrowser();
    await again.hello(uaid);
    await again.settled();
    expect(again.frames.items.map((frame) => frame.messageType)).toEqual(['hello', undefined]);
    expect(service.autopush.reports).toEqual([
      { kind: 'ack', uaid, channelId: channelID, version: one.version, code: 100, reportedAt: clock.now() },
      { kind: 'ack', uaid, channelId: channelID, version: two.version, code: 101, reportedAt: clock.now() },
    ]);
  });

  it('waits for a browser that is away, for its TTL and the latest of its topic', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const { subscription } = await browser.register(paddedKey);
    await browser.leave();
    for (const [text, options] of [
      ['score 1', { topic: 'score' }],
      ['short', { ttl: 10 }],
      ['now or never', { ttl: 0 }],
      ['score 2', { topic: 'score' }],
    ] as const) {
      expect((await send(subscription, text, options)).status).toBe(201);
    }
    clock.advanceSeconds(11);

    const back = openBrowser();
    await back.hello(uaid);
    await back.frames.take().then((frame) => {
      const body = Buffer.from(String(frame.data), 'base64url');
      expect(decryptContent(body, browser.keys).toString()).toBe('score 2');
    });
    await back.settled();
  });

  it('is not acknowledged by another browser', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const { channelID, subscription } = await browser.register(paddedKey);
    await send(subscription, 'mine');
    const mine = await browser.frames.take();
    const other = openBrowser();
    await other.hello();
    other.tell({ messageType: 'ack', updates: [{ channelID, version: mine.version, code: 100 }] });
    await other.settled();
    await browser.leave();
    const back = openBrowser();
    await back.hello(uaid);
    expect(await back.frames.take()).toEqual(mine);
  });

  it('that the page failed to handle is reported by nack', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    browser.tell({ messageType: 'nack', version: 'v1', code: 302 });
    const reports = await service.autopush.waitForReports((report) => report.kind === 'nack');
    expect(reports).toEqual([
      { kind: 'nack', uaid, channelId: null, version: 'v1', code: 302, reportedAt: clock.now() },
    ]);
  });
});

describe('unregister', () => {
  it('is confirmed, and the endpoint is gone', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { channelID, subscription } = await browser.register(paddedKey);
    expect(await browser.ask({ messageType: 'unregister', channelID, code: 200 })).toEqual({
      messageType: 'unregister',
      channelID,
      status: 200,
    });
    expect((await send(subscription, 'hello')).status).toBe(410);
  });

  it('of one channel leaves the others', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { channelID } = await browser.register(paddedKey);
    const other = await browser.register(paddedKey);
    await browser.ask({ messageType: 'unregister', channelID });
    expect((await send(other.subscription, 'hello')).status).toBe(201);
  });
});

describe('forgetUserAgent', () => {
  it('drops the browser, its endpoints are gone, and it gets a new uaid', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const { subscription } = await browser.register(paddedKey);
    const closed = closeOf(browser.socket);
    expect(service.autopush.forgetUserAgent(uaid)).toBe(true);
    await closed;
    expect((await send(subscription, 'hello')).status).toBe(410);
    const renewed = await openBrowser().hello(uaid);
    expect(renewed).not.toBe(uaid);
    expect(service.autopush.userAgents).toEqual([renewed]);
    expect(service.autopush.forgetUserAgent(uaid)).toBe(false);
  });
});
