/** A queue that is worked in batches, on a database of its own. */
export interface QueueSide {
  /** Puts this many jobs in. */
  enqueue(count: number): Promise<void>;
  /** Takes out and settles this many; resolves with the milliseconds that took. */
  work(count: number): Promise<number>;
  stop(): Promise<void>;
}

/** Jobs per call of a side. */
export interface BatchSizes {
  enqueue: number;
  work: number;
}

/** Calls at a time, the same for every side that leaves the choice to us. */
export const LANES = 4;

/** Runs `step` until `total` is reached, in `LANES` lanes; a step returns how much it did. */
export async function inLanes(total: number, step: (lane: number) => Promise<number>): Promise<void> {
  let done = 0;
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      while (done < total) {
        const settled = await step(lane);
        done += settled;
      }
    }),
  );
}

/** Calls `step` for the start of each batch of `total` and its size, in `LANES` lanes. */
export async function inBatches(
  total: number,
  size: number,
  step: (start: number, count: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < total) {
      const start = next;
      next += size;
      await step(start, Math.min(size, total - start));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
