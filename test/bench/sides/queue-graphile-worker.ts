import { setTimeout as delay } from 'node:timers/promises';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { connect } from '../harness/database.ts';
import { BATCH, inBatches, LANES, type QueueSide } from '../harness/queue-side.ts';
import { JOB } from './messages.ts';

/** Jobs that run at a time: its workers wait for one job each, so that it needs more of them than there are lanes. */
const CONCURRENCY = 24;

/** graphile-worker, which deletes a job that is done; with its local queue and batched completion, or as it comes. */
export async function startGraphileWorker(server: PostgresServer, localQueue: boolean): Promise<QueueSide> {
  const database = localQueue ? 'bench_graphile_local_queue' : 'bench_graphile';
  const admin = connect(server, { superuser: true });
  await admin`create database ${admin(database)} owner postgres`;
  await admin.end();
  const preset = {
    worker: {
      connectionString: server.url({ database }),
      logger: new Logger(() => () => undefined),
      concurrentJobs: CONCURRENCY,
      maxPoolSize: localQueue ? LANES : CONCURRENCY,
      ...(localQueue ? { localQueue: { size: BATCH }, completeJobBatchDelay: 0 } : {}),
    },
  };
  const utils = await makeWorkerUtils({ preset });
  await utils.migrate();
  const sql = connect(server, { database });
  const jobs = Array.from({ length: BATCH }, () => ({ identifier: 'push', payload: JOB }));

  return {
    enqueue: (count) => inBatches(count, (start) => utils.addJobs(jobs.slice(0, count - start))),
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
