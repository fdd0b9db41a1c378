import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface FloodOptions {
  url: string;
  /** JSON texts, sent in turns. */
  bodies: string[];
  perSecond: number;
  milliseconds: number;
}

export interface FloodOutcome {
  sent: number;
  /** How many answers had each status; `broken` for none. */
  statuses: Record<string, number>;
}

/**
 * POSTs at a steady rate whether it is answered or not, as strangers do, from a thread of its own: what measures a neighbour
 * meanwhile must not wait for its own attacker. Resolves when all is answered.
 */
export async function flood(options: FloodOptions): Promise<FloodOutcome> {
  const thread = new Worker(new URL('./flood-thread.ts', import.meta.url), { workerData: options });
  try {
    const [outcome] = await once(thread, 'message');
    return outcome;
  } finally {
    await thread.terminate();
  }
}
