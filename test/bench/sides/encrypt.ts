import { buildPushHTTPRequest } from '@pushforge/builder';
import webpush from 'web-push';
import { encryptMessage } from '../../../src/server/channels/webpush/message-encryption.ts';
import { createVapidAuthorization } from '../../../src/server/channels/webpush/vapid-authorization.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { decodeBase64Url } from '../../../src/shared/base64url.ts';
import { bareCopy, MESSAGE, SUBJECT, subscriptionsFor, vapidKeys } from './messages.ts';

export type EncryptSide = 'ours' | 'web-push' | 'pushforge' | 'floor';
export interface EncryptInput {
  side: EncryptSide;
  pushes: number;
}
export interface EncryptSample {
  /** Milliseconds per push: of all threads of the process, and by the clock. */
  cpu: number;
  wall: number;
}

/** As many as a dispatcher has under way at one push service. */
const IN_FLIGHT = 50;
const WARM_UP = 300;

const origin = 'https://push.example.com';
const keys = vapidKeys();
const subscriptions = subscriptionsFor(origin, 200);
const text = JSON.stringify(MESSAGE);
const subscription = (index: number) => bareCopy(subscriptions, index);

/** Each prepares all that a sender prepares once, and returns what it does for every push. */
const sides: Record<EncryptSide, () => Promise<(index: number) => unknown>> = {
  async ours() {
    const signer = await importVapidKeys({ ...keys, subject: SUBJECT });
    const authorizationFor = createVapidAuthorization(signer);
    const payload = new TextEncoder().encode(text);
    return async (index) => {
      const { endpoint, keys: receiver } = subscription(index);
      const authorization = await authorizationFor(new URL(endpoint).origin);
      const p256dh = decodeBase64Url(receiver.p256dh);
      const auth = decodeBase64Url(receiver.auth);
      if (p256dh === null || auth === null) throw new Error('malformed keys');
      return { authorization, body: await encryptMessage(payload, { p256dh, auth }) };
    };
  },
  async 'web-push'() {
    const vapidDetails = { ...keys, subject: SUBJECT };
    return (index) => webpush.generateRequestDetails(subscription(index), text, { vapidDetails, TTL: 3600 });
  },
  async pushforge() {
    const point = decodeBase64Url(keys.publicKey) as Uint8Array;
    const coordinate = (start: number) =>
      Buffer.from(point.subarray(start, start + 32)).toString('base64url');
    const privateJWK = { kty: 'EC', crv: 'P-256', x: coordinate(1), y: coordinate(33), d: keys.privateKey };
    return (index) =>
      buildPushHTTPRequest({
        privateJWK,
        subscription: subscription(index),
        message: { payload: MESSAGE, options: { ttl: 3600 }, adminContact: SUBJECT },
      });
  },
  async floor() {
    const curve = { name: 'ECDH', namedCurve: 'P-256' };
    const raw = decodeBase64Url(subscriptions[0]?.keys.p256dh ?? '') as Uint8Array<ArrayBuffer>;
    const receiver = await crypto.subtle.importKey('raw', raw, curve, false, []);
    return async () => {
      const pair = (await crypto.subtle.generateKey(curve, true, ['deriveBits'])) as CryptoKeyPair;
      return crypto.subtle.deriveBits({ name: 'ECDH', public: receiver }, pair.privateKey, 256);
    };
  },
};

const input = JSON.parse(process.argv[2] ?? '') as EncryptInput;
const push = await sides[input.side]();

async function encrypt(count: number): Promise<void> {
  for (let start = 0; start < count; start += IN_FLIGHT) {
    await Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => push(start + index)));
  }
}

await encrypt(WARM_UP);
const cpu = process.cpuUsage();
const started = performance.now();
await encrypt(input.pushes);
const wall = performance.now() - started;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ cpu: (user + system) / 1000 / input.pushes, wall: wall / input.pushes }));
