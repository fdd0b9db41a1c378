import { AsyncLocalStorage } from 'node:async_hooks';
import type { PostgresConnection } from '@supabase/lite/postgres';

/** serialization_failure and deadlock_detected. */
const CONFLICTS = new Set(['40001', '40P01']);

const askedBy = new AsyncLocalStorage<AbortSignal>();

/** Lets what `answer` does for a request end with it, when its client goes away. */
export function onBehalfOf<T>({ signal }: Request, answer: () => Promise<T>): Promise<T> {
  return askedBy.run(signal, answer);
}

/**
 * Begins a transaction anew that fails with a conflict, at once and as often as it takes, as PostgREST does before
 * version 16: what always fails with 40001 is never answered, and ends when the client gives up.
 */
export function retryConflicts(connection: PostgresConnection): void {
  const run = connection.withContext.bind(connection);
  const runUntilNoConflict: typeof run = async (...given) => {
    while (true) {
      try {
        return await run(...given);
      } catch (error) {
        if (!isConflict(error) || askedBy.getStore()?.aborted) throw error;
      }
    }
  };
  connection.withContext = runUntilNoConflict;
}

function isConflict(error: unknown): boolean {
  return error instanceof Error && 'code' in error && CONFLICTS.has(String(error.code));
}
