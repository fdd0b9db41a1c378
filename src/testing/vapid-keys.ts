import type { VapidKeys } from '../server/channels/webpush/vapid-keys.ts';

/** Makes a VAPID key pair for one run of tests: no other is touched, and it is kept nowhere. */
export async function createVapidKeys(): Promise<VapidKeys> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
  const { x = '', y = '', d = '' } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  const point = [Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
  return {
    publicKey: Buffer.concat(point).toString('base64url'),
    privateKey: d,
    subject: 'mailto:push@example.com',
  };
}
