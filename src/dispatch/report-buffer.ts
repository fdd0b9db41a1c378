import type { DeliveryQueue, DeliveryReport } from '../database/delivery-queue.ts';

// A report that is lost means a push that is sent twice, so it is tried again before it is given up.
const RETRY_DELAYS_MS = [100, 400, 1600];

/** Collects reports and settles them in batches of `size`, one batch at a time. */
export function createReportBuffer(queue: Pick<DeliveryQueue, 'complete'>, size: number) {
  let buffered: DeliveryReport[] = [];
  let settling: Promise<void> = Promise.resolve();

  const settle = () => {
    const batch = buffered;
    buffered = [];
    if (batch.length > 0) {
      const earlier = settling;
      // One batch that cannot be settled does not keep the next from it: what is not reported is sent again.
      settling = earlier
        .catch(() => {})
        .then(() => completeWithRetries(queue, batch))
        .finally(() => earlier);
    }
    return settling;
  };

  return {
    add(report: DeliveryReport) {
      buffered.push(report);
      // The last flush awaits every batch; a rejection in between is kept for it, not lost.
      if (buffered.length >= size) settle().catch(() => {});
    },
    /** Settles what is left; throws the first failure of any batch. */
    flush: settle,
  };
}

async function completeWithRetries(
  queue: Pick<DeliveryQueue, 'complete'>,
  batch: DeliveryReport[],
): Promise<void> {
  for (const delay of RETRY_DELAYS_MS) {
    try {
      return await queue.complete(batch);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
  await queue.complete(batch);
}
