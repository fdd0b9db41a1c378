import { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import type { SqlDatabase } from './sql-database.ts';

/** Who a worker is. */
export interface WorkerIdentity {
  id: string;
  /** What its operator calls it. */
  name: string;
  version: string;
}

/** What the database tells a worker. */
export interface WorkerAnswer {
  /** The dispatchers that it was called as and has not begun. */
  calls: string[];
  /** Where it hears that it was called. */
  channel: string;
  /** How long it counts as live without another sign of life. */
  leaseMs: number;
  /** Milliseconds since the epoch by the database's clock. */
  now: number;
}

const answer = z.object({
  protocol: z.literal(1),
  calls: z.array(z.uuid()),
  channel: z.string().regex(/^supapush_[0-9a-f]{32}$/),
  lease_seconds: z.number().positive(),
  now: z.number().positive(),
});

/**
 * Says that a worker is alive, and learns what it was called for (`supabase/schemas/50_queue/worker_calls.sql`). Throws what
 * `SqlDatabase.first()` does.
 *
 * @param options.listens this connection listens on the worker's channel
 * @param options.look it is called, too, when there is work already
 */
export async function workerHeartbeat(
  database: SqlDatabase,
  { id, name, version }: WorkerIdentity,
  { listens, look }: { listens: boolean; look: boolean },
): Promise<WorkerAnswer> {
  const row = await database.first(
    'push_worker_heartbeat',
    (sql) => sql<{ answer: unknown }[]>`
      select public.push_worker_heartbeat(
        p_worker => ${id}::text::uuid, p_name => ${name}::text, p_version => ${version}::text,
        p_listens => ${listens}::boolean, p_look => ${look}::boolean
      ) as answer`,
  );
  const read = answer.safeParse(row?.answer);
  if (!read.success) {
    throw new SupapushError(
      'queue_answer_malformed',
      'push_worker_heartbeat answered another shape than this worker knows. Run: npx supabase db push',
    );
  }
  const { calls, channel, lease_seconds: lease, now } = read.data;
  return { calls, channel, leaseMs: lease * 1000, now: now * 1000 };
}

/** Whether a worker may end; false while a transaction that calls it is open. Throws what `SqlDatabase.first()` does. */
export async function workerLeaves(database: SqlDatabase, id: string): Promise<boolean> {
  const row = await database.first(
    'push_worker_leave',
    (sql) =>
      sql<{ may_end: boolean }[]>`select public.push_worker_leave(p_worker => ${id}::text::uuid) as may_end`,
  );
  return row?.may_end === true;
}
