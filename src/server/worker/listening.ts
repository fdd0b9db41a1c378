import type postgres from 'postgres';
import { createSqlDatabase, type SqlDatabase } from '../database/sql-database.ts';

/** Opens one connection that is never given to anything else. */
export type OpenSession = (handlers: {
  /** A notification came. */
  onNotify: (channel: string) => void;
  /** The connection is gone. */
  onClose: () => void;
}) => postgres.Sql;

/** A session that listens on one channel. */
export interface Listening {
  /** The session itself: what it says is said by who listens. */
  database: SqlDatabase;
  close(): Promise<void>;
}

export interface ListenOptions {
  openSession: OpenSession;
  /** Other connections to the same database. */
  pool: SqlDatabase;
  channel: string;
  onCall: () => void;
  onLost: () => void;
  /** How long a notification may take that is sent to see whether any comes. */
  probeMs?: number;
}

// On the same server it takes a millisecond. A pooler that cannot pass notifications on says nothing at all.
const PROBE_MS = 2000;

/**
 * Listens on a channel; null where that does not work, as through a pooler that lends a connection for one transaction at a time.
 * That is tried out, because such a pooler takes `listen` without an error. Throws where the database does not answer.
 */
export async function listen(options: ListenOptions): Promise<Listening | null> {
  const { openSession, pool, channel, onCall, onLost, probeMs = PROBE_MS } = options;
  let isClosed = false;
  let probed: (() => void) | undefined;
  const session = openSession({
    onNotify(heard) {
      if (heard !== channel) return;
      if (probed === undefined) onCall();
      else probed();
    },
    onClose() {
      if (isClosed) return;
      // The driver would open another one, which does not listen.
      void close();
      onLost();
    },
  });
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await session.end({ timeout: 0 });
  };
  const database = createSqlDatabase(() => session);
  const listening: Listening = { database, close };
  try {
    // Two connections that are one and the same on the server are a pooler's.
    if ((await backendOf(database)) === (await backendOf(pool))) return await withoutIt(listening);
    const heard = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), probeMs);
      probed = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
    await database.first('listen', (sql) => sql`listen ${sql(channel)}`);
    await pool.first('pg_notify', (sql) => sql`select pg_catalog.pg_notify(${channel}::text, '')`);
    const works = await heard;
    probed = undefined;
    if (works) return listening;
    await database.first('unlisten', (sql) => sql`unlisten ${sql(channel)}`);
    return await withoutIt(listening);
  } catch (error) {
    await close();
    throw error;
  }
}

async function withoutIt(listening: Listening): Promise<null> {
  await listening.close();
  return null;
}

async function backendOf(database: SqlDatabase): Promise<number | undefined> {
  const row = await database.first(
    'pg_backend_pid',
    (sql) => sql<{ pid: number }[]>`select pg_catalog.pg_backend_pid() as pid`,
  );
  return row?.pid;
}
