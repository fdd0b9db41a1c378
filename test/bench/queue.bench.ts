import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { alternate, type Bench, type Mark, median, type Progress } from './harness/bench.ts';
import { connect, withDurablePostgres } from './harness/database.ts';
import { LANES, type QueueSide } from './harness/queue-side.ts';
import { type WrittenWal, walOf } from './harness/wal.ts';
import { startGraphileWorker } from './sides/queue-graphile-worker.ts';
import { startOurs } from './sides/queue-ours.ts';
import { startPgBoss } from './sides/queue-pg-boss.ts';

const ROUNDS = 5;
/** Deliveries a round; whole users of three devices. */
const JOBS = 12_000;
const OURS = ['ours', 'ours, three devices each'] as const;
const PEERS = ['graphile-worker, local queue', 'graphile-worker', 'pg-boss'] as const;

/** Deliveries per second of one round. */
interface Sample {
  enqueue: number;
  work: number;
}

type Samples = Record<string, Sample[]>;

/** What a delivery writes, enqueued, claimed and reported. The first round fills the tables and does not count. */
async function measureWal(server: PostgresServer, ours: QueueSide, progress: Progress): Promise<WrittenWal> {
  progress('what is written');
  const superuser = connect(server, { superuser: true });
  const round = async () => {
    await ours.enqueue(JOBS);
    await ours.work(JOBS);
  };
  await round();
  const wal = await walOf(superuser, async () => {
    await round();
    await round();
  });
  await superuser.end();
  return { bytes: wal.bytes / (2 * JOBS), imageBytes: wal.imageBytes / (2 * JOBS) };
}

async function measureRates(
  server: PostgresServer,
  ours: QueueSide,
  progress: Progress,
): Promise<Record<string, Sample[]>> {
  progress('preparing the queues');
  const sides: Record<(typeof OURS)[number] | (typeof PEERS)[number], QueueSide> = {
    ours,
    'ours, three devices each': await startOurs(server, JOBS, { database: 'bench_ours_three', devices: 3 }),
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
  return samples;
}

const rates = (samples: Samples, name: string, what: keyof Sample) =>
  (samples[name] ?? []).map((one) => one[what]);

/** Ours to the peer that is best by its median, round by round. */
function toBestPeer(samples: Samples, side: (typeof OURS)[number], what: keyof Sample): number[] {
  const [best] = PEERS.map((name) => rates(samples, name, what)).sort((a, b) => median(b) - median(a));
  return rates(samples, side, what).map((rate, round) => rate / (best?.[round] ?? Number.NaN));
}

function marksOf(samples: Samples, wal: WrittenWal): Mark[] {
  const work = OURS.map((side) => toBestPeer(samples, side, 'work')) as [number[], number[]];
  const enqueue = OURS.map((side) => toBestPeer(samples, side, 'enqueue')) as [number[], number[]];
  return [
    { name: 'claim_complete_to_best_peer', value: median(work[0]), atLeast: 1 },
    { name: 'claim_complete_lowest_round', value: Math.min(...work[0]), atLeast: 0.85 },
    { name: 'claim_complete_three_devices', value: median(work[1]), atLeast: 1 },
    { name: 'claim_complete_three_devices_lowest_round', value: Math.min(...work[1]), atLeast: 0.85 },
    { name: 'enqueue_to_best_peer', value: median(enqueue[0]), atLeast: 0.55 },
    { name: 'enqueue_three_devices', value: median(enqueue[1]), atLeast: 0.9 },
    { name: 'wal_bytes_per_delivery', value: wal.bytes - wal.imageBytes, atMost: 1700 },
  ];
}

const bench: Bench = {
  summary: 'Enqueue, and claim and complete, per second on one Postgres: ours, graphile-worker, pg-boss',
  compared: [
    { name: 'enqueue', kind: 'rate', row: 'ours', column: 'enqueue/s' },
    { name: 'claim_complete', kind: 'rate', row: 'ours', column: 'claim + complete/s' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const ours = await startOurs(server, JOBS);
      // Before the others are there, whose vacuums would be written to the same log.
      const wal = await measureWal(server, ours, progress);
      const samples = await measureRates(server, ours, progress);
      return {
        columns: ['', 'enqueue/s', 'claim + complete/s', 'lowest', 'highest'],
        rows: [...OURS, ...PEERS].map((name) => {
          const worked = rates(samples, name, 'work');
          const enqueued = median(rates(samples, name, 'enqueue'));
          return [name, enqueued, median(worked), Math.min(...worked), Math.max(...worked)];
        }),
        marks: marksOf(samples, wal),
        notes: [
          `Medians of ${ROUNDS} rounds of ${JOBS} deliveries, ${LANES} calls at a time, flushed to disk on all sides.`,
          'We claim 200 and report 100, as dispatchers do; the others have the sizes of batches that are best for them.',
          'One job of ours is a message to a user and a delivery to a device, checked and logged, and sets last_used_at.',
          `A delivery writes ${Math.round(wal.bytes)} bytes of WAL, enqueued and worked, ${Math.round(wal.imageBytes)} of them images of whole pages.`,
          'The mark is without those: how many there are depends on how often the server makes a checkpoint.',
        ],
      };
    }),
};

export default bench;
