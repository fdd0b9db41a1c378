import postgres from 'postgres';
import { createSqlDatabase, type SqlDatabase } from '../../server/database/sql-database.ts';
import type { OpenSession } from '../../server/worker/listening.ts';
import { tlsOf } from '../database-tls.ts';

/** The driver's own hook for notifications; its types name `listen()` alone, whose connection cannot be used for anything else. */
type SessionOptions = postgres.Options<Record<string, never>> & {
  onnotify: (channel: string, payload: string) => void;
};

/**
 * The connections of a worker: a pool that is empty while it idles, and the session in which it listens. Nothing is prepared and no
 * setting is made, so that both work through a pooler.
 */
export function openConnections(databaseUrl: string): { pool: SqlDatabase; openSession: OpenSession } {
  const { url, tls } = tlsOf(databaseUrl, process.env);
  const options = {
    ssl: tls,
    prepare: false,
    // Asking a new connection for its types rejects where no caller can catch it, when the connection breaks meanwhile.
    fetch_types: false,
    connect_timeout: 10,
    // The worker waits by itself before it tries again.
    backoff: () => 0,
    keep_alive: 15,
    max_lifetime: null,
    onnotice: () => {},
    connection: { application_name: 'supapush worker' },
  } satisfies postgres.Options<Record<string, never>>;
  return {
    // A dispatcher claims, reports, extends its leases and fans out at the same time.
    pool: createSqlDatabase(() => postgres(url, { ...options, max: 4, idle_timeout: 30 })),
    openSession({ onNotify, onClose }) {
      const session: SessionOptions = {
        ...options,
        max: 1,
        idle_timeout: 0,
        onnotify: onNotify,
        onclose: onClose,
      };
      return postgres(url, session);
    },
  };
}
