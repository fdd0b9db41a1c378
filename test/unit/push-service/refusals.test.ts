import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import { createClock, createVapidKeys, type SendOptions, sendPush, vapidHeader } from './sender.ts';

const vapidKeys = createVapidKeys();
const otherKeys = createVapidKeys();
const clock = createClock();
let service: PushService;

beforeAll(async () => {
  service = await startPushService({ now: clock.now });
});
afterAll(() => service.stop());

const seconds = () => Math.floor(clock.now() / 1000);
const goodClaims = () => ({ aud: service.origin, exp: seconds() + 3600, sub: 'mailto:push@example.com' });
const signed = (claims: object, header?: object) => ({
  Authorization: vapidHeader(vapidKeys, { ...goodClaims(), ...claims }, header),
});

/** Sends to a fresh device restricted to `vapidKeys`, and proves that a refused push did not arrive. */
async function refusalOf(options: Partial<SendOptions>, payload: string | null = 'hello') {
  const device = service.createDevice({ applicationServerKey: vapidKeys.publicKey });
  const response = await sendPush(device.subscription, payload, { vapidKeys, ...options });
  const body = await response.json();
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(body).toEqual({
    code: response.status,
    errno: expect.any(Number),
    error: response.statusText,
    message: expect.any(String),
  });
  expect(device.messages).toEqual([]);
  expect(device.failures).toEqual([]);
  expect(service.received.at(-1)).toMatchObject({
    url: device.endpoint,
    outcome: 'refused',
    status: response.status,
    refusal: { errno: body.errno, message: body.message },
    messageId: null,
  });
  return { status: response.status, errno: body.errno, headers: response.headers };
}

describe('a push is refused', () => {
  it.each([
    ['no TTL', { TTL: undefined }, 111],
    ['a TTL that is not a number', { TTL: 'soon' }, 112],
    ['a negative TTL', { TTL: '-1' }, 112],
    ['a fractional TTL', { TTL: '1.5' }, 112],
    ['a topic of 33 characters', { Topic: 'x'.repeat(33) }, 113],
    ['a topic outside base64url', { Topic: 'a+b' }, 113],
    ['an empty topic', { Topic: '' }, 113],
    ['an unknown urgency', { Urgency: 'urgent' }, 999],
    ['no Content-Encoding', { 'Content-Encoding': undefined }, 110],
    ['the old encoding aesgcm', { 'Content-Encoding': 'aesgcm' }, 110],
  ])('with 400 for %s', async (_, headers, errno) => {
    expect(await refusalOf({ headers })).toMatchObject({ status: 400, errno });
  });

  it('with 400 for a body that is no aes128gcm record', async () => {
    expect(await refusalOf({ body: Buffer.alloc(200, 1) })).toMatchObject({ status: 400, errno: 110 });
  });

  it('with 413 for a body of 4097 bytes', async () => {
    expect(await refusalOf({}, 'x'.repeat(3994))).toMatchObject({ status: 413, errno: 104 });
  });

  it('with 413 for a body of a megabyte, and the connection survives', async () => {
    expect(await refusalOf({ body: Buffer.alloc(1 << 20) })).toMatchObject({ status: 413, errno: 104 });
  });

  it.each([
    ['no Authorization', undefined],
    ['another scheme', 'Bearer abc'],
    ['a token without a key', 'vapid t=a.b.c'],
    ['a key without a token', `vapid k=${vapidKeys.publicKey}`],
    ['gibberish', 'vapid !'],
  ])('with 401 for %s', async (_, authorization) => {
    const refusal = await refusalOf({ headers: { Authorization: authorization } });
    expect(refusal).toMatchObject({ status: 401, errno: 109 });
    expect(refusal.headers.get('www-authenticate')).toBe('vapid');
  });

  it.each<[string, () => Record<string, string>]>([
    ['the aud of another origin', () => signed({ aud: 'https://fcm.googleapis.com' })],
    ['an aud with a path', () => signed({ aud: `${service.origin}/` })],
    ['an exp that has passed', () => signed({ exp: seconds() - 1 })],
    ['an exp more than 24 hours away', () => signed({ exp: seconds() + 86_401 })],
    ['no exp', () => signed({ exp: undefined })],
    ['no sub', () => signed({ sub: undefined })],
    ['a sub that is no contact', () => signed({ sub: 'push@example.com' })],
    ['an http sub', () => signed({ sub: 'http://example.com' })],
    ['an algorithm other than ES256', () => signed({}, { typ: 'JWT', alg: 'none' })],
    ['a changed claim', () => tampered(1)],
    ['a changed signature', () => tampered(2)],
    ['no signature', () => ({ Authorization: signed({}).Authorization.replace(/\.[^.]*,/, '.,') })],
    [
      'the signature of another key than k',
      () => ({
        Authorization: vapidHeader({ ...otherKeys, publicKey: vapidKeys.publicKey }, goodClaims()),
      }),
    ],
    [
      'a k off the curve',
      () => ({
        Authorization: signed({}).Authorization.replace(
          /k=.*/,
          `k=${Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)]).toString('base64url')}`,
        ),
      }),
    ],
    [
      'a key the subscription is not restricted to',
      () => ({ Authorization: vapidHeader(otherKeys, goodClaims()) }),
    ],
  ])('with 403 for %s', async (_, headers) => {
    expect(await refusalOf({ headers: headers() })).toMatchObject({ status: 403, errno: 109 });
  });

  it('with 404 at an unknown endpoint', async () => {
    const { subscription } = service.createDevice();
    const endpoint = `${service.origin}/push/${'A'.repeat(43)}`;
    const response = await sendPush({ ...subscription, endpoint }, 'hello', { vapidKeys });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 404, errno: 102, error: 'Not Found' });
  });

  it.each(['/', '/push', '/push/', '/push/a/b', '/elsewhere/a'])('with 404 at %s', async (path) => {
    expect((await fetch(service.origin + path, { method: 'POST' })).status).toBe(404);
  });

  it('with 410 at the endpoint of a removed device', async () => {
    const device = service.createDevice();
    device.remove();
    const response = await sendPush(device.subscription, 'hello', { vapidKeys });
    expect(response.status).toBe(410);
    expect(await response.json()).toMatchObject({ code: 410, errno: 106, error: 'Gone' });
    expect(device.messages).toEqual([]);
  });

  it('with 405 for another method', async () => {
    expect((await fetch(service.createDevice().endpoint)).status).toBe(405);
    expect((await fetch(`${service.origin}/message/x`, { method: 'POST' })).status).toBe(405);
  });

  /** Changes one character in the middle of the claims or of the signature, after signing. */
  function tampered(segment: 1 | 2): Record<string, string> {
    const [, token = '', key = ''] = /t=(.*), k=(.*)/.exec(signed({}).Authorization) ?? [];
    const parts = token.split('.');
    if (segment === 1) {
      const claims = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString());
      parts[1] = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 1 })).toString('base64url');
    } else {
      const signature = parts[2] ?? '';
      parts[2] = `${signature.slice(0, 40)}${signature[40] === 'A' ? 'B' : 'A'}${signature.slice(41)}`;
    }
    return { Authorization: `vapid t=${parts.join('.')}, k=${key}` };
  }
});

describe('a push is accepted', () => {
  it.each<[string, object]>([
    ['with an exp exactly 24 hours away', { exp: seconds() + 86_400 }],
    ['with an https sub', { sub: 'https://example.com/contact' }],
  ])('%s', async (_, claims) => {
    const device = service.createDevice({ applicationServerKey: vapidKeys.publicKey });
    const response = await sendPush(device.subscription, 'hello', { vapidKeys, headers: signed(claims) });
    expect(response.status).toBe(201);
  });

  it('from any key when the subscription is not restricted', async () => {
    const { subscription } = service.createDevice();
    expect((await sendPush(subscription, 'a', { vapidKeys })).status).toBe(201);
    expect((await sendPush(subscription, 'b', { vapidKeys: otherKeys })).status).toBe(201);
  });

  it('with a topic of 32 characters and each urgency', async () => {
    const { subscription } = service.createDevice();
    for (const urgency of ['very-low', 'low', 'normal', 'high'] as const) {
      const response = await sendPush(subscription, 'x', {
        vapidKeys,
        urgency,
        topic: 'aZ09_-'.padEnd(32, 'x'),
      });
      expect(response.status).toBe(201);
    }
  });
});

describe('a VAPID token that was good before', () => {
  it('is refused once it has expired', async () => {
    const { subscription } = service.createDevice();
    const headers = signed({ exp: seconds() + 10 });
    expect((await sendPush(subscription, 'a', { vapidKeys, headers })).status).toBe(201);
    clock.advanceSeconds(11);
    expect((await sendPush(subscription, 'b', { vapidKeys, headers })).status).toBe(403);
  });

  it('is refused at a subscription restricted to another key', async () => {
    const open = service.createDevice();
    const restricted = service.createDevice({ applicationServerKey: otherKeys.publicKey });
    const headers = signed({});
    expect((await sendPush(open.subscription, 'a', { vapidKeys, headers })).status).toBe(201);
    expect((await sendPush(restricted.subscription, 'b', { vapidKeys, headers })).status).toBe(403);
  });

  it('does not vouch for the same token under another key', async () => {
    const { subscription } = service.createDevice();
    const { Authorization } = signed({});
    expect((await sendPush(subscription, 'a', { vapidKeys, headers: { Authorization } })).status).toBe(201);
    const forged = Authorization.replace(/k=.*/, `k=${otherKeys.publicKey}`);
    const response = await sendPush(subscription, 'b', { vapidKeys, headers: { Authorization: forged } });
    expect(response.status).toBe(403);
  });
});
