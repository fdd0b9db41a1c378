import type { Channels, Outcome } from '../channels/channel.ts';
import type { Claim, DeliveryQueue, DeliveryReport } from '../database/delivery-queue.ts';
import { type Ceilings, PROCESS_CEILINGS } from './ceilings.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { createReportBuffer } from './report-buffer.ts';

export interface Budget {
  deliveries: number;
  milliseconds: number;
}

export interface DispatcherOptions {
  queue: DeliveryQueue;
  channels: Channels;
  /** What it takes upon itself at most; those of a process of one's own, unless given. How much of it is used follows the push services. */
  ceilings?: Ceilings;
  /** What one dispatcher does before it hands over to a fresh one, which has a budget of its own; none by default. */
  budget?: Budget;
  /** Once aborted it claims nothing more, finishes what it has, and hands over. */
  signal?: AbortSignal;
  /** How long an idle dispatcher stays: a burst of commits then finds it at work instead of ringing again. */
  lingerMs?: number;
  heartbeatMs?: number;
  /** How long a batch of reports is tried again while the database does not answer. */
  patienceMs?: number;
  /** Milliseconds of a monotonic clock: budget and patience are lengths of time. */
  now?: () => number;
}

/** What a dispatcher did, for its one line in the log. */
export interface DispatchSummary {
  claimed: number;
  outcomes: Partial<Record<Outcome['outcome'], number>>;
  /** Whether it stopped before the queue was empty, for its budget or because it was told to, and called another one. */
  handedOver: boolean;
}

/** For a process without a time limit. */
export const UNLIMITED: Budget = {
  deliveries: Number.POSITIVE_INFINITY,
  milliseconds: Number.POSITIVE_INFINITY,
};

// Between two looks at an empty queue: too short for a user to notice, long enough to cost nothing.
const IDLE_POLL_MS = 100;
// Deliveries taken at a time while nothing asks for more, and reports in a batch.
const CLAIMED = 200;
const REPORTED = 100;
const REPORT_DELAY_MS = 250;

/**
 * Drains the queue: claims while it sends and reports while it claims, until nothing is due and the queue lets it
 * leave, or its budget is used up.
 *
 * Throws `queue_unreachable` when the database fails; what was sent until then is reported as soon as it answers
 * again, and what was only claimed comes back when its lease is over.
 */
export async function dispatch(dispatcher: string, options: DispatcherOptions): Promise<DispatchSummary> {
  const { queue, channels, ceilings = PROCESS_CEILINGS, lingerMs = 1000 } = options;
  const { heartbeatMs = 5000, patienceMs = 50_000, budget = UNLIMITED } = options;
  const { now = () => performance.now(), signal } = options;
  const summary: DispatchSummary = { claimed: 0, outcomes: {}, handedOver: false };
  const unreported = new Set<number>();
  const forget = (batch: DeliveryReport[]) => {
    for (const { deliveryId } of batch) unreported.delete(deliveryId);
  };
  const reports = createReportBuffer({
    queue,
    size: Math.min(REPORTED, Math.ceil(ceilings.claim / 2)),
    delayMs: REPORT_DELAY_MS,
    patienceMs,
    onReported: forget,
    // Their leases are extended no more: they are handed out again.
    onGivenUp: forget,
  });
  const onReport = (report: DeliveryReport) => {
    const { outcome } = report.outcome;
    summary.outcomes[outcome] = (summary.outcomes[outcome] ?? 0) + 1;
    reports.add(report);
  };
  const lanes = createLanes({ channels, places: ceilings.places, onReport });
  const heartbeat = setInterval(() => {
    // A heartbeat that fails is followed by the next; without any the lease ends, as it should.
    queue.heartbeat(dispatcher, [...unreported]).catch(() => {});
  }, heartbeatMs);

  const handOver = createHandOver(queue, dispatcher);
  const started = now();
  let idleSince = started;
  // Where not even a first claim succeeds, another dispatcher would fare no better, and call yet another at once.
  let hasClaimed = false;
  const handOverAfterFailure = () => (hasClaimed ? handOver().catch(() => {}) : Promise.resolve());
  try {
    for (;;) {
      const left = Math.min(budget.deliveries - summary.claimed, ceilings.held - lanes.pending);
      const isUsedUp = summary.claimed >= budget.deliveries || now() - started >= budget.milliseconds;
      if (isUsedUp || signal?.aborted) {
        // First, so that what is committed while a slow device is waited for calls another.
        await handOver();
        summary.handedOver = true;
        await lanes.drained();
        await reports.flush();
        return summary;
      }
      if (left <= 0) {
        await lanes.progress();
        continue;
      }

      const busy = lanes.busy();
      const wanted = Object.values(busy.rooms).reduce((sum, room) => sum + room, 0);
      const limit = Math.min(Math.max(CLAIMED, wanted), ceilings.claim, left);
      const claim = await queue.claim(dispatcher, limit, busy);
      hasClaimed = true;
      const { deliveries, unreadable } = claim;
      const claimed = deliveries.length + unreadable.length;
      summary.claimed += claimed;
      for (const { deliveryId } of [...deliveries, ...unreadable]) unreported.add(deliveryId);
      lanes.recall(claim.paces ?? {});
      lanes.add(deliveries);
      for (const report of unreadable) onReport(report);
      // Only with room to spare, so that a message to a topic never piles up in front of others; and while these are sent.
      const fannedOut = claimed < limit && hasRoom(claim, busy, lanes.throttling()) && (await queue.fanOut());
      if (claimed > 0 || fannedOut) {
        idleSince = now();
        continue;
      }
      if (lanes.pending > 0) {
        // A busy host is asked for again as soon as it has room, which it may have got during the claim; one that hangs must not
        // keep us from the others.
        await (busy.hosts.length > 0
          ? Promise.race([lanes.relieved(busy.hosts), pause(IDLE_POLL_MS)])
          : pause(IDLE_POLL_MS));
        idleSince = now();
        continue;
      }
      if (now() - idleSince >= lingerMs) {
        await reports.flush();
        if (await queue.leave(dispatcher, false)) return summary;
      }
      await pause(IDLE_POLL_MS);
    }
  } catch (error) {
    // Before it drains and, where the database does not answer now, after it: it claims no more, and commits would count on it.
    await handOverAfterFailure();
    await lanes.drained();
    // What was sent must be reported, or it would be sent again.
    await reports.flush().finally(handOverAfterFailure);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Calls another dispatcher in place of this one where there is more to do, once. */
function createHandOver(queue: DeliveryQueue, dispatcher: string): () => Promise<void> {
  let isDone = false;
  return async () => {
    if (!isDone) await queue.leave(dispatcher, true);
    isDone = true;
  };
}

/** Whether a claim left room everywhere but at hosts that throttle, so that nothing that is due can wait for it. */
function hasRoom(
  { deliveries }: Claim,
  { hosts, rooms }: ReturnType<Lanes['busy']>,
  throttling: string[],
): boolean {
  const isLeft = (host: string, room: number) =>
    deliveries.filter((delivery) => delivery.host === host).length < room;
  return (
    hosts.every((host) => throttling.includes(host)) &&
    Object.entries(rooms).every(([host, room]) => throttling.includes(host) || isLeft(host, room))
  );
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
