import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { Channel, ClaimedDelivery } from '../../../src/server/channels/channel.ts';
import { dispatch } from '../../../src/server/dispatch/dispatcher.ts';
import { createPostgresQueue } from './postgres-queue.ts';

export interface Dispatchers {
  /** Rejects when one of them failed. */
  stop(): Promise<void>;
}

/**
 * Starts dispatchers of the project in this process, as many as `sql` has connections for. They stay until stopped: one that
 * leaves, because nothing waits, is followed by the next at once. Every push service accepts everything after `send`.
 */
export function startDispatchers(
  sql: postgres.Sql,
  count: number,
  send: (delivery: ClaimedDelivery) => Promise<void>,
): Dispatchers {
  let stopped = false;
  const channel: Channel<'webpush'> & Channel<'fcm'> = {
    async send(delivery: ClaimedDelivery) {
      await send(delivery);
      return { outcome: 'sent', status: 201 };
    },
  };
  const options = {
    queue: createPostgresQueue(sql),
    channels: { webpush: channel, fcm: channel },
    // A budget that is used up when they are stopped.
    budget: { deliveries: Number.POSITIVE_INFINITY, milliseconds: 3_600_000 },
    now: () => (stopped ? Number.POSITIVE_INFINITY : performance.now()),
  };
  const one = async () => {
    while (!stopped) await dispatch(randomUUID(), options);
  };
  const all = Promise.all(Array.from({ length: count }, one));
  // Told by stop(); until then it is not unhandled.
  all.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await all;
    },
  };
}
