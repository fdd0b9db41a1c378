import { randomUUID } from 'node:crypto';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { type Bench, type Mark, median, type Progress } from './harness/bench.ts';
import { type Cost, costOf } from './harness/cost.ts';
import { connect, withDurablePostgres } from './harness/database.ts';
import { type StandingQueue, startStandingQueue } from './harness/standing-queue.ts';

const USERS = 10_000;
const WORKED = [0, 100_000, 1_000_000];
const WORKED_HELD = 100_000;
/** What one claim takes: few, so that what it walks past is not hidden by what it hands out. */
const CLAIMED = 10;
const CALLS = 40;
/** Calls before those that count: they plan, and read the catalog. */
const WARM_UP = 8;

/** Each call, by what it is. */
interface Sample {
  claim: Cost[];
  empty_claim: Cost[];
  tick: Cost[];
}
const KINDS = ['claim', 'empty_claim', 'tick'] as const;

/** Claims, empty claims and ticks on a queue in which nothing else waits. */
async function measure({ sql, superuser, users }: StandingQueue): Promise<Sample> {
  const dispatcher = randomUUID();
  const claim = () => costOf(sql, `public.push_claim('${dispatcher}', ${CLAIMED})`);
  const count = CALLS + WARM_UP;
  await sql`select push.notify_many(${users.slice(0, count * CLAIMED)}::uuid[], 'Acme is won', p_url => '/deals/1')`;
  await superuser`checkpoint`;
  const sample: Sample = { claim: [], empty_claim: [], tick: [] };
  for (let call = 0; call < count; call += 1) {
    const cost = await claim();
    const { deliveries } = JSON.parse(cost.answer) as {
      deliveries: { delivery_id: number; claim_number: number }[];
    };
    if (deliveries.length !== CLAIMED)
      throw new Error(`A claim handed out ${deliveries.length} instead of ${CLAIMED}.`);
    const outcomes = deliveries.map((delivery) => ({ ...delivery, outcome: 'sent', status: 201 }));
    await sql`select public.push_complete(${sql.json(outcomes)})`;
    sample.claim.push(cost);
  }
  for (let call = 0; call < count; call += 1) sample.empty_claim.push(await claim());
  for (let call = 0; call < count; call += 1) sample.tick.push(await costOf(sql, 'push.tick()'));
  for (const kind of KINDS) sample[kind] = sample[kind].slice(WARM_UP);
  return sample;
}

async function work({ fill, work }: StandingQueue, count: number, say: (done: number) => void) {
  for (let done = 0; done < count; done += USERS) {
    say(done);
    await fill();
    await work(USERS);
  }
}

/** What calls cost after each number of deliveries that were worked off, and again under an old snapshot. */
async function measureAll(server: PostgresServer, progress: Progress): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample>();
  const digits = (count: number) => count.toLocaleString('en');

  progress('preparing a queue');
  const queue = await startStandingQueue(server, 'bench_steady', USERS);
  let worked = 0;
  for (const count of WORKED) {
    await work(queue, count - worked, (done) => progress(`${digits(worked + done)} worked`));
    worked = count;
    samples.set(digits(count), await measure(queue));
  }
  await queue.stop();

  progress('preparing another queue');
  const held = await startStandingQueue(server, 'bench_steady_held', USERS);
  samples.set('0, before a snapshot', await measure(held));
  const holder = connect(server, { database: 'bench_steady_held' });
  const snapshot = await holder.reserve();
  await snapshot`begin isolation level repeatable read`;
  await snapshot`select count(*) from push.queue`;
  await work(held, WORKED_HELD, (done) => progress(`${digits(done)} worked under a snapshot`));
  samples.set(`${digits(WORKED_HELD)} under a snapshot`, await measure(held));
  await snapshot`rollback`;
  snapshot.release();
  await holder.end();
  await held.stop();
  return samples;
}

const middle = (costs: Cost[], of: 'milliseconds' | 'buffers') => median(costs.map((cost) => cost[of]));

function marksOf(name: string, start: Sample, end: Sample): Mark[] {
  return KINDS.flatMap((kind) => {
    const ratio = (of: 'milliseconds' | 'buffers') => middle(end[kind], of) / middle(start[kind], of);
    return [
      { name: `${kind}_${name}`, value: ratio('milliseconds'), atMost: 1.5 },
      // Equal but for an index of the log or the devices that grew by a level, or a row that found no room on its page.
      { name: `${kind}_${name}_buffers`, value: ratio('buffers'), atMost: 1.1 },
    ];
  });
}

const bench: Bench = {
  summary:
    'A claim, an empty claim and a tick after 10⁵ and 10⁶ deliveries without a vacuum, and under an old snapshot',
  compared: [
    { name: 'claim_million', kind: 'time', row: '1,000,000', column: 'claim, ms' },
    { name: 'tick_million', kind: 'time', row: '1,000,000', column: 'tick, ms' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const admin = connect(server, { superuser: true });
      await admin`alter system set autovacuum = off`;
      await admin`select pg_reload_conf()`;
      await admin.end();
      const samples = await measureAll(server, progress);
      const [start, , million, startHeld, held] = [...samples.values()] as [
        Sample,
        Sample,
        Sample,
        Sample,
        Sample,
      ];
      return {
        columns: [
          'worked',
          ...KINDS.flatMap((kind) => [`${kind.replace('_', ' ')}, ms`, 'highest', 'buffers']),
        ],
        rows: [...samples].map(([name, sample]) => [
          name,
          ...KINDS.flatMap((kind) => [
            middle(sample[kind], 'milliseconds'),
            Math.max(...sample[kind].map((cost) => cost.milliseconds)),
            middle(sample[kind], 'buffers'),
          ]),
        ]),
        marks: [...marksOf('million', start, million), ...marksOf('snapshot', startHeld, held)],
        notes: [
          `Medians of ${CALLS} calls, of ${CLAIMED} deliveries for a claim, as Postgres measures them; one call at a time.`,
          'Deliveries are worked off 10,000 at a time, as fast as two workers can; nothing is vacuumed meanwhile.',
        ],
      };
    }),
};

export default bench;
