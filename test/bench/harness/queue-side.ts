/** A queue that is worked in batches, on a database of its own. */
export interface QueueSide {
  /** Puts this many jobs in. */
  enqueue(count: number): Promise<void>;
  /** Takes out and settles this many; resolves with the milliseconds that took. */
  work(count: number): Promise<number>;
  stop(): Promise<void>;
}

/** Jobs per call and calls at a time, the same for every side that leaves the choice to us. */
export const BATCH = 500;
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

/** Calls `step` for the start of each batch of `total`, in `LANES` lanes. */
export async function inBatches(total: number, step: (start: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < total) {
      const start = next;
      next += BATCH;
      await step(start);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
