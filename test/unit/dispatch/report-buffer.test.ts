import { describe, expect, test } from 'vitest';
import type { DeliveryReport } from '../../../src/server/database/delivery-queue.ts';
import { createReportBuffer } from '../../../src/server/dispatch/report-buffer.ts';
import { range, SENT } from './in-memory-queue.ts';

const report = (deliveryId: number): DeliveryReport => ({ deliveryId, claimNumber: 1, outcome: SENT });
// Nothing here waits for company; a failed batch is tried again after 100 and 200 ms.
const PATIENT = { delayMs: 60_000, patienceMs: 300 };
const ids = (batch: DeliveryReport[]) => batch.map(({ deliveryId }) => deliveryId);

/** A queue that notes what it settled, and refuses what it is told to, as often as it is told to. */
function queueThat(refuses: (batch: number[], attempt: number) => boolean) {
  const settled: number[][] = [];
  const attempts: number[][] = [];
  let running = 0;
  let most = 0;
  return {
    settled,
    attempts,
    most: () => most,
    async complete(batch: DeliveryReport[]) {
      most = Math.max(most, ++running);
      attempts.push(ids(batch));
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      const earlier = attempts.filter((attempt) => attempt[0] === batch[0]?.deliveryId).length;
      if (refuses(ids(batch), earlier)) throw new Error(`refused ${ids(batch).join()}`);
      settled.push(ids(batch));
    },
  };
}

describe('reports', () => {
  test('are settled in batches, one at a time, the rest at the end', async () => {
    const queue = queueThat(() => false);
    const buffer = createReportBuffer({ queue, size: 3, ...PATIENT });
    for (const id of range(8)) buffer.add(report(id));
    await buffer.flush();
    expect(queue.settled).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8],
    ]);
    expect(queue.most()).toBe(1);
  });

  test('do not wait for others longer than they may', async () => {
    const queue = queueThat(() => false);
    const settled = Promise.withResolvers<void>();
    const buffer = createReportBuffer({
      queue,
      size: 3,
      delayMs: 1,
      patienceMs: 0,
      onReported: () => settled.resolve(),
    });
    buffer.add(report(1));
    await settled.promise;
    expect(queue.settled).toEqual([[1]]);
  });

  test('that are none cost no call', async () => {
    const queue = queueThat(() => false);
    await createReportBuffer({ queue, size: 3, ...PATIENT }).flush();
    expect(queue.attempts).toEqual([]);
  });

  test('of a batch that failed are tried again, together', async () => {
    const queue = queueThat((batch, attempt) => batch[0] === 1 && attempt < 3);
    const buffer = createReportBuffer({ queue, size: 3, ...PATIENT });
    for (const id of range(3)) buffer.add(report(id));
    await buffer.flush();
    expect(queue.attempts).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(queue.settled).toEqual([[1, 2, 3]]);
  });

  test('of a batch that cannot be settled are given up with an error, and the next batches are settled', async () => {
    const queue = queueThat((batch) => batch[0] === 1);
    const buffer = createReportBuffer({ queue, size: 3, ...PATIENT });
    for (const id of range(7)) buffer.add(report(id));
    await expect(buffer.flush()).rejects.toThrow('refused 1,2,3');
    expect(queue.settled).toEqual([[4, 5, 6], [7]]);
    expect(queue.attempts.filter(([first]) => first === 1)).toHaveLength(3);
  });

  test('that fail again and again tell the first reason', async () => {
    const queue = queueThat(() => true);
    const buffer = createReportBuffer({ queue, size: 2, ...PATIENT });
    for (const id of range(3)) buffer.add(report(id));
    await expect(buffer.flush()).rejects.toThrow('refused 1,2');
  });
});
