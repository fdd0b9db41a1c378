import { setTimeout as delay } from 'node:timers/promises';
import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../support/bell.ts';
import { eventually } from '../support/eventually.ts';
import { alternate, type Bench, median, type Progress, percentile } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { startDispatchers } from './harness/dispatchers.ts';
import { createUsersWithDevices } from './harness/recipients.ts';

const HOST = 'https://fcm.googleapis.com';
/** What waits of one user: a message to each of ten devices. */
const BACKLOG = 1_000_000;
const DEVICES = 10;
const OTHERS = 1000;
/** Milliseconds between two messages to others. */
const PACE_MS = 5;
/** Messages to others that wait all at once, for the throughput. */
const BURST = 20_000;
const ROUNDS = 3;
const DISPATCHERS = 2;
/** How long the push service takes for one, while latency is measured. */
const SERVICE_MS = 20;
/** A message that has not come until then counts as if it came now. */
const LIMIT_MS = 60_000;

interface Side {
  sql: postgres.Sql;
  others: string[];
}

interface Sample {
  /** Milliseconds from the commit of each message until it is sent. */
  latencies: number[];
  /** Deliveries per second, whoever they are for, while the burst drains. */
  all: number;
  /** Those of them that are the burst's. */
  burst: number;
}

/** A database in which a burst of users have one device each, and `backlog` deliveries of one more user wait. */
async function prepare(server: PostgresServer, database: string, backlog: number): Promise<Side> {
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  const others = await createUsersWithDevices(superuser, HOST, BURST);
  const [hostile] = await createUsersWithDevices(superuser, HOST, 1, DEVICES);
  const sql = connect(server, { database, connections: DISPATCHERS + 2 });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  await superuser.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into public.push_notifications (user_id, title, url, urgency, expires_at)
      select ${hostile ?? ''}, 'Acme is won', '/deals/1', 'normal', now() + interval '1 day'
      from generate_series(1, ${backlog / DEVICES}::int)`;
    await transaction`
      -- In the lanes in which push.enqueue() puts them.
      insert into push.queue (notification_id, subscription_id, host, lane, due_at, expires_at)
      select n.id, s.id, s.host, case when row_number() over () > 30 then push.side_lane(s.user_id) else 0 end,
        now() - interval '1 minute', n.expires_at
      from public.push_notifications as n
      join public.push_subscriptions as s on s.user_id = n.user_id`;
  });
  await superuser.end();
  return { sql, others };
}

/** Sends a message to each of others in turn while dispatchers are at work. */
async function measureLatency({ sql, others }: Side): Promise<number[]> {
  const committed = new Map<string, number>();
  const sent = new Map<string, number>();
  const users = others.slice(0, OTHERS);
  const dispatchers = startDispatchers(sql, DISPATCHERS, async ({ userId }) => {
    if (!sent.has(userId)) sent.set(userId, performance.now());
    await delay(SERVICE_MS);
  });
  const started = performance.now();
  for (const [index, user] of users.entries()) {
    await delay(Math.max(0, started + index * PACE_MS - performance.now()));
    await sql`select push.notify(${user}, 'Acme is won', p_url => '/deals/1')`;
    committed.set(user, performance.now());
  }
  const isEach = () => users.every((user) => sent.has(user));
  await eventually(isEach, Boolean, LIMIT_MS).catch(() => undefined);
  const now = performance.now();
  await dispatchers.stop();
  return users.map((user) => Math.max(0, (sent.get(user) ?? now) - (committed.get(user) ?? now)));
}

/** Has messages to many others wait, and drains them with push services that answer at once. */
async function measureThroughput({ sql, others }: Side): Promise<Omit<Sample, 'latencies'>> {
  for (let start = 0; start < BURST; start += BURST / 4) {
    const some = others.slice(start, start + BURST / 4);
    await sql`select push.notify_many(${some}::uuid[], 'Acme is won', p_url => '/deals/1')`;
  }
  const left = new Set(others);
  const drained = Promise.withResolvers<void>();
  let sent = 0;
  const started = performance.now();
  const dispatchers = startDispatchers(sql, DISPATCHERS, async ({ userId }) => {
    sent += 1;
    left.delete(userId);
    if (left.size === 0) drained.resolve();
  });
  await Promise.race([drained.promise, delay(2 * LIMIT_MS, undefined, { ref: false })]);
  const seconds = (performance.now() - started) / 1000;
  const all = sent / seconds;
  const burst = (BURST - left.size) / seconds;
  await dispatchers.stop();
  // What came too late must not be counted in the next round.
  if (left.size > 0) await sql`delete from public.push_notifications where user_id = any (${others}::uuid[])`;
  return { all, burst };
}

async function measure(server: PostgresServer, progress: Progress): Promise<Record<string, Sample[]>> {
  progress('preparing a queue in which nothing waits');
  const idle = await prepare(server, 'bench_fair_idle', 0);
  progress(`preparing one with ${BACKLOG.toLocaleString('en')} deliveries of one user`);
  const busy = await prepare(server, 'bench_fair_busy', BACKLOG);
  const sample = (side: Side) => async () => ({
    latencies: await measureLatency(side),
    ...(await measureThroughput(side)),
  });
  const samples = await alternate({ idle: sample(idle), busy: sample(busy) }, ROUNDS, progress);
  await Promise.all([idle.sql.end(), busy.sql.end()]);
  return samples;
}

const bench: Bench = {
  summary: 'Messages to others while a million deliveries of one user wait: commit to device, and throughput',
  compared: [
    { name: 'busy_p99', kind: 'time', row: 'a million of one user wait', column: 'p99, ms' },
    { name: 'busy_throughput', kind: 'rate', row: 'a million of one user wait', column: 'deliveries/s' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const { idle = [], busy = [] } = await measure(server, progress);
      const latencies = (samples: Sample[]) => samples.flatMap((sample) => sample.latencies);
      const p99 = (samples: Sample[]) => percentile(latencies(samples), 0.99);
      const rate = (samples: Sample[], of: 'all' | 'burst') => median(samples.map((sample) => sample[of]));
      const rowOf = (name: string, samples: Sample[]) => [
        name,
        percentile(latencies(samples), 0.5),
        p99(samples),
        Math.max(...latencies(samples)),
        rate(samples, 'all'),
        rate(samples, 'burst'),
      ];
      return {
        columns: ['', 'p50, ms', 'p99, ms', 'highest', 'deliveries/s', 'of others'],
        rows: [rowOf('nothing else waits', idle), rowOf('a million of one user wait', busy)],
        marks: [
          { name: 'p99_over_idle_seconds', value: (p99(busy) - p99(idle)) / 1000, atMost: 1 },
          { name: 'throughput_to_idle', value: rate(busy, 'all') / rate(idle, 'all'), atLeast: 0.9 },
        ],
        notes: [
          `${ROUNDS} rounds: ${OTHERS} messages, one user each, ${PACE_MS} ms apart, to a push service that takes ${SERVICE_MS} ms; then ${BURST} at once to one that takes none.`,
          `${DISPATCHERS} dispatchers as in production, in one process, without the Data API. The million are to ${DEVICES} devices.`,
        ],
      };
    }),
};

export default bench;
