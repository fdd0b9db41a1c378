import type { NotificationContent } from '../notification/payload.ts';

export type Urgency = 'very-low' | 'low' | 'normal' | 'high';

/** What each channel needs to reach a device. */
interface Targets {
  webpush: {
    endpoint: string;
    p256dh: string;
    auth: string;
    /** Public VAPID key of the subscription; null means the project's current one. */
    vapidKey: string | null;
  };
  fcm: {
    /** The registration token of an app's installation. */
    token: string;
  };
}

export type ChannelName = keyof Targets;

/** How one device is reached; `channel` tells which of them it is. */
export type Target<Name extends ChannelName = ChannelName> = {
  [N in Name]: { channel: N } & Targets[N];
}[Name];

/** One notification on its way to one device, as a dispatcher claimed it. */
export interface ClaimedDelivery<Name extends ChannelName = ChannelName> {
  deliveryId: number;
  /** Number of this claim; a report carries it back so that a late one of an earlier claim is ignored. */
  claimNumber: number;
  /** Whose device it is: places at a push service are shared between users. */
  userId: string;
  /** The row of `push.hosts` that allows the target: an origin, `https://*.suffix`, or the base URL of FCM. */
  host: string;
  target: Target<Name>;
  content: NotificationContent;
  /** False where its user wants no receipts. */
  receipts?: boolean;
  urgency: Urgency;
  /** Seconds the push service may keep the message. */
  ttl: number;
}

/**
 * What became of one attempt. `gone` deletes the subscription; `misconfigured` says that *our* setup is wrong and
 * deletes nothing; `retry` comes back later; `failed` never does. `status` is the push service's, and null where it was
 * not asked or did not answer.
 */
export type Outcome =
  | { outcome: 'sent'; status: number }
  | { outcome: 'gone'; status: number; code: string; message: string }
  | {
      outcome: 'retry';
      status: number | null;
      code: string;
      message: string;
      retryAfterSeconds: number | null;
    }
  | { outcome: 'failed'; status: number | null; code: string; message: string }
  | { outcome: 'misconfigured'; status: number | null; code: string; message: string };

/** A way out. `send` never throws: every failure is an outcome. */
export interface Channel<Name extends ChannelName = ChannelName> {
  send(delivery: ClaimedDelivery<Name>): Promise<Outcome>;
}

/** Every channel by its name: the one place where a delivery finds its way out. */
export type Channels = { [Name in ChannelName]: Channel<Name> };

/** Sends a delivery on its channel. */
export function sendOn<Name extends ChannelName>(
  channels: Channels,
  delivery: ClaimedDelivery<Name>,
): Promise<Outcome> {
  const name: Name = delivery.target.channel;
  return channels[name].send(delivery);
}
