import type { DeliveryQueue, DeliveryReport } from '../database/delivery-queue.ts';

// A report that is lost means a push that is sent twice, so it is tried again for nearly as long as the leases last
// (60 s): what is reported after that was handed to another dispatcher.
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5000;

export interface ReportBufferOptions {
  queue: Pick<DeliveryQueue, 'complete'>;
  /** How many reports are one batch. */
  size: number;
  /** The longest a report waits for others. */
  delayMs: number;
  /** How long a batch is tried again before it is given up. */
  patienceMs: number;
  /** Called for each batch that the queue has taken. */
  onReported?: (batch: DeliveryReport[]) => void;
  /** Called for each batch that is tried no more. */
  onGivenUp?: (batch: DeliveryReport[]) => void;
}

/** Collects reports and hands them to the queue in batches, one batch at a time, soon after the first of them. */
export function createReportBuffer(options: ReportBufferOptions) {
  const { queue, size, delayMs, patienceMs, onReported = () => {}, onGivenUp = () => {} } = options;
  let buffered: DeliveryReport[] = [];
  let reporting: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const reportBatch = () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = buffered;
    buffered = [];
    if (batch.length > 0) {
      const earlier = reporting;
      // One batch that cannot be reported does not keep the next from it: what is not reported is sent again.
      reporting = earlier
        .catch(() => {})
        .then(() => completePatiently(queue, batch, patienceMs))
        .then(
          () => onReported(batch),
          (error: unknown) => {
            onGivenUp(batch);
            throw error;
          },
        )
        .finally(() => earlier);
      // The last flush awaits every batch; a rejection in between is kept for it, not lost.
      reporting.catch(() => {});
    }
    return reporting;
  };

  return {
    add(report: DeliveryReport) {
      buffered.push(report);
      if (buffered.length >= size) reportBatch();
      else timer ??= setTimeout(reportBatch, delayMs);
    },
    /** Reports what is left; throws the first failure of any batch. */
    flush: reportBatch,
  };
}

async function completePatiently(
  queue: Pick<DeliveryQueue, 'complete'>,
  batch: DeliveryReport[],
  patienceMs: number,
): Promise<void> {
  let waited = 0;
  for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
    try {
      return await queue.complete(batch);
    } catch (error) {
      if (waited + delay > patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
      waited += delay;
    }
  }
}
