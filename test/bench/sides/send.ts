import { Agent } from 'node:https';
import webpush from 'web-push';
import type { ClaimedDelivery } from '../../../src/server/channels/channel.ts';
import { createReceiptTokens } from '../../../src/server/channels/receipt-tokens.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { createWebPushChannel } from '../../../src/server/channels/webpush/webpush-channel.ts';
import { bareCopy, MESSAGE, SUBJECT, subscriptionsFor, vapidKeys } from './messages.ts';

export type SendSide = 'ours' | 'web-push';
export interface SendInput {
  side: SendSide;
  origin: string;
  sends: number;
  inFlight: number;
}
export interface SendSample {
  perSecond: number;
  /** CPU milliseconds per send, of all threads. */
  cpu: number;
}

const WARM_UP = 500;
const input = JSON.parse(process.argv[2] ?? '') as SendInput;
const keys = vapidKeys();
const subscriptions = subscriptionsFor(input.origin, 500);

const sides: Record<SendSide, () => Promise<(index: number) => Promise<void>>> = {
  async ours() {
    const channel = createWebPushChannel({
      signers: [await importVapidKeys({ ...keys, subject: SUBJECT })],
      receipts: await createReceiptTokens([keys], input.origin),
    });
    return async (index) => {
      const outcome = await channel.send(delivery(index));
      if (outcome.outcome !== 'sent') throw new Error(`not sent: ${JSON.stringify(outcome)}`);
    };
  },
  async 'web-push'() {
    const text = JSON.stringify(MESSAGE);
    const vapidDetails = { ...keys, subject: SUBJECT };
    // Its best case: connections are kept, and there is one for every send in flight.
    const agent = new Agent({ keepAlive: true, maxSockets: input.inFlight });
    return async (index) => {
      await webpush.sendNotification(bareCopy(subscriptions, index), text, {
        vapidDetails,
        TTL: 3600,
        agent,
      });
    };
  },
};

function delivery(index: number): ClaimedDelivery<'webpush'> {
  const { endpoint, keys: receiver } = bareCopy(subscriptions, index);
  const { title, body, navigate } = MESSAGE.notification;
  return {
    deliveryId: index + 1,
    claimNumber: 1,
    userId: `user-${index}`,
    host: input.origin,
    target: { channel: 'webpush', endpoint, ...receiver, vapidKey: keys.publicKey },
    content: {
      notificationId: MESSAGE.notification.data.supapush.notification_id,
      title,
      body,
      url: navigate,
      params: { deal: 1 },
      category: null,
      collapseKey: null,
      tag: null,
      presentation: null,
      position: null,
      appUrl: null,
    },
    urgency: 'normal',
    ttl: 3600,
  };
}

const send = await sides[input.side]();

async function sendAll(count: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await send(next++);
  };
  await Promise.all(Array.from({ length: input.inFlight }, lane));
}

await sendAll(WARM_UP);
const cpu = process.cpuUsage();
const started = performance.now();
await sendAll(input.sends);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ perSecond: input.sends / seconds, cpu: (user + system) / 1000 / input.sends }));
process.exit(0);
