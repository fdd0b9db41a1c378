import { once } from 'node:events';
import postgres from 'postgres';
import { systemClock } from './clock.ts';

/** A background worker of the local stack. */
export interface Worker {
  /** Ends the worker and its connections; what it was doing is given up. May be called again. */
  stop(): Promise<void>;
}

interface SessionOptions {
  /** What the worker is called in pg_stat_activity and in the log. */
  name: string;
  databaseUrl: string;
  /** The channel the worker listens on. */
  channel: string;
  onNotify: () => void;
  /** One life of the worker on one connection. `signal` ends it: the worker stopped, or the connection is `lost`. */
  work: (sql: postgres.Sql, signal: AbortSignal, lost: AbortSignal) => Promise<void>;
  log: (line: string) => void;
}

const RECONNECT_MS = 100;

/**
 * Keeps a worker alive on one listening connection, as the postmaster restarts a background worker: if the server
 * goes away, it reconnects quietly and starts over until stopped. Rejects if the first connection fails.
 *
 * postgres.js reconnects by itself, but a LISTEN does not survive a server that stays away for a while.
 */
export async function startSession(options: SessionOptions): Promise<Worker> {
  const stopped = new AbortController();
  const first = Promise.withResolvers<void>();
  const live = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await runOnce(options, stopped.signal, first.resolve);
      } catch (error) {
        first.reject(error);
        if (!stopped.signal.aborted) options.log(`${options.name}: ${(error as Error).message}`);
      }
      await systemClock.wait(RECONNECT_MS, stopped.signal);
    }
  };
  const ended = live();
  const stop = async (): Promise<void> => {
    stopped.abort();
    await ended;
  };
  try {
    await first.promise;
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function runOnce(options: SessionOptions, stopped: AbortSignal, ready: () => void): Promise<void> {
  const lost = new AbortController();
  const sql = postgres(options.databaseUrl, {
    max: 1,
    fetch_types: false,
    // null: for ever. postgres.js otherwise renews connections after half an hour, without their LISTEN.
    max_lifetime: null,
    connection: { application_name: options.name },
    onnotice: () => {},
    onclose: () => lost.abort(),
    // What sql.listen() uses itself, on a connection of its own; missing from the types.
    ...({ onnotify: options.onNotify } as object),
  });
  const live = async (): Promise<void> => {
    await sql`listen ${sql(options.channel)}`;
    ready();
    await options.work(sql, AbortSignal.any([stopped, lost.signal]), lost.signal);
  };
  try {
    // postgres.js 3.4 leaves a query pending for ever when the server goes away at the wrong moment (1 of 20 restarts).
    await Promise.race([live(), once(lost.signal, 'abort')]);
  } finally {
    await sql.end({ timeout: lost.signal.aborted ? 0 : 1 });
  }
}
