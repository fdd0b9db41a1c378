import { setTimeout as delay } from 'node:timers/promises';
import type postgres from 'postgres';
import { type DispatcherOptions, dispatch } from '../../../src/server/dispatch/dispatcher.ts';

/** Dispatchers that run in this process, one for each ring of the bell. */
export interface RungDispatchers {
  /** The most that ran at a time. */
  most(): number;
  /** No more are called; resolves when those at work have left. Rejects where one of them failed. */
  stop(): Promise<void>;
}

const POLL_MS = 5;

/** Takes the calls of push-dispatch out of pg_net's queue, in place of its worker, and has a dispatcher run for each. */
export function answerRings(sql: postgres.Sql, options: DispatcherOptions): RungDispatchers {
  const running = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  let most = 0;
  let isStopped = false;
  const listen = async () => {
    while (!isStopped) {
      const rings = await sql<{ dispatcher: string }[]>`
        delete from net.http_request_queue where url like '%/functions/v1/push-dispatch'
        returning convert_from(body, 'UTF8')::json ->> 'dispatcher' as dispatcher`;
      for (const { dispatcher } of rings) {
        const run: Promise<unknown> = dispatch(dispatcher, options)
          .catch((error: unknown) => failures.push(error))
          .finally(() => running.delete(run));
        running.add(run);
      }
      most = Math.max(most, running.size);
      await delay(POLL_MS);
    }
  };
  const listening = listen();
  listening.catch((error: unknown) => failures.push(error));
  return {
    most: () => most,
    async stop() {
      isStopped = true;
      await Promise.allSettled([listening]);
      await Promise.all(running);
      if (failures.length > 0) throw failures[0];
    },
  };
}
