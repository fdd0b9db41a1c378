import { alternate, type Bench, median } from './harness/bench.ts';
import { connect, withDurablePostgres } from './harness/database.ts';
import { BATCH, LANES, type QueueSide } from './harness/queue-side.ts';
import { startGraphileWorker } from './sides/queue-graphile-worker.ts';
import { startOurs } from './sides/queue-ours.ts';
import { startPgBoss } from './sides/queue-pg-boss.ts';

const ROUNDS = 5;
const JOBS = 10_000;

interface Sample {
  enqueue: number;
  work: number;
}

const bench: Bench = {
  summary: 'Enqueue, and claim and complete, per second on one Postgres: ours, graphile-worker, pg-boss',
  compared: [
    { name: 'enqueue', kind: 'rate', row: 'ours', column: 'enqueue/s' },
    { name: 'claim_complete', kind: 'rate', row: 'ours', column: 'claim + complete/s' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      progress('preparing the queues');
      const sides: Record<string, QueueSide> = {
        ours: await startOurs(server, JOBS),
        'graphile-worker, local queue': await startGraphileWorker(server, true),
        'graphile-worker': await startGraphileWorker(server, false),
        'pg-boss': await startPgBoss(server),
      };
      const admin = connect(server, { superuser: true });
      const sample = (side: QueueSide) => async (): Promise<Sample> => {
        // No side pays for the pages that the side before left dirty.
        await admin`checkpoint`;
        const started = performance.now();
        await side.enqueue(JOBS);
        const enqueued = performance.now() - started;
        await admin`checkpoint`;
        const worked = await side.work(JOBS);
        return { enqueue: (JOBS / enqueued) * 1000, work: (JOBS / worked) * 1000 };
      };
      const samples = await alternate(
        Object.fromEntries(Object.entries(sides).map(([name, side]) => [name, sample(side)])),
        ROUNDS,
        progress,
      );
      await Promise.all(Object.values(sides).map((side) => side.stop()));
      await admin.end();

      const rate = (name: string, what: keyof Sample) =>
        median((samples[name] ?? []).map((one) => one[what]));
      const names = Object.keys(sides);
      const best = (what: keyof Sample) =>
        Math.max(...names.filter((name) => name !== 'ours').map((name) => rate(name, what)));
      return {
        columns: ['', 'enqueue/s', 'claim + complete/s', 'lowest', 'highest'],
        rows: names.map((name) => {
          const worked = (samples[name] ?? []).map((one) => one.work);
          return [name, rate(name, 'enqueue'), rate(name, 'work'), Math.min(...worked), Math.max(...worked)];
        }),
        marks: [
          { name: 'enqueue_to_best_peer', value: rate('ours', 'enqueue') / best('enqueue'), atLeast: 1 },
          { name: 'claim_complete_to_best_peer', value: rate('ours', 'work') / best('work'), atLeast: 1 },
        ],
        notes: [
          `Medians of ${ROUNDS} rounds of ${JOBS} jobs in batches of ${BATCH}, ${LANES} at a time, flushed to disk on all sides.`,
          'One job of ours is a message to a user and a delivery to a device, checked and logged, and sets last_used_at.',
        ],
      };
    }),
};

export default bench;
