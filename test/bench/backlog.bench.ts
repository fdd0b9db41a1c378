import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../support/bell.ts';
import { alternate, type Bench, type Mark, median, type Progress } from './harness/bench.ts';
import { type Cost, costOf } from './harness/cost.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { createUsersWithDevices } from './harness/recipients.ts';

const SIZES = [1000, 10_000, 100_000, 1_000_000];
const HOST = 'https://fcm.googleapis.com';
/** Devices for which the backlog waits, at most. */
const CROWD = 10_000;
/** What waits for the one device that something happens to. */
const OF_DEVICE = 3;
const CALLS = 15;
/** Calls before those that count: they read the catalog. */
const WARM_UP = 3;
/** How Postgres plans what is in functions: once for all values, or for those of each call. */
const PLANS = { kept: 'force_generic_plan', 'made anew': 'force_custom_plan' };
type Plan = keyof typeof PLANS;
const KINDS_OF_PLANS = Object.keys(PLANS) as Plan[];

/** What happens to one device, or one message of it. */
const EVENTS = ['gone', 'deleted', 'cancelled', 'preferences'] as const;
type Event = (typeof EVENTS)[number];

/** What the planner believes of the queue. */
const STATISTICS = ['stale', 'empty', 'fresh'] as const;
type Statistics = (typeof STATISTICS)[number];

interface Backlog {
  sql: Record<Plan, postgres.Sql>;
  superuser: postgres.Sql;
  dispatcher: string;
  /** Users with a device each to whom nothing has happened yet. */
  users: string[];
}

/** A database in which `size` deliveries wait; the planner knows of a thousand that waited for one device before. */
async function prepare(server: PostgresServer, size: number): Promise<Backlog> {
  const database = `bench_backlog_${size}`;
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  const spare = EVENTS.length * STATISTICS.length * KINDS_OF_PLANS.length * (CALLS + WARM_UP);
  const users = await createUsersWithDevices(superuser, HOST, Math.min(size, CROWD) + spare);
  const crowd = users.splice(spare);
  await superuser`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  // A longer backlog would call more of them, and what is made due looks at each.
  await superuser`update push.settings set max_dispatchers = 1`;
  await superuser`
    create function public.bench_run(p_statement text) returns integer language plpgsql as $$
    begin
      execute p_statement;
      return 1;
    end $$`;
  await insertDeliveries(superuser, crowd.slice(0, 1), 1000);
  await superuser.unsafe('vacuum analyze').simple();
  await superuser`delete from push.queue`;
  await insertDeliveries(superuser, crowd, size / crowd.length);
  await superuser`analyze public.push_notifications`;
  const open = async (plan: Plan) => {
    const sql = connect(server, { database });
    await sql.unsafe(`set plan_cache_mode = ${PLANS[plan]}`);
    return sql;
  };
  const sql = { kept: await open('kept'), 'made anew': await open('made anew') };
  const dispatcher = randomUUID();
  await sql.kept`select public.push_claim(${dispatcher}, 0)`;
  return { sql, superuser, dispatcher, users };
}

/** So many messages for each of these users, with a delivery each that waits. Without triggers. */
async function insertDeliveries(
  superuser: postgres.Sql,
  users: string[],
  each: number,
  due: 'lately' | 'long ago' | 'after quiet hours' = 'lately',
): Promise<void> {
  const after = { lately: '-1 minute', 'long ago': '-1 hour', 'after quiet hours': '8 hours' }[due];
  const code = due === 'after quiet hours' ? 'quiet_hours' : null;
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`
      with message as (
        insert into public.push_notifications (user_id, title, url, urgency, expires_at)
        select u.id, 'Acme is won', '/deals/1', 'normal', now() + interval '1 day'
        from unnest(${users}::uuid[]) as u (id) cross join generate_series(1, ${each}::int)
        returning id, user_id, expires_at
      )
      insert into push.queue (notification_id, subscription_id, host, due_at, expires_at, last_code)
      select m.id, s.id, s.host, now() + ${after}::interval, m.expires_at, ${code}
      from message as m join public.push_subscriptions as s on s.user_id = m.user_id`;
  });
}

/** Leaves the statistics of the queue as they are, as an analysis of the empty queue had left them, or as they should be. */
async function setStatistics({ superuser }: Backlog, statistics: Statistics): Promise<void> {
  if (statistics === 'fresh') await superuser`analyze push.queue`;
  if (statistics !== 'empty') return;
  await superuser`delete from pg_statistic where starelid = 'push.queue'::regclass`;
  await superuser`
    update pg_class set relpages = 0, reltuples = 0
    where oid = 'push.queue'::regclass
      or oid in (select indexrelid from pg_index where indrelid = 'push.queue'::regclass)`;
}

/** Prepares devices for an event, and returns a call that has it happen to the next one. */
async function prepareEvent(backlog: Backlog, event: Event, plan: Plan): Promise<() => Promise<Cost>> {
  const { superuser, dispatcher } = backlog;
  const sql = backlog.sql[plan];
  const users = backlog.users.splice(0, CALLS + WARM_UP);
  await insertDeliveries(
    superuser,
    users,
    OF_DEVICE,
    event === 'preferences' ? 'after quiet hours' : 'lately',
  );
  const calls =
    event === 'gone'
      ? await claimOneOfEach(backlog, users)
      : await Promise.all(users.map((user) => callOf(superuser, event, user)));
  return async () => {
    // What an event makes due looks for a dispatcher that lives.
    await sql`select public.push_heartbeat(${dispatcher})`;
    return costOf(sql, calls.shift() ?? '');
  };
}

/** Has one more delivery of each of these users under way; the calls that report that its device is gone. */
async function claimOneOfEach({ superuser, dispatcher }: Backlog, users: string[]): Promise<string[]> {
  await insertDeliveries(superuser, users, 1, 'long ago');
  const [row] = await superuser<
    [{ claimed: { delivery_id: number; claim_number: number; user_id: string }[] }]
  >`
    select public.push_claim(${dispatcher}, ${users.length}) -> 'deliveries' as claimed`;
  const taken = new Set(row.claimed.map((one) => one.user_id));
  if (!users.every((user) => taken.has(user)))
    throw new Error('The claim handed out others than the oldest.');
  return row.claimed.map(({ delivery_id, claim_number }) => {
    const outcomes = [{ delivery_id, claim_number, outcome: 'gone', status: 410 }];
    return `public.push_complete('${JSON.stringify(outcomes)}')`;
  });
}

async function callOf(superuser: postgres.Sql, event: Exclude<Event, 'gone'>, user: string): Promise<string> {
  switch (event) {
    case 'deleted':
      return `public.bench_run($$ delete from public.push_subscriptions where user_id = '${user}' $$)`;
    case 'preferences':
      return `public.bench_run($$ insert into public.push_preferences (user_id, muted_categories) values ('${user}', '{news}') $$)`;
    case 'cancelled': {
      const [row] = await superuser`
        select id from public.push_notifications where user_id = ${user} limit 1`;
      return `public.push_cancel('${row?.id}')`;
    }
  }
}

type Numbers = Omit<Cost, 'answer'>;

/** The costs of an event by the size of the backlog. */
interface Row {
  event: Event;
  name: string;
  bySize: Record<number, Numbers>;
}

async function measure(server: PostgresServer, progress: Progress): Promise<Row[]> {
  const backlogs: [number, Backlog][] = [];
  for (const size of SIZES) {
    progress(`preparing a backlog of ${size.toLocaleString('en')} deliveries`);
    backlogs.push([size, await prepare(server, size)]);
  }
  const rows: Row[] = [];
  for (const statistics of STATISTICS) {
    for (const [, backlog] of backlogs) await setStatistics(backlog, statistics);
    for (const event of EVENTS) {
      for (const plan of KINDS_OF_PLANS) {
        const name = rowName(event, statistics, plan);
        const sides: Record<string, () => Promise<Cost>> = {};
        for (const [size, backlog] of backlogs) sides[size] = await prepareEvent(backlog, event, plan);
        const samples = await alternate(sides, CALLS + WARM_UP, (text) => progress(`${name}, ${text}`));
        const of = (size: number, what: keyof Numbers) =>
          (samples[size] ?? []).slice(WARM_UP).map((cost) => cost[what]);
        const bySize = Object.fromEntries(
          SIZES.map((size) => [
            size,
            {
              // Other work on the machine only ever adds to a time; a plan that walks the backlog is in each of them.
              milliseconds: Math.min(...of(size, 'milliseconds')),
              buffers: median(of(size, 'buffers')),
              rows: median(of(size, 'rows')),
            },
          ]),
        );
        rows.push({ event, name, bySize });
      }
    }
  }
  for (const [, { sql, superuser }] of backlogs)
    await Promise.all([superuser, ...Object.values(sql)].map((connection) => connection.end()));
  return rows;
}

const rowName = (event: Event, statistics: Statistics, plan: Plan) =>
  `${event}, statistics ${statistics}, plan ${plan}`;

/** For each event the worst of its rows. */
function marksOf(rows: Row[]): Mark[] {
  const [smallest, greatest] = [SIZES[0] ?? 0, SIZES.at(-1) ?? 0];
  return EVENTS.flatMap((event) => {
    const worst = (of: keyof Numbers) =>
      Math.max(
        ...rows
          .filter((row) => row.event === event)
          .map(
            ({ bySize }) => (bySize[greatest]?.[of] ?? Number.NaN) / (bySize[smallest]?.[of] ?? Number.NaN),
          ),
      );
    return [
      { name: event, value: worst('milliseconds'), atMost: 1.5 },
      // An index of a million is one page higher than one of a thousand, three instead of two, and each look-up reads that page.
      { name: `${event}_buffers`, value: worst('buffers'), atMost: 1.5 },
      // A plan may look up a few rows more than another one does. One that walks the backlog reads thousands.
      { name: `${event}_rows`, value: worst('rows'), atMost: 1.2 },
    ];
  });
}

const bench: Bench = {
  summary:
    'One device that is gone or deleted, a cancelled message, changed preferences, at 10³ to 10⁶ that wait',
  compared: [
    { name: 'gone_million', kind: 'time', row: rowName('gone', 'empty', 'kept'), column: '1,000,000, ms' },
    {
      name: 'preferences_million',
      kind: 'time',
      row: rowName('preferences', 'empty', 'kept'),
      column: '1,000,000, ms',
    },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const admin = connect(server, { superuser: true });
      // It would put the statistics right.
      await admin`alter system set autovacuum = off`;
      await admin`select pg_reload_conf()`;
      await admin.end();
      const rows = await measure(server, progress);
      const ends = [SIZES[0] ?? 0, SIZES.at(-1) ?? 0];
      const digits = (size: number) => size.toLocaleString('en');
      return {
        columns: [
          '',
          ...SIZES.map((size) => `${digits(size)}, ms`),
          ...ends.map((size) => `pages, ${digits(size)}`),
          ...ends.map((size) => `rows, ${digits(size)}`),
        ],
        rows: rows.map(({ name, bySize }) => [
          name,
          ...SIZES.map((size) => bySize[size]?.milliseconds ?? Number.NaN),
          ...ends.map((size) => bySize[size]?.buffers ?? Number.NaN),
          ...ends.map((size) => bySize[size]?.rows ?? Number.NaN),
        ]),
        marks: marksOf(rows),
        notes: [
          `The shortest time and the medians of ${CALLS} calls, each for a device with ${OF_DEVICE} deliveries that wait.`,
          'Statistics stale: from a queue that held a thousand deliveries to one device; empty: from a queue that held none.',
          'Rows are those and index entries that were read of the queue, its log, messages and devices, dead ones too.',
          'Marks are of the worst of an event. Of a plan that is made anew, half and more of the time is the planning.',
        ],
      };
    }),
};

export default bench;
