import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import { createVapidKeys, sendPush } from './sender.ts';

const vapidKeys = createVapidKeys();
let service: PushService;

beforeEach(async () => {
  service = await startPushService();
});
afterEach(() => service.stop());

describe('waiting for messages', () => {
  it('resolves when as many have arrived, those before included', async () => {
    const device = service.createDevice();
    await sendPush(device.subscription, 'one', { vapidKeys });
    const waiting = device.waitForMessages(2);
    await sendPush(device.subscription, 'two', { vapidKeys });
    expect((await waiting).map((message) => message.text)).toEqual(['one', 'two']);
    expect(await device.waitForMessages(1)).toHaveLength(1);
    expect(await device.waitForMessages(0)).toEqual([]);
  });

  it('gives each message to one caller of next, in order', async () => {
    const device = service.createDevice();
    await sendPush(device.subscription, 'one', { vapidKeys });
    const taken = [device.next(), device.next(), device.next()];
    await sendPush(device.subscription, 'two', { vapidKeys });
    await sendPush(device.subscription, 'three', { vapidKeys });
    expect((await Promise.all(taken)).map((message) => message.text)).toEqual(['one', 'two', 'three']);
  });

  it('gives up after timeoutMs without losing a message', async () => {
    const device = service.createDevice();
    await expect(device.next({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'timeout' });
    await expect(device.waitForMessages(2, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'timeout',
      message: 'After 1 ms: 0 of 2 messages at the device.',
    });
    await sendPush(device.subscription, 'one', { vapidKeys });
    expect((await device.next()).text).toBe('one');
  });

  it('ends with the signal', async () => {
    const device = service.createDevice();
    const controller = new AbortController();
    const waiting = device.next({ signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    await expect(device.next({ signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('waiting for requests', () => {
  it('resolves with those that match', async () => {
    const device = service.createDevice();
    const waiting = service.waitFor((request) => request.outcome === 'accepted', { count: 2 });
    await sendPush(device.subscription, 'one', { vapidKeys, topic: 'a' });
    await sendPush(device.subscription, 'two', { vapidKeys, headers: { TTL: undefined } });
    await sendPush(device.subscription, 'three', { vapidKeys, topic: 'b' });
    expect((await waiting).map((request) => request.topic)).toEqual(['a', 'b']);
    expect(service.received.map((request) => request.status)).toEqual([201, 400, 201]);
  });

  it('gives up after timeoutMs', async () => {
    await expect(service.waitFor(() => true, { timeoutMs: 1 })).rejects.toMatchObject({ code: 'timeout' });
  });
});

describe('two push services', () => {
  it('run side by side, and neither knows the endpoints or tokens of the other', async () => {
    const other = await startPushService();
    try {
      expect(other.origin).not.toBe(service.origin);
      const { subscription, endpoint } = service.createDevice();
      const moved = endpoint.replace(service.origin, other.origin);
      expect((await sendPush({ ...subscription, endpoint: moved }, 'hello', { vapidKeys })).status).toBe(404);
    } finally {
      await other.stop();
    }
  });
});

describe('stop', () => {
  it('drops idle and half-open connections, rejects what waits, and frees the port', async () => {
    const device = service.createDevice();
    const port = Number(new URL(service.origin).port);
    await sendPush(device.subscription, 'keeps a connection open', { vapidKeys });
    const silent = connect(port, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    const closed = new Promise((resolve) => silent.once('close', resolve));
    silent.on('error', () => {});
    silent.write('POST /push/');
    const waiting = [
      expect(service.waitFor(() => false)).rejects.toMatchObject({ code: 'stopped' }),
      expect(device.waitForMessages(9)).rejects.toMatchObject({ code: 'stopped' }),
      expect(service.autopush.waitForReports(() => true)).rejects.toMatchObject({ code: 'stopped' }),
    ];

    await Promise.all([service.stop(), service.stop()]);

    await Promise.all([closed, ...waiting]);
    await expect(device.waitForMessages(9)).rejects.toMatchObject({ code: 'stopped' });
    await expect(fetch(service.origin)).rejects.toThrow();
    const next = await startPushService({ port });
    expect(next.origin).toBe(service.origin);
    await next.stop();
  });

  it('does not start on a port that is taken', async () => {
    const port = Number(new URL(service.origin).port);
    await expect(startPushService({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
