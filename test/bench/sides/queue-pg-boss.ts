import { PgBoss } from 'pg-boss';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { connect } from '../harness/database.ts';
import { type BatchSizes, inBatches, inLanes, LANES, type QueueSide } from '../harness/queue-side.ts';
import { JOB } from './messages.ts';

// Measured at 100 to 5000: from 500 on nothing differs by more than rounds do; below, it is a quarter slower.
const BEST: BatchSizes = { enqueue: 1000, work: 2000 };

/** pg-boss, which keeps jobs that are done as its log, as we do. */
export async function startPgBoss(server: PostgresServer, sizes: BatchSizes = BEST): Promise<QueueSide> {
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
  const jobs = Array.from({ length: sizes.enqueue }, () => ({ data: JOB }));

  return {
    enqueue: (total) =>
      inBatches(total, sizes.enqueue, (_, count) => boss.insert('push', jobs.slice(0, count))),
    async work(count) {
      const started = performance.now();
      await inLanes(count, async () => {
        const fetched = await boss.fetch('push', { batchSize: sizes.work });
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
