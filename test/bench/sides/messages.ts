import { createECDH, randomBytes } from 'node:crypto';

export const SUBJECT = 'mailto:push@example.com';

/** What a typical notification looks like by the time it is encrypted. */
export const MESSAGE = {
  web_push: 8030,
  notification: {
    title: 'Acme is won',
    body: 'The deal went from negotiation to won, worth 12,000 € a year.',
    navigate: '/deals/1',
    data: { deal: 1, supapush: { notification_id: '5a0f4d4e-3c5c-4a86-9ec8-3d5b2b6a0a11' } },
  },
  mutable: true,
};

export interface PushSubscription {
  endpoint: string;
  keys: { p256dh: string; auth: string };
}

/** A VAPID key pair, base64url. */
export function vapidKeys(): { publicKey: string; privateKey: string } {
  const pair = createECDH('prime256v1');
  const publicKey = pair.generateKeys('base64url');
  // A private key that starts with zero bytes comes shorter than the 32 bytes it has to have.
  const privateKey = Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()])
    .subarray(-32)
    .toString('base64url');
  return { publicKey: publicKey.replace(/=+$/, ''), privateKey };
}

/** Subscriptions with keys of their own at a push service. */
export function subscriptionsFor(origin: string, count: number): PushSubscription[] {
  return Array.from({ length: count }, (_, index) => {
    const device = createECDH('prime256v1');
    device.generateKeys();
    return {
      endpoint: `${origin}/push/${index}`,
      keys: {
        p256dh: device.getPublicKey().toString('base64url'),
        auth: randomBytes(16).toString('base64url'),
      },
    };
  });
}

/** The subscription of this push as it comes from a database: strings, nothing decoded, nothing shared. */
export function bareCopy(subscriptions: PushSubscription[], index: number): PushSubscription {
  const { endpoint, keys } = subscriptions[index % subscriptions.length] as PushSubscription;
  return { endpoint, keys: { ...keys } };
}

/** The same message as a job of a general queue carries it. */
export const JOB = {
  user_id: '9f0b1d6e-74a3-4f3c-8a38-0c8f1f6f2b51',
  title: 'Acme is won',
  body: 'The deal went from negotiation to won.',
  url: '/deals/1',
};
