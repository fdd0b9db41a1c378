import { setTimeout as delay } from 'node:timers/promises';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { connect } from '../harness/database.ts';
import { type BatchSizes, inBatches, LANES, type QueueSide } from '../harness/queue-side.ts';
import { JOB } from './messages.ts';

/** With the local queue, `work` is its size. */
export interface GraphileSizes extends BatchSizes {
  /** Jobs that run at a time: its workers wait for one job each, so that it needs more of them than there are lanes. */
  concurrency: number;
}

// Measured with local queues of 200 to 2000 and 24 to 500 jobs at a time: up to twice as fast as the others.
const BEST: GraphileSizes = { enqueue: 1000, work: 1000, concurrency: 24 };

/** graphile-worker, which deletes a job that is done; with its local queue and batched completion, or as it comes. */
export async function startGraphileWorker(
  server: PostgresServer,
  localQueue: boolean,
  sizes: GraphileSizes = BEST,
): Promise<QueueSide> {
  const { concurrency } = sizes;
  const database = localQueue ? 'bench_graphile_local_queue' : 'bench_graphile';
  const admin = connect(server, { superuser: true });
  await admin`create database ${admin(database)} owner postgres`;
  await admin.end();
  const preset = {
    worker: {
      connectionString: server.url({ database }),
      logger: new Logger(() => () => undefined),
      concurrentJobs: concurrency,
      maxPoolSize: localQueue ? LANES : concurrency,
      ...(localQueue ? { localQueue: { size: sizes.work }, completeJobBatchDelay: 0 } : {}),
    },
  };
  const utils = await makeWorkerUtils({ preset });
  await utils.migrate();
  const sql = connect(server, { database });
  const jobs = Array.from({ length: sizes.enqueue }, () => ({ identifier: 'push', payload: JOB }));

  return {
    enqueue: (total) => inBatches(total, sizes.enqueue, (_, count) => utils.addJobs(jobs.slice(0, count))),
    async work(count) {
      let started: number | undefined;
      let done = 0;
      const all = Promise.withResolvers<void>();
      const push = async () => {
        // From the first job on: that its workers had to start is not counted.
        started ??= performance.now();
        done += 1;
        if (done === count) all.resolve();
      };
      const runner = await run({ preset, taskList: { push }, noHandleSignals: true });
      await all.promise;
      for (;;) {
        const [{ left }] = (await sql`
          select exists (select from graphile_worker._private_jobs) as left`) as unknown as [
          { left: boolean },
        ];
        if (!left) break;
        await delay(5);
      }
      const milliseconds = performance.now() - (started ?? Number.NaN);
      await runner.stop();
      return milliseconds;
    },
    async stop() {
      await utils.release();
      await sql.end();
    },
  };
}
