import { randomUUID } from 'node:crypto';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../../support/bell.ts';
import { connect, createMigrated } from '../harness/database.ts';
import { type BatchSizes, inBatches, inLanes, LANES, type QueueSide } from '../harness/queue-side.ts';
import { createUsersWithDevices } from '../harness/recipients.ts';

const HOST = 'https://fcm.googleapis.com';

/** Users per call of push.notify_many(), and what src/server/dispatch claims and reports at a time. */
const SIZES: BatchSizes & { report: number } = { enqueue: 500, work: 200, report: 100 };

interface Claimed {
  delivery_id: number;
  claim_number: number;
}

/**
 * Ours: notifications to users with `devices` devices each, worked through `push_claim` and `push_complete` as dispatchers
 * do, with `last_used_at` and the log of deliveries. No function answers the bell; it is rung all the same.
 */
export async function startOurs(
  server: PostgresServer,
  jobs: number,
  { database = 'bench_ours', devices = 1, sizes = SIZES } = {},
): Promise<QueueSide> {
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  const users = await createUsersWithDevices(superuser, HOST, Math.ceil(jobs / devices), devices);
  await superuser.end();
  const sql = connect(server, { database, connections: LANES });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  // What dispatchers may hold together: here all lanes at once.
  await sql`update push.hosts set max_in_flight = ${Math.max(sizes.work * LANES, 2000)}`;
  const dispatchers = Array.from({ length: LANES }, () => randomUUID());
  const report = (claimed: Claimed[]) => {
    const outcomes = claimed.map(({ delivery_id, claim_number }) => ({
      delivery_id,
      claim_number,
      outcome: 'sent',
      status: 201,
    }));
    return sql`select public.push_complete(${sql.json(outcomes)})`;
  };

  return {
    enqueue: (count) =>
      inBatches(
        Math.ceil(count / devices),
        sizes.enqueue,
        (start, some) => sql`
          select push.notify_many(${users.slice(start, start + some)}::uuid[],
            'Acme is won', 'The deal went from negotiation to won.', '/deals/1')`,
      ),
    async work(count) {
      const started = performance.now();
      await inLanes(count, async (lane) => {
        const [claim] = await sql<{ deliveries: Claimed[] }[]>`
          select public.push_claim(${dispatchers[lane] ?? ''}, ${sizes.work}) -> 'deliveries' as deliveries`;
        const claimed = claim?.deliveries ?? [];
        for (let start = 0; start < claimed.length; start += sizes.report)
          await report(claimed.slice(start, start + sizes.report));
        return claimed.length;
      });
      return performance.now() - started;
    },
    stop: () => sql.end(),
  };
}
