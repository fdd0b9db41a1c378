import { randomUUID } from 'node:crypto';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../../support/bell.ts';
import { connect, createMigrated } from '../harness/database.ts';
import { BATCH, inBatches, inLanes, LANES, type QueueSide } from '../harness/queue-side.ts';
import { createUsersWithDevices } from '../harness/recipients.ts';

const HOST = 'https://fcm.googleapis.com';

/**
 * Ours: notifications to users with one device each, worked through `push_claim` and `push_complete` as a dispatcher
 * does, with `last_used_at` and the log of deliveries. No function answers the bell; it is rung all the same.
 */
export async function startOurs(
  server: PostgresServer,
  jobs: number,
  database = 'bench_ours',
): Promise<QueueSide> {
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  const users = await createUsersWithDevices(superuser, HOST, jobs);
  await superuser.end();
  const sql = connect(server, { database, connections: LANES });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  // What dispatchers may hold together: here all lanes at once.
  await sql`update push.hosts set max_in_flight = ${BATCH * LANES}`;
  const dispatchers = Array.from({ length: LANES }, () => randomUUID());

  return {
    enqueue: (count) =>
      inBatches(
        count,
        (start) => sql`
          select push.notify_many(${users.slice(start, Math.min(start + BATCH, count))}::uuid[],
            'Acme is won', 'The deal went from negotiation to won.', '/deals/1')`,
      ),
    async work(count) {
      const started = performance.now();
      await inLanes(count, async (lane) => {
        const [claim] = await sql<{ deliveries: { delivery_id: number; claim_number: number }[] }[]>`
          select public.push_claim(${dispatchers[lane] ?? ''}, ${BATCH}) -> 'deliveries' as deliveries`;
        const claimed = claim?.deliveries ?? [];
        if (claimed.length === 0) return 0;
        const outcomes = claimed.map(({ delivery_id, claim_number }) => ({
          delivery_id,
          claim_number,
          outcome: 'sent',
          status: 201,
        }));
        await sql`select public.push_complete(${sql.json(outcomes)})`;
        return claimed.length;
      });
      return performance.now() - started;
    },
    stop: () => sql.end(),
  };
}
