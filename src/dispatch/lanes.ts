import { type Channels, type ClaimedDelivery, type Outcome, sendOn } from '../channels/channel.ts';
import type { DeliveryReport } from '../database/delivery-queue.ts';

/** Deliveries on their way, a lane for each host. */
export interface Lanes {
  /** Deliveries that were added and have no outcome yet. */
  readonly pending: number;
  add(deliveries: ClaimedDelivery[]): void;
  /** Hosts that have enough to do for now. */
  busyHosts(): string[];
  /** Resolves when a delivery has its outcome, at once when nothing is pending. */
  progress(): Promise<void>;
  /** Resolves when one of the hosts that are busy now no longer is. */
  relieved(): Promise<void>;
  /** Resolves when everything that was added has its outcome. */
  drained(): Promise<void>;
}

/**
 * Sends deliveries, at most `concurrency` at a time to one host, and hands each outcome over as it is known. Never
 * rejects. A host that hangs uses up its own places only: the others' lanes go on, and are filled up meanwhile.
 */
export function createLanes(options: {
  channels: Channels;
  concurrency: number;
  onReport: (report: DeliveryReport) => void;
}): Lanes {
  const { channels, concurrency, onReport } = options;
  const lanes = new Map<string, { waiting: ClaimedDelivery[]; sending: number }>();
  let pending = 0;
  let listeners: (() => void)[] = [];

  const work = async (host: string, lane: { waiting: ClaimedDelivery[]; sending: number }): Promise<void> => {
    lane.sending += 1;
    for (let delivery = lane.waiting.shift(); delivery !== undefined; delivery = lane.waiting.shift()) {
      const outcome = await send(channels, delivery);
      onReport({ deliveryId: delivery.deliveryId, attempt: delivery.attempt, outcome });
      pending -= 1;
      const waking = listeners;
      listeners = [];
      for (const wake of waking) wake();
    }
    lane.sending -= 1;
    if (lane.sending === 0) lanes.delete(host);
  };

  const progress = (): Promise<void> =>
    pending === 0 ? Promise.resolve() : new Promise((resolve) => listeners.push(resolve));

  // As much again as is under way keeps every place busy while the next claim is fetched.
  const busyHosts = (): string[] =>
    [...lanes].filter(([, lane]) => lane.waiting.length >= concurrency).map(([host]) => host);

  return {
    get pending() {
      return pending;
    },
    add(deliveries) {
      pending += deliveries.length;
      for (const [host, added] of Map.groupBy(deliveries, (delivery) => delivery.host)) {
        const lane = lanes.get(host) ?? { waiting: [], sending: 0 };
        lanes.set(host, lane);
        lane.waiting.push(...added);
        const places = Math.min(concurrency - lane.sending, lane.waiting.length);
        for (let place = 0; place < places; place++) void work(host, lane);
      }
    },
    busyHosts,
    progress,
    async relieved() {
      const before = busyHosts().length;
      while (pending > 0 && busyHosts().length >= before) await progress();
    },
    async drained() {
      while (pending > 0) await progress();
    },
  };
}

async function send(channels: Channels, delivery: ClaimedDelivery): Promise<Outcome> {
  try {
    return await sendOn(channels, delivery);
  } catch (error) {
    // A channel must not throw. One that does fails this delivery, not the reports of all others under way.
    const message = `The channel threw ${error instanceof Error ? error.name : typeof error}.`;
    return { outcome: 'retry', status: null, code: 'channel_failed', message, retryAfterSeconds: null };
  }
}
