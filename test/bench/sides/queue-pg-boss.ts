import { PgBoss } from 'pg-boss';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { connect } from '../harness/database.ts';
import { BATCH, inBatches, inLanes, LANES, type QueueSide } from '../harness/queue-side.ts';
import { JOB } from './messages.ts';

/** pg-boss, which keeps jobs that are done as its log, as we do. */
export async function startPgBoss(server: PostgresServer): Promise<QueueSide> {
  const database = 'bench_pg_boss';
  const admin = connect(server, { superuser: true });
  await admin`create database ${admin(database)} owner postgres`;
  await admin.end();
  const boss = new PgBoss({
    connectionString: server.url({ database }),
    max: LANES,
    supervise: false,
    schedule: false,
  });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.createQueue('push');
  const jobs = Array.from({ length: BATCH }, () => ({ data: JOB }));

  return {
    enqueue: (count) => inBatches(count, (start) => boss.insert('push', jobs.slice(0, count - start))),
    async work(count) {
      const started = performance.now();
      await inLanes(count, async () => {
        const fetched = await boss.fetch('push', { batchSize: BATCH });
        if (fetched.length > 0)
          await boss.complete(
            'push',
            fetched.map((job) => job.id),
          );
        return fetched.length;
      });
      return performance.now() - started;
    },
    stop: () => boss.stop({ graceful: false }),
  };
}
