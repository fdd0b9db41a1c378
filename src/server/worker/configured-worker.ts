import type { SupapushError } from '../../shared/errors.ts';
import { createServerClock } from '../database/server-clock.ts';
import type { SqlDatabase } from '../database/sql-database.ts';
import { createSqlDeliveryQueue } from '../database/sql-delivery-queue.ts';
import type { WorkerIdentity } from '../database/worker-registry.ts';
import { readSendingEnvironment, SENDING_VARIABLES } from '../functions/environment.ts';
import { createSendingChannels } from '../functions/sending-channels.ts';
import type { OpenSession } from './listening.ts';
import { runWorker, type WorkerEvent } from './worker.ts';
import type { WorkerState } from './worker-metrics.ts';

export { SENDING_VARIABLES };

/** A worker with its keys, ready to run. */
export interface ConfiguredWorker {
  /** What keeps one channel from working; the others work all the same. */
  problem: SupapushError | undefined;
  /** See `runWorker()`. */
  run(options: {
    identity: WorkerIdentity;
    database: SqlDatabase;
    openSession: OpenSession | null;
    state: WorkerState;
    log: (event: WorkerEvent) => void;
    signal: AbortSignal;
  }): Promise<void>;
}

/**
 * Reads the environment as push-dispatch does. Throws `not_configured`, naming what is missing, and `vapid_keys_invalid`.
 */
export async function configureWorker(
  environment: Record<string, string | undefined>,
): Promise<ConfiguredWorker> {
  const sending = readSendingEnvironment(environment);
  const clock = createServerClock();
  const { channels, problem } = await createSendingChannels(sending, clock.now);
  return {
    problem,
    run: ({ signal, ...options }) =>
      runWorker(
        {
          ...options,
          queue: createSqlDeliveryQueue(options.database, sending.supabaseUrl),
          channels,
          onTime: (now) => clock.observe(new Headers({ date: new Date(now).toUTCString() })),
          isFinal,
        },
        signal,
      ),
  };
}

// By SQLSTATE: a password or a role that is refused, no such database, a right or a function that is missing, a release that the
// worker does not speak.
const FINAL = /^(28|3D000|42501|42883|3F000|42P01|PT400)/;

function isFinal(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: unknown } };
  return code === 'queue_answer_malformed' || FINAL.test(String(cause?.code ?? ''));
}
