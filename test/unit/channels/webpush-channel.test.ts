import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import webpush from 'web-push';
import type { Outcome } from '../../../src/server/channels/channel.ts';
import { importVapidKeys, type VapidSigner } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { createWebPushChannel } from '../../../src/server/channels/webpush/webpush-channel.ts';
import {
  type PushService,
  type ScriptedAnswer,
  startPushService,
  type VirtualDevice,
} from '../../../tools/local/push-service/push-service.ts';
import { NO_RECEIPTS } from '../../support/receipts.ts';
import { content, type DeliveryValues, deliveryTo } from './delivery.ts';

const keys = webpush.generateVAPIDKeys();
const signer = await importVapidKeys({ ...keys, subject: 'mailto:push@example.com' });

let service: PushService;
let device: VirtualDevice;
beforeEach(async () => {
  service = await startPushService();
  device = service.createDevice({ applicationServerKey: keys.publicKey });
});
afterEach(() => service.stop());

const send = (values: DeliveryValues = {}, timeoutMs = 10_000): Promise<Outcome> =>
  createWebPushChannel({ signers: [signer], receipts: NO_RECEIPTS, timeoutMs }).send(
    deliveryTo(device, values),
  );
const scripted = (answer: ScriptedAnswer, timeoutMs?: number): Promise<Outcome> => {
  service.script(device.endpoint, answer);
  return send({}, timeoutMs);
};

/** A push service that answers as told, at its own endpoint. */
async function answering(listener: RequestListener): Promise<DeliveryValues> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, endpoint: `${host}/push/a-token-that-nobody-else-may-know` };
}

describe('a message', () => {
  test('is decrypted by the device, which accepts this one VAPID key only', async () => {
    expect(await send({ content: content({ title: 'Grüße 😀', params: { deal: 7 } }) })).toEqual({
      outcome: 'sent',
      status: 201,
    });
    expect((await device.next()).json).toMatchObject({
      web_push: 8030,
      notification: { title: 'Grüße 😀', body: 'World', data: { deal: 7 } },
    });
    expect(device.failures).toEqual([]);
  });

  test('says nothing by which a device could report, where its user wants no receipts', async () => {
    await send({ receipts: false });
    expect((await device.next()).json).toMatchObject({
      notification: { data: { supapush: { receipt: '' } } },
    });
    await send();
    expect((await device.next()).json).not.toMatchObject({
      notification: { data: { supapush: { receipt: '' } } },
    });
  });

  test('carries TTL, urgency and topic to the push service', async () => {
    await send({ ttl: 1234, urgency: 'high', content: content({ collapseKey: 'price-DAX_1' }) });
    await send({ ttl: 0, urgency: 'very-low' });
    expect(service.received).toMatchObject([
      { outcome: 'accepted', ttl: 1234, urgency: 'high', topic: 'price-DAX_1' },
      { outcome: 'accepted', ttl: 0, urgency: 'very-low', topic: null },
    ]);
  });

  test('has a topic that can be decoded, as Apple’s service does, whatever its length', async () => {
    const topics = Array.from({ length: 32 }, (_, index) => 't'.repeat(index + 1));
    for (const collapseKey of topics) await send({ content: content({ collapseKey }) });
    const sent = service.received.map((request) => request.topic ?? '');
    expect(sent.filter((topic) => topic.length % 4 === 1)).toEqual([]);
    expect(new Set(sent).size).toBe(32);
    expect(sent.filter((topic, index) => topic === topics[index])).toHaveLength(24);
  });

  test('to Windows has a TTL of at least 1', async () => {
    const seen: [string, string | null][] = [];
    vi.stubGlobal('fetch', async (url: string, { headers }: RequestInit) => {
      seen.push([new URL(url).hostname, new Headers(headers).get('ttl')]);
      return new Response(null, { status: 201 });
    });
    onTestFinished(() => void vi.unstubAllGlobals());
    for (const [host, endpoint] of [
      ['https://*.notify.windows.com', 'https://wns2-par02p.notify.windows.com/w/?token=x'],
      ['https://*.push.apple.com', 'https://web.push.apple.com/x'],
    ] as const) {
      for (const ttl of [0, 1, 60]) await send({ host, endpoint, ttl });
    }
    expect(seen).toEqual([
      ['wns2-par02p.notify.windows.com', '1'],
      ['wns2-par02p.notify.windows.com', '1'],
      ['wns2-par02p.notify.windows.com', '60'],
      ['web.push.apple.com', '0'],
      ['web.push.apple.com', '1'],
      ['web.push.apple.com', '60'],
    ]);
  });

  test('of the largest size is delivered; one byte more never leaves', async () => {
    // Data, since text would be shortened to fit.
    const overhead = await send({ content: content({ params: { x: '' } }) })
      .then(() => device.next())
      .then(({ text }) => Buffer.byteLength(text ?? ''));
    const sized = (bytes: number) =>
      send({ content: content({ params: { x: 'x'.repeat(bytes - overhead) } }) });
    expect(await sized(3993)).toMatchObject({ outcome: 'sent' });
    expect(Buffer.byteLength((await device.next()).text ?? '')).toBe(3993);
    expect(service.received.at(-1)).toMatchObject({ size: 4096 });
    expect(await sized(3994)).toMatchObject({ outcome: 'failed', status: null, code: 'payload_too_large' });
    expect(service.received).toHaveLength(2);
  });

  test('counts in bytes, not in characters', async () => {
    expect(await send({ content: content({ params: { x: '😀'.repeat(1000) } }) })).toMatchObject({
      outcome: 'failed',
      code: 'payload_too_large',
    });
    expect(service.received).toEqual([]);
  });
});

describe('is never sent', () => {
  test.each<[string, DeliveryValues, string]>([
    ['to a host it was not registered under', { host: 'https://fcm.googleapis.com' }, 'endpoint_not_allowed'],
    ['with a foreign VAPID key', { vapidKey: webpush.generateVAPIDKeys().publicKey }, 'vapid_key_unknown'],
    ['with a public key that is no base64url', { p256dh: 'not/base64+' }, 'encryption_failed'],
    ['with an empty public key', { p256dh: '' }, 'encryption_failed'],
    ['with a public key off the curve', { p256dh: `B${'A'.repeat(86)}` }, 'encryption_failed'],
    ['with a public key that is too short', { p256dh: 'BAAA' }, 'encryption_failed'],
    ['with an authentication secret that is too short', { auth: 'AAAA' }, 'encryption_failed'],
    ['with an empty authentication secret', { auth: '' }, 'encryption_failed'],
    ['with an authentication secret that is no base64url', { auth: '=' }, 'encryption_failed'],
  ])('%s', async (_, values, code) => {
    const outcome = await send(values);
    expect(outcome).toMatchObject({ outcome: 'failed', status: null, code });
    expect(service.received).toEqual([]);
    for (const secret of [values.p256dh, values.auth]) {
      if (secret) expect(JSON.stringify(outcome)).not.toContain(secret);
    }
  });

  test('… but one made with an older key of the project is, signed with that key', async () => {
    const older = webpush.generateVAPIDKeys();
    const bound = service.createDevice({ applicationServerKey: older.publicKey });
    const signers: [VapidSigner, VapidSigner] = [
      signer,
      await importVapidKeys({ ...older, subject: 'mailto:push@example.com' }),
    ];
    const channel = createWebPushChannel({ signers, receipts: NO_RECEIPTS });
    expect(await channel.send(deliveryTo(bound, { vapidKey: older.publicKey }))).toMatchObject({
      outcome: 'sent',
    });
    // Without a word about the key it is the newest, which this device does not accept.
    expect(await channel.send(deliveryTo(bound))).toMatchObject({ outcome: 'misconfigured' });
  });

  test('… but one whose VAPID key is the project’s own is', async () => {
    expect(await send({ vapidKey: keys.publicKey })).toMatchObject({ outcome: 'sent' });
  });
});

describe('a push service', () => {
  test('that hangs is given up', async () => {
    expect(await scripted({ kind: 'hang' }, 100)).toEqual({
      outcome: 'retry',
      status: null,
      code: 'timed_out',
      message: 'No answer within 100 ms.',
      retryAfterSeconds: null,
    });
  });

  test('that was asked before is given twice as long', async () => {
    const late: ScriptedAnswer = { kind: 'accept', answer: { afterMs: 1500 }, times: 2 };
    service.script(device.endpoint, late);
    expect(await send({ claimNumber: 1 }, 1000)).toMatchObject({ outcome: 'retry', code: 'timed_out' });
    expect(await send({ claimNumber: 2 }, 1000)).toEqual({ outcome: 'sent', status: 201 });
    expect(device.messages).toHaveLength(2);
  });

  test('that resets the connection is tried again later', async () => {
    // Twice: an HTTP client may repeat a request by itself when a kept connection breaks.
    expect(await scripted({ kind: 'reset', times: 2 })).toMatchObject({
      outcome: 'retry',
      code: 'network_error',
    });
  });

  test('that cannot be reached is tried again later', async () => {
    await service.stop();
    expect(await send()).toMatchObject({
      outcome: 'retry',
      status: null,
      code: 'network_error',
      // Why, and not only that it failed.
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test.each([
    [201, 'sent'],
    [410, 'gone'],
    [403, 'misconfigured'],
    [429, 'retry'],
    [500, 'retry'],
  ])(
    'that gives its status (%i) and then no end of its body has still said it: %s',
    async (status, outcome) => {
      expect(await scripted({ kind: 'slow-body', status, milliseconds: 3_600_000 }, 300)).toMatchObject({
        outcome,
        status,
      });
    },
  );

  test('that says when to come back is listened to', async () => {
    expect(await scripted({ kind: 'status', status: 429, retryAfter: 77 })).toMatchObject({
      outcome: 'retry',
      retryAfterSeconds: 77,
    });
    const date = 'Sat, 21 Nov 2026 12:00:00 GMT';
    const retryAfter = 'Sat, 21 Nov 2026 12:00:30 GMT';
    // Whatever the time is here: a date is understood by the clock of the one who gives it.
    expect(await scripted({ kind: 'status', status: 503, retryAfter, headers: { date } })).toMatchObject({
      retryAfterSeconds: 30,
    });
  });

  test.each([301, 302, 303, 307, 308] as const)('that redirects (%i) leads nowhere', async (status) => {
    const bait = await startPushService();
    onTestFinished(() => bait.stop());
    const location = bait.createDevice().endpoint;
    expect(await scripted({ kind: 'redirect', status, location })).toMatchObject({
      outcome: 'failed',
      status,
      code: 'redirected',
    });
    expect(bait.received).toEqual([]);
  });

  test('that never stops talking is cut short, and what it said first is kept', async () => {
    const closed = Promise.withResolvers<void>();
    const endless = await answering((_, response) => {
      response.writeHead(500).write('the reason ');
      const more = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.once('close', () => {
        clearInterval(more);
        closed.resolve();
      });
    });
    const outcome = await send(endless);
    expect(outcome).toMatchObject({ outcome: 'retry', code: 'push_service_error' });
    expect('message' in outcome && outcome.message).toMatch(/^500 the reason x+$/);
    expect('message' in outcome && outcome.message.length).toBeLessThan(320);
    await closed.promise;
  });

  test('that answers with much at once is quoted as well', async () => {
    const verbose = await answering((_, response) => response.writeHead(500).end('y'.repeat(5_000_000)));
    expect(await send(verbose)).toMatchObject({ message: `500 ${'y'.repeat(300)}` });
  });
});
