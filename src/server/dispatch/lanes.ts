import { type Channels, type ClaimedDelivery, type Outcome, sendOn } from '../channels/channel.ts';
import type { Busy, DeliveryReport } from '../database/delivery-queue.ts';

/** Deliveries on their way, a lane for each host. */
export interface Lanes {
  /** Deliveries that were added and have no outcome yet. */
  readonly pending: number;
  add(deliveries: ClaimedDelivery[]): void;
  /** Hosts and users that have enough to do for now. */
  busy(): Busy;
  /** Resolves when a delivery has its outcome, at once when nothing is pending. */
  progress(): Promise<void>;
  /** Resolves when one of these hosts is not busy, at once where that is so already. */
  relieved(hosts: string[]): Promise<void>;
  /** Resolves when everything that was added has its outcome. */
  drained(): Promise<void>;
}

// One user's devices may hold a tenth of a lane's places, or a fifth while few are taken: five users whose devices never
// answer leave two fifths of the places to others.
const SHARES = 10;
const FEW = 4;
// Deliveries of one user that a dispatcher holds at most before it asks for none: see `c_share` of push.look_at_queue().
const MOST_OF_A_USER = 25;

/** What is on its way to one push service. */
interface Lane {
  /** By user, in the order in which their turns come. */
  waiting: Map<string, ClaimedDelivery[]>;
  /** How many are under way, by user. */
  sending: Map<string, number>;
  underWay: number;
}

/**
 * Sends deliveries, at most `concurrency` at a time to one host, shared between users, and hands each outcome over
 * as it is known. Never rejects. A host that hangs uses up its own places only, and a user whose devices
 * hang the places of that user: the others go on, and are filled up meanwhile.
 */
export function createLanes(options: {
  channels: Channels;
  concurrency: number;
  onReport: (report: DeliveryReport) => void;
}): Lanes {
  const { channels, concurrency, onReport } = options;
  const share = Math.max(1, Math.floor(concurrency / SHARES));
  const lanes = new Map<string, Lane>();
  const held = new Map<string, number>();
  let pending = 0;
  let listeners: (() => void)[] = [];

  /** Takes the next delivery of the user whose turn it is; undefined where all have their share or nothing waits. */
  const next = (lane: Lane): ClaimedDelivery | undefined => {
    const most = lane.underWay < concurrency / FEW ? 2 * share : share;
    for (const [userId, waiting] of lane.waiting) {
      if ((lane.sending.get(userId) ?? 0) >= most) continue;
      const delivery = waiting.shift();
      // The next turn is another user's.
      lane.waiting.delete(userId);
      if (waiting.length > 0) lane.waiting.set(userId, waiting);
      return delivery;
    }
    return undefined;
  };

  const fill = (host: string, lane: Lane): void => {
    while (lane.underWay < concurrency) {
      const delivery = next(lane);
      if (delivery === undefined) break;
      void work(host, lane, delivery);
    }
    if (lane.underWay === 0 && lane.waiting.size === 0) lanes.delete(host);
  };

  const work = async (host: string, lane: Lane, delivery: ClaimedDelivery): Promise<void> => {
    const { userId } = delivery;
    lane.underWay += 1;
    count(lane.sending, userId, 1);
    const outcome = await send(channels, delivery);
    lane.underWay -= 1;
    count(lane.sending, userId, -1);
    count(held, userId, -1);
    pending -= 1;
    onReport({ deliveryId: delivery.deliveryId, claimNumber: delivery.claimNumber, outcome });
    fill(host, lane);
    const waking = listeners;
    listeners = [];
    for (const wake of waking) wake();
  };

  const progress = (): Promise<void> =>
    pending === 0 ? Promise.resolve() : new Promise((resolve) => listeners.push(resolve));

  /** Whether as much waits as can be under way: that keeps every place busy while the next claim is fetched. */
  const isBusy = (lane: Lane): boolean => {
    let waiting = 0;
    for (const { length } of lane.waiting.values()) waiting += Math.min(length, share);
    return waiting >= concurrency;
  };
  const busyHosts = (): string[] => [...lanes].filter(([, lane]) => isBusy(lane)).map(([host]) => host);

  return {
    get pending() {
      return pending;
    },
    add(deliveries) {
      pending += deliveries.length;
      for (const [host, added] of grouped(deliveries, ({ host }) => host)) {
        const lane = lanes.get(host) ?? { waiting: new Map(), sending: new Map(), underWay: 0 };
        lanes.set(host, lane);
        for (const [userId, ofUser] of grouped(added, ({ userId }) => userId)) {
          lane.waiting.set(userId, [...(lane.waiting.get(userId) ?? []), ...ofUser]);
          count(held, userId, ofUser.length);
        }
        fill(host, lane);
      }
    },
    busy: () => ({
      hosts: busyHosts(),
      users: [...held].filter(([, number]) => number >= MOST_OF_A_USER).map(([userId]) => userId),
    }),
    progress,
    async relieved(hosts) {
      const isRelieved = () => {
        const busy = new Set(busyHosts());
        return hosts.some((host) => !busy.has(host));
      };
      while (pending > 0 && !isRelieved()) await progress();
    },
    async drained() {
      while (pending > 0) await progress();
    },
  };
}

/** Adds to a number that is kept by key, and forgets it at nothing. */
function count(numbers: Map<string, number>, key: string, by: number): void {
  const number = (numbers.get(key) ?? 0) + by;
  if (number === 0) numbers.delete(key);
  else numbers.set(key, number);
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

/** Not Map.groupBy(): apps' tests run this on Node 20 as well, which does not have it. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
