import type { Channels, Outcome } from '../channels/channel.ts';
import type { DeliveryQueue } from '../database/delivery-queue.ts';
import { createReportBuffer } from './report-buffer.ts';
import { sendDeliveries } from './send-deliveries.ts';

export interface Budget {
  deliveries: number;
  milliseconds: number;
}

export interface DispatcherOptions {
  queue: DeliveryQueue;
  channels: Channels;
  /** Deliveries taken at a time. */
  claimLimit?: number;
  /** Requests in flight to one push service. 30 to 100 are enough for HTTP/2. */
  concurrency?: number;
  /** What one dispatcher does before it hands over to a fresh one, which has a budget of its own; none by default. */
  budget?: Budget;
  /** How long an idle dispatcher stays: a burst of commits then finds it at work instead of ringing again. */
  lingerMs?: number;
  heartbeatMs?: number;
  now?: () => number;
}

/** What a dispatcher did, for its one line in the log. */
export interface DispatchSummary {
  claimed: number;
  outcomes: Partial<Record<Outcome['outcome'], number>>;
  /** Whether it stopped for its budget and called another one. */
  handedOver: boolean;
}

/** For a process that nobody cuts off. */
export const UNLIMITED: Budget = {
  deliveries: Number.POSITIVE_INFINITY,
  milliseconds: Number.POSITIVE_INFINITY,
};

// Between two looks at an empty queue: short enough that nobody notices, long enough to cost nothing.
const IDLE_POLL_MS = 100;

/**
 * Drains the queue: claim, send, complete, until nothing is due and the queue lets it leave, or its budget is used up.
 *
 * Throws `queue_unreachable` when the database fails; what was claimed comes back when its lease is over.
 */
export async function dispatch(dispatcher: string, options: DispatcherOptions): Promise<DispatchSummary> {
  const {
    queue,
    channels,
    claimLimit = 200,
    concurrency = 50,
    lingerMs = 1000,
    heartbeatMs = 5000,
  } = options;
  const { now = Date.now, budget = UNLIMITED } = options;
  const summary: DispatchSummary = { claimed: 0, outcomes: {}, handedOver: false };
  const started = now();
  let idleSince = started;

  for (;;) {
    if (summary.claimed >= budget.deliveries || now() - started >= budget.milliseconds) {
      summary.handedOver = true;
      await queue.leave(dispatcher, true);
      return summary;
    }
    const deliveries = await queue.claim(
      dispatcher,
      Math.min(claimLimit, budget.deliveries - summary.claimed),
    );
    if (deliveries.length === 0) {
      if (now() - idleSince >= lingerMs && (await queue.leave(dispatcher, false))) return summary;
      await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS));
      continue;
    }

    summary.claimed += deliveries.length;
    const reports = createReportBuffer(queue, Math.ceil(claimLimit / 2));
    const unsettled = new Set(deliveries.map((delivery) => delivery.deliveryId));
    const heartbeat = setInterval(() => {
      // A heartbeat that fails is followed by the next; without any the lease ends, as it should.
      queue.heartbeat(dispatcher, [...unsettled]).catch(() => {});
    }, heartbeatMs);
    try {
      await sendDeliveries(deliveries, {
        channels,
        concurrency,
        onReport(report) {
          unsettled.delete(report.deliveryId);
          const { outcome } = report.outcome;
          summary.outcomes[outcome] = (summary.outcomes[outcome] ?? 0) + 1;
          reports.add(report);
        },
      });
      await reports.flush();
    } finally {
      clearInterval(heartbeat);
    }
    idleSince = now();
  }
}
