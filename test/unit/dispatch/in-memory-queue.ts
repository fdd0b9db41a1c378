import type { Channel, Channels, ClaimedDelivery, Outcome } from '../../../src/server/channels/channel.ts';
import type {
  Busy,
  Claim,
  DeliveryQueue,
  DeliveryReport,
} from '../../../src/server/database/delivery-queue.ts';
import { content } from '../channels/delivery.ts';

/** Deliveries of the given numbers, as a queue hands them over. */
export function deliveries(
  numbers: Iterable<number>,
  values: Partial<ClaimedDelivery> = {},
): ClaimedDelivery[] {
  return Array.from(numbers, (deliveryId) => ({
    deliveryId,
    claimNumber: 1,
    userId: `user-${deliveryId}`,
    host: 'https://push.example.com',
    target: {
      channel: 'webpush' as const,
      endpoint: `https://push.example.com/${deliveryId}`,
      p256dh: '',
      auth: '',
      vapidKey: null,
    },
    content: content(),
    urgency: 'normal',
    ttl: 60,
    ...values,
  }));
}

export const range = (count: number, from = 1): number[] => Array.from({ length: count }, (_, n) => from + n);

export const SENT: Outcome = { outcome: 'sent', status: 201 };

/** A channel whose every push is accepted, unless told otherwise. */
export function channelOf(
  send: (delivery: ClaimedDelivery) => Promise<Outcome> | Outcome = () => SENT,
): Channel {
  return { send: async (delivery) => send(delivery) };
}

/** Every channel is this one. */
export function channelsOf(channel: Channel = channelOf()): Channels {
  return { webpush: channel, fcm: channel };
}

/**
 * A queue that hands out what it holds, in order, and remembers what it was told. Any of its answers can be replaced,
 * to be a database that fails.
 */
export class InMemoryQueue implements DeliveryQueue {
  waiting: ClaimedDelivery[];
  /** Handed over with the next claim. */
  unreadable: DeliveryReport[] = [];
  readonly claims: number[] = [];
  /** What each claim asked for. */
  readonly asked: { limit: number; busy: Busy }[] = [];
  /** What claims say of push services that throttle. */
  paces: Record<string, number> = {};
  readonly reports: DeliveryReport[] = [];
  readonly batches: number[] = [];
  readonly heartbeats: number[][] = [];
  readonly leaves: boolean[] = [];
  /** What leaving is answered while nothing waits. */
  onLeave: (final: boolean) => boolean = () => true;
  beforeClaim: () => void = () => {};
  beforeComplete: (reports: DeliveryReport[]) => void = () => {};
  onHeartbeat: () => void = () => {};

  constructor(waiting: ClaimedDelivery[] = []) {
    this.waiting = waiting;
  }

  async claim(_: string, limit: number, busy: Busy): Promise<Claim> {
    this.asked.push({ limit, busy });
    this.beforeClaim();
    const rooms = new Map(Object.entries(busy.rooms ?? {}));
    const free = this.waiting.filter(({ host, userId }) => {
      const room = rooms.get(host) ?? Number.POSITIVE_INFINITY;
      if (busy.hosts.includes(host) || busy.users.includes(userId) || room === 0) return false;
      rooms.set(host, room - 1);
      return true;
    });
    const claimed = free.slice(0, limit);
    this.waiting = this.waiting.filter((delivery) => !claimed.includes(delivery));
    this.claims.push(claimed.length);
    const unreadable = this.unreadable.splice(0);
    return { deliveries: claimed, unreadable, paces: this.paces };
  }

  async complete(reports: DeliveryReport[]): Promise<void> {
    this.beforeComplete(reports);
    this.batches.push(reports.length);
    this.reports.push(...reports);
  }

  async fanOut(): Promise<boolean> {
    return false;
  }

  async heartbeat(_: string, deliveryIds: number[]): Promise<void> {
    this.heartbeats.push(deliveryIds);
    this.onHeartbeat();
  }

  async leave(_: string, final: boolean): Promise<boolean> {
    this.leaves.push(final);
    return this.onLeave(final);
  }

  reported(): number[] {
    return this.reports.map(({ deliveryId }) => deliveryId).sort((a, b) => a - b);
  }
}
