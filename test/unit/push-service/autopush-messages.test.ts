import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { decryptContent } from '../../../src/testing/push-service/content-encryption.ts';
import { createVapidKeys, sendPush } from './sender.ts';
import { useAutopush } from './use-autopush.ts';

const { vapidKeys, paddedKey, clock, service, openBrowser, send } = useAutopush();
const closeOf = async (socket: WebSocket) => (await once(socket, 'close'))[0];

describe('register', () => {
  it('gives an endpoint whose messages arrive encrypted as notifications', async () => {
    const browser = openBrowser();
    await browser.hello();
    const { channelID, subscription, answer } = await browser.register(paddedKey);
    expect(answer).toEqual({
      messageType: 'register',
      channelID,
      status: 200,
      pushEndpoint: expect.stringContaining(`${service().origin}/push/`),
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
    expect(service().autopush.reports).toEqual([
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
    const reports = await service().autopush.waitForReports((report) => report.kind === 'nack');
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
    expect(service().autopush.forgetUserAgent(uaid)).toBe(true);
    await closed;
    expect((await send(subscription, 'hello')).status).toBe(410);
    const renewed = await openBrowser().hello(uaid);
    expect(renewed).not.toBe(uaid);
    expect(service().autopush.userAgents).toEqual([renewed]);
    expect(service().autopush.forgetUserAgent(uaid)).toBe(false);
  });
});
