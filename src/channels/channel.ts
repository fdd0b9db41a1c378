import type { NotificationContent } from '../notification/payload.ts';

export type Urgency = 'very-low' | 'low' | 'normal' | 'high';

/** One notification on its way to one device, as a dispatcher claimed it. */
export interface ClaimedDelivery {
  deliveryId: number;
  /** Number of this claim; a report carries it back so that a late one of an earlier claim is ignored. */
  attempt: number;
  channel: string;
  /** The row of `push.hosts` that allows the endpoint: an origin, or `https://*.suffix`. */
  host: string;
  endpoint: string;
  p256dh: string;
  auth: string;
  /** Public VAPID key of the subscription; null means the project's current one. */
  vapidKey: string | null;
  content: NotificationContent;
  urgency: Urgency;
  /** Seconds the push service may keep the message. */
  ttl: number;
}

/**
 * What became of one attempt. `gone` deletes the subscription; `misconfigured` says that *our* setup is wrong and
 * deletes nothing; `retry` comes back later; `failed` never does.
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
export interface Channel {
  send(delivery: ClaimedDelivery): Promise<Outcome>;
}
