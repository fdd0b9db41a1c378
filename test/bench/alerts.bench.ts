import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { insertManyAlerts } from '../support/many-alerts.ts';
import { measureAlertLatency } from './harness/alert-latency.ts';
import { alternate, type Bench, median, type Progress, percentile } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { type Find, findByIndex, findByJoin } from './harness/finding.ts';
import { CROSSED, openMarket, quotesOf, recordQuotes, SYMBOLS, VALUES } from './harness/market.ts';
import { createUsersWithDevices } from './harness/recipients.ts';

const SIZES = [1000, 10_000, 100_000, 1_000_000];
const LARGEST = 1_000_000;
const ROUNDS = 11;
const SIDE_ROUNDS = 5;
const ON_ONE_LINE = 20_000;
/** Counted as ever, and never reached: users are crossed more often here than in any minute of theirs. */
const ALERTS_PER_MINUTE = 1_000_000;
const WINDOWS = [1, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440];
const LATENCY_ALERTS = 100_000;
const LATENCY_MESSAGES = 40;
const HOST = 'https://fcm.googleapis.com';

type Samples = Record<string, number[]>;

/** Runs `work` and resolves with the milliseconds it took. */
async function milliseconds(work: () => PromiseLike<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** A tick at one of two values in turn, which must fire `fires` alerts; its milliseconds. */
function ticker(sql: postgres.Sql, admin: postgres.Sql, symbols: readonly string[], fires: number) {
  let ticks = 0;
  return async () => {
    const value = VALUES[ticks++ % VALUES.length] as number;
    await admin`checkpoint`;
    let fired = 0;
    const taken = await milliseconds(async () => {
      fired = await recordQuotes(sql, quotesOf(symbols, value, new Date()));
    });
    if (fired !== fires) throw new Error(`A tick fired ${fired} alerts instead of ${fires}.`);
    await sql`delete from public.push_notifications`;
    return taken;
  };
}

async function prepare(
  server: PostgresServer,
  name: string,
  fill: (superuser: postgres.Sql, users: string[]) => Promise<void>,
  users = CROSSED,
) {
  const database = `bench_alerts_${name}`;
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  await superuser`update push.settings set alerts_per_minute = ${ALERTS_PER_MINUTE}`;
  await fill(superuser, await createUsersWithDevices(superuser, HOST, users));
  await superuser.end();
  return connect(server, { database });
}

/** Alerts on changes over every window, of as many symbols again, which no quote of these rounds crosses. */
async function addChanges(superuser: postgres.Sql, users: string[]): Promise<void> {
  await insertManyAlerts(
    superuser,
    superuser`
      select ${users[0] as string}::uuid as user_id, 'C' || n as symbol, 'percent_change' as condition, 50 as threshold,
        w as window_minutes, 'either' as direction, null::text as level, null::float8 as level_price, null::timestamptz as expires_at
      from generate_series(0, ${SYMBOLS.length - 1}::int) as n cross join unnest(${WINDOWS}::int[]) as w`,
  );
}

/** An alert of each user at the same line of one symbol: the worst that one quote can meet. */
async function fillOneLine(superuser: postgres.Sql, users: string[]): Promise<void> {
  await insertManyAlerts(
    superuser,
    superuser`
      select user_id, ${SYMBOLS[0] as string} as symbol, 'crosses' as condition,
        100.5 as threshold, 0 as window_minutes, null::text as direction, null::text as level, null::float8 as level_price,
        null::timestamptz as expires_at
      from unnest(${users}::uuid[]) as user_id`,
  );
  await superuser.unsafe('vacuum analyze').simple();
}

async function sameAlerts(sql: postgres.Sql, value: number): Promise<void> {
  const [byIndex, byJoin] = [await findByIndex(sql, SYMBOLS, value), await findByJoin(sql, SYMBOLS, value)];
  if (byIndex.length !== CROSSED || byIndex.join() !== byJoin.join())
    throw new Error(`${byIndex.length} alerts are found by index, ${byJoin.length} by the join.`);
}

/** Milliseconds of everything that Postgres does alone. */
async function measureDatabase(server: PostgresServer, progress: Progress): Promise<Samples> {
  const admin = connect(server, { superuser: true });
  const ticks: Record<string, () => Promise<number>> = {};
  let largest = admin;
  for (const size of SIZES) {
    progress(`preparing ${size.toLocaleString('en')} alerts`);
    const sql = await prepare(server, String(size), async (superuser, users) => {
      if (size === LARGEST) await addChanges(superuser, users);
      await openMarket(superuser, users, size);
    });
    // The symbols' first quotes are inserts, and no first call is measured.
    await recordQuotes(sql, quotesOf(SYMBOLS, 100, new Date()));
    ticks[size] = ticker(sql, admin, SYMBOLS, CROSSED);
    if (size === LARGEST) largest = sql;
  }
  const samples: Samples = await alternate(ticks, ROUNDS, progress);

  // After an odd number of ticks the values are at 101: going back crosses.
  const back = VALUES[ROUNDS % VALUES.length] as number;
  await sameAlerts(largest, back);
  const finding = (find: Find) => () => milliseconds(() => find(largest, SYMBOLS, back));
  Object.assign(
    samples,
    await alternate({ index: finding(findByIndex), join: finding(findByJoin) }, ROUNDS, progress),
  );

  const oneLine = await prepare(server, 'one_line', fillOneLine, ON_ONE_LINE);
  const others = {
    tend: () => milliseconds(() => largest`select push.tick_alerts()`),
    unwatched: ticker(
      largest,
      admin,
      SYMBOLS.map((symbol) => `U${symbol}`),
      0,
    ),
    changes: ticker(
      largest,
      admin,
      SYMBOLS.map((_, index) => `C${index}`),
      0,
    ),
    oneLine: ticker(oneLine, admin, SYMBOLS.slice(0, 1), ON_ONE_LINE),
  };
  for (const first of [others.unwatched, others.changes, others.tend]) await first();
  Object.assign(samples, await alternate(others, SIDE_ROUNDS, progress));
  await admin.end();
  return samples;
}

const bench: Bench = {
  summary:
    'A tick of 1,000 quotes, and finding what it crosses, at 10³ to 10⁶ alerts; crossing to device at 10⁵',
  compared: [
    {
      name: 'tick_million',
      kind: 'time',
      row: `tick of 1,000, ${CROSSED} of ${LARGEST.toLocaleString('en')} cross`,
      column: 'ms',
    },
    { name: 'device_p50', kind: 'time', row: 'commit of the quotes to device, p50', column: 'ms' },
  ],
  async run(progress) {
    const samples = await withDurablePostgres((server) => measureDatabase(server, progress));
    const latency = await measureAlertLatency(LATENCY_ALERTS, LATENCY_MESSAGES, progress);
    const of = (name: string | number) => samples[name] ?? [];
    const row = (title: string, name: string | number, base: string | number = name) => [
      title,
      median(of(name)),
      Math.min(...of(name)),
      Math.max(...of(name)),
      `${(median(of(name)) / median(of(base))).toFixed(2)} ×`,
    ];
    const latencyRow = (title: string, share: number) => [
      title,
      percentile(latency, share),
      Math.min(...latency),
      Math.max(...latency),
      '',
    ];
    return {
      columns: ['', 'ms', 'lowest', 'highest', 'to its base'],
      rows: [
        ...SIZES.map((size) =>
          row(`tick of 1,000, ${CROSSED} of ${size.toLocaleString('en')} cross`, size, 10_000),
        ),
        row('finding them among 1,000,000, by index', 'index'),
        row('finding them, by a join with all that wait', 'join', 'index'),
        row('tick of 1,000 that no alert watches', 'unwatched', 10_000),
        row('tick of 1,000 watched over 11 windows', 'changes', 'unwatched'),
        row(`one quote that ${ON_ONE_LINE.toLocaleString('en')} users wait for`, 'oneLine'),
        row('tick_alerts() with 1,000,000', 'tend'),
        latencyRow('commit of the quotes to device, p50', 0.5),
        latencyRow('commit of the quotes to device, p99', 0.99),
      ],
      marks: [
        {
          name: 'tick_million_to_ten_thousand',
          value: median(of(1_000_000)) / median(of(10_000)),
          atMost: 2,
        },
        { name: 'join_to_index', value: median(of('join')) / median(of('index')), atLeast: 10 },
        { name: 'device_p50_ms', value: percentile(latency, 0.5), atMost: 100 },
        { name: 'device_p99_ms', value: percentile(latency, 0.99), atMost: 1000 },
      ],
      notes: [
        `Medians of ${ROUNDS} rounds, the last rows of ${SIDE_ROUNDS}; flushed to disk; wall clock. A tick records, fires, notifies and makes deliveries.`,
        'The base of the ticks is that at 10,000 alerts; of both ways of finding, the index; of 11 windows, what no alert watches.',
        `To device: ${LATENCY_MESSAGES} ticks of 1,000 quotes at ${LATENCY_ALERTS.toLocaleString('en')} alerts, one of which fires, each to a function that sleeps.`,
      ],
    };
  },
};

export default bench;
