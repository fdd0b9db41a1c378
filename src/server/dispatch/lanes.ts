import { type Channels, type ClaimedDelivery, type Outcome, sendOn } from '../channels/channel.ts';
import type { Busy, DeliveryReport } from '../database/delivery-queue.ts';
import { createPace, type Pace, type PlacesAllowed } from './pace.ts';

/** Deliveries on their way, a lane for each host. */
export interface Lanes {
  /** Deliveries that were added and have no outcome yet. */
  readonly pending: number;
  add(deliveries: ClaimedDelivery[]): void;
  /** Hosts and users that have enough to do for now, how many deliveries of other hosts are wanted, and what throttling hosts accept. */
  busy(): Required<Busy>;
  /** Hosts that throttle, which have something waiting all the time. */
  throttling(): string[];
  /** Takes over what other dispatchers found out about hosts that throttle: what they accepted of one, per second. */
  recall(paces: Record<string, number>): void;
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
  pace: Pace;
  /** By user, in the order in which their turns come. */
  waiting: Map<string, ClaimedDelivery[]>;
  /** How many are under way, by user. */
  sending: Map<string, number>;
  underWay: number;
  /** Until the next may begin at a service that throttles. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Sends deliveries at the pace of each host, shared between users, and hands each outcome over as it is known. Never
 * rejects. A host that hangs uses up its own places only, and a user whose devices hang the places of that user: the
 * others go on, and are filled up meanwhile.
 *
 * @param options.now milliseconds of a monotonic clock
 */
export function createLanes(options: {
  channels: Channels;
  places: PlacesAllowed;
  onReport: (report: DeliveryReport) => void;
  now?: () => number;
}): Lanes {
  const { channels, places, onReport, now = () => performance.now() } = options;
  // As many as there are rows of push.hosts at most. They stay, because of what their paces have found out.
  const lanes = new Map<string, Lane>();
  const held = new Map<string, number>();
  let pending = 0;
  let listeners: (() => void)[] = [];

  const laneOf = (host: string): Lane => {
    const lane = lanes.get(host) ?? {
      pace: createPace(places),
      waiting: new Map(),
      sending: new Map(),
      underWay: 0,
      timer: undefined,
    };
    lanes.set(host, lane);
    return lane;
  };

  /** Takes the next delivery of the user whose turn it is; undefined where all have their share or nothing waits. */
  const next = (lane: Lane): ClaimedDelivery | undefined => {
    const share = shareOf(lane);
    const most = lane.underWay < lane.pace.places / FEW ? 2 * share : share;
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

  const fill = (lane: Lane): void => {
    while (lane.waiting.size > 0 && lane.timer === undefined) {
      const wait = lane.pace.wait(now());
      if (wait > 0) {
        lane.timer = setTimeout(() => {
          lane.timer = undefined;
          fill(lane);
        }, wait);
        break;
      }
      const delivery = lane.underWay < lane.pace.places ? next(lane) : undefined;
      if (delivery === undefined) {
        lane.pace.wanted();
        break;
      }
      void work(lane, delivery);
    }
  };

  const work = async (lane: Lane, delivery: ClaimedDelivery): Promise<void> => {
    const { userId } = delivery;
    const beganAt = now();
    lane.pace.began(beganAt);
    lane.underWay += 1;
    count(lane.sending, userId, 1);
    const outcome = await send(channels, delivery);
    lane.pace.ended(userId, outcome, beganAt, now());
    lane.underWay -= 1;
    count(lane.sending, userId, -1);
    count(held, userId, -1);
    pending -= 1;
    onReport({ deliveryId: delivery.deliveryId, claimNumber: delivery.claimNumber, outcome });
    fill(lane);
    const waking = listeners;
    listeners = [];
    for (const wake of waking) wake();
  };

  const progress = (): Promise<void> =>
    pending === 0 ? Promise.resolve() : new Promise((resolve) => listeners.push(resolve));

  /** How many deliveries keep its places busy while the next claim is fetched, and how many more are wanted for that. */
  const roomOf = (lane: Lane): { ahead: number; room: number } => {
    const ahead = lane.pace.ahead(now());
    const share = shareOf(lane);
    let waiting = 0;
    for (const { length } of lane.waiting.values()) waiting += Math.min(length, share);
    const free = lane.pace.accepted === undefined ? Math.max(0, lane.pace.places - lane.underWay) : 0;
    return { ahead, room: ahead + free - waiting };
  };
  /** Half of what is to wait is left: so that few claims fetch many. */
  const isBusy = (lane: Lane): boolean => {
    const { ahead, room } = roomOf(lane);
    return room < ahead / 2;
  };
  const busyHosts = (): string[] => [...lanes].filter(([, lane]) => isBusy(lane)).map(([host]) => host);

  return {
    get pending() {
      return pending;
    },
    add(deliveries) {
      pending += deliveries.length;
      for (const [host, added] of grouped(deliveries, ({ host }) => host)) {
        const lane = laneOf(host);
        for (const [userId, ofUser] of grouped(added, ({ userId }) => userId)) {
          lane.waiting.set(userId, [...(lane.waiting.get(userId) ?? []), ...ofUser]);
          count(held, userId, ofUser.length);
        }
        fill(lane);
      }
    },
    busy() {
      const hosts = busyHosts();
      const rooms: Record<string, number> = {};
      const paces: Record<string, number> = {};
      for (const [host, lane] of lanes) {
        // Of one with nothing to do, as much as there is: a burst is claimed at once.
        const isIdle = lane.underWay === 0 && lane.waiting.size === 0 && lane.pace.accepted === undefined;
        if (!isIdle && !hosts.includes(host)) rooms[host] = roomOf(lane).room;
        const found = lane.pace.found(now());
        if (found !== undefined) paces[host] = found;
      }
      return {
        hosts,
        users: [...held].filter(([, number]) => number >= MOST_OF_A_USER).map(([userId]) => userId),
        rooms,
        paces,
      };
    },
    throttling: () => [...lanes].filter(([, lane]) => lane.pace.accepted !== undefined).map(([host]) => host),
    recall(found) {
      for (const [host, accepted] of Object.entries(found)) laneOf(host).pace.recall(accepted, now());
    },
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

/** How many places one user may have, of those that are taken. */
function shareOf({ pace }: Lane): number {
  return Math.max(1, Math.floor(pace.places / SHARES));
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
