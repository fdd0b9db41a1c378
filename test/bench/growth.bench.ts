import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { eventually } from '../support/eventually.ts';
import { alternate, type Bench, median, type Progress } from './harness/bench.ts';
import { connect, withDurablePostgres } from './harness/database.ts';
import type { QueueSide } from './harness/queue-side.ts';
import { startOurs } from './sides/queue-ours.ts';

const LOGGED = [1000, 10_000, 100_000, 1_000_000];
const LONG = [...LOGGED, 10_000_000];
const ROUNDS = 7;
const DELIVERIES = 3000;
/** Deliveries of which the pages are counted. */
const WATCHED = 200;

interface Grown {
  side: QueueSide;
  sql: postgres.Sql;
  /** Bytes of the log and its indexes for each row. */
  bytesPerDelivery: number;
  /** Takes this round's deliveries out of the log again, so that it keeps its size. */
  shrink(): Promise<void>;
}

/** Microseconds of one delivery. */
interface Sample {
  enqueue: number;
  work: number;
}

/** A queue whose log holds `logged` delivered rows, each of a message of its own. */
async function grow(server: PostgresServer, logged: number): Promise<Grown> {
  const database = `bench_log_${logged}`;
  const side = await startOurs(server, DELIVERIES, { database });
  const sql = connect(server, { database, superuser: true });
  await sql.begin(async (transaction) => {
    // Rows that were delivered in the course of a month; no triggers, or they would be sent again.
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into public.push_notifications (id, user_id, title, body, url, urgency, send_at, expires_at, created_at)
      select gen_random_uuid(), u.users[1 + n % cardinality(u.users)], 'Acme is won',
        'The deal went from negotiation to won.', '/deals/1', 'normal', m.sent, m.sent + interval '1 day', m.sent
      from generate_series(1, ${logged}::int) as n
      cross join (select array_agg(id) as users from auth.users) as u
      cross join lateral (select now() - interval '30 days' * (1 - n / ${logged}::float8) as sent) as m`;
    await transaction`
      insert into push.delivery_log (id, notification_id, subscription_id, host, state, due_at, claims,
        claimed_at, finished_at, last_status, created_at)
      select l.delivery, l.id, l.subscription_id, l.host, 'sent', l.send_at, 1, l.send_at, l.send_at, 201,
        l.send_at
      from (
        select n.id, s.id as subscription_id, s.host, n.send_at,
          ((extract(epoch from n.send_at)::bigint - 1735689600) << 22) | nextval('push.delivery_ids') as delivery
        from public.push_notifications as n
        join public.push_subscriptions as s on s.user_id = n.user_id
      ) as l
      order by l.send_at`;
  });
  await sql.unsafe('vacuum analyze').simple();
  const [size] = await sql<[{ bytes: number }]>`
    select sum(pg_total_relation_size(p.relid))::float8 as bytes from pg_partition_tree('push.delivery_log') as p where p.isleaf`;
  const [{ last }] = (await sql`select max(id) as last from push.deliveries`) as unknown as [
    { last: string },
  ];
  return {
    side,
    sql,
    bytesPerDelivery: size.bytes / logged,
    async shrink() {
      await sql`delete from public.push_notifications where id in
        (select notification_id from push.deliveries where id > ${last})`;
      await sql
        .unsafe('vacuum push.queue, push.delivery_log, public.push_notifications, public.push_subscriptions')
        .simple();
    },
  };
}

/**
 * Pages of the log's older parts that a session looks at, from its first statement on, in which it enqueues, claims and
 * reports: deliveries that are sent, and some that fail, are tried again, or end with their device.
 */
async function oldPagesTouched(server: PostgresServer, sql: postgres.Sql, logged: number): Promise<number> {
  const touched = async () => {
    const parts = await sql<{ part: number; pages: number }[]>`
      select p.relid::oid::int as part, sum(pg_stat_get_blocks_fetched(c.oid))::float8 as pages
      from pg_partition_tree('push.delivery_log') as p
      join pg_class as c on c.oid = p.relid or c.oid in (select i.indexrelid from pg_index as i where i.indrelid = p.relid)
      where p.isleaf
      group by p.relid`;
    return new Map(parts.map(({ part, pages }) => [part, pages]));
  };
  const users = await sql<{ id: string }[]>`select id from auth.users limit ${WATCHED}`;
  // What this session touched itself until now, and has not reported yet, is not the other's.
  await sql`select pg_stat_force_next_flush()`;
  const before = await touched();
  const session = connect(server, { database: `bench_log_${logged}` });
  const [{ pid }] = (await session`select pg_backend_pid() as pid`) as unknown as [{ pid: number }];
  await session`select push.notify_many(${users.map(({ id }) => id)}::uuid[], 'Acme is won', p_url => '/deals/1')`;
  const [{ claimed }] = (await session`
    select public.push_claim(${randomUUID()}, ${WATCHED}) -> 'deliveries' as claimed`) as unknown as [
    { claimed: { delivery_id: number; claim_number: number }[] },
  ];
  if (claimed.length !== WATCHED) throw new Error(`Of ${WATCHED} deliveries ${claimed.length} were claimed.`);
  const outcomes = claimed.map(({ delivery_id, claim_number }, index) => ({
    delivery_id,
    claim_number,
    ...(index < 3
      ? [
          { outcome: 'gone', status: 410 },
          { outcome: 'failed', status: 413 },
          { outcome: 'retry', status: 500 },
        ][index]
      : { outcome: 'sent', status: 201 }),
  }));
  await session`select public.push_complete(${session.json(outcomes)})`;
  await session.end();
  // A session reports what it touched when it ends.
  await eventually(
    () => sql`select from pg_stat_activity where pid = ${pid}`,
    (rows) => rows.length === 0,
  );
  const after = await touched();
  // Where they went is the part of this week, and no old one.
  const [{ current }] = (await sql`
    select l.tableoid::int as current from push.delivery_log as l order by l.id desc limit 1`) as unknown as [
    { current: number },
  ];
  return [...after].reduce(
    (sum, [part, pages]) => (part === current ? sum : sum + pages - (before.get(part) ?? 0)),
    0,
  );
}

async function measure(server: PostgresServer, sizes: number[], progress: Progress) {
  const queues: [number, Grown][] = [];
  for (const logged of sizes) {
    progress(`preparing a log of ${logged.toLocaleString('en')} deliveries`);
    queues.push([logged, await grow(server, logged)]);
  }
  const admin = connect(server, { superuser: true });
  const sample =
    ({ side, shrink }: Grown) =>
    async (): Promise<Sample> => {
      await admin`checkpoint`;
      const started = performance.now();
      await side.enqueue(DELIVERIES);
      const enqueued = performance.now() - started;
      await admin`checkpoint`;
      const worked = await side.work(DELIVERIES);
      await shrink();
      return { enqueue: (enqueued / DELIVERIES) * 1000, work: (worked / DELIVERIES) * 1000 };
    };
  const sides = Object.fromEntries(queues.map(([logged, grown]) => [String(logged), sample(grown)]));
  const samples = await alternate(sides, ROUNDS, progress);
  const pages = new Map<number, number>();
  for (const [logged, { side, sql }] of queues) {
    progress(`pages of a log of ${logged.toLocaleString('en')} deliveries`);
    await side.stop();
    pages.set(logged, await oldPagesTouched(server, sql, logged));
    await sql.end();
  }
  await admin.end();
  const bytes = new Map(queues.map(([logged, grown]) => [logged, grown.bytesPerDelivery]));
  return { samples, pages, bytes };
}

const bench: Bench = {
  summary:
    'Cost of a delivery (claim and complete) as the log of deliveries grows; what old parts of the log cost',
  compared: [{ name: 'delivery_million', kind: 'time', row: '1,000,000', column: 'µs per delivery' }],
  run: (progress, { long }) =>
    withDurablePostgres(async (server) => {
      const sizes = long ? LONG : LOGGED;
      const { samples, pages, bytes } = await measure(server, sizes, progress);
      const of = (logged: number, what: keyof Sample) => (samples[logged] ?? []).map((one) => one[what]);
      const cost = (logged: number) => median(of(logged, 'work'));
      const greatest = Math.max(...sizes);
      return {
        columns: [
          'delivered rows',
          'µs per delivery',
          'lowest',
          'highest',
          'to the smallest',
          'µs to enqueue',
          'old pages',
          'bytes in the log',
        ],
        rows: sizes.map((logged) => [
          logged.toLocaleString('en'),
          cost(logged),
          Math.min(...of(logged, 'work')),
          Math.max(...of(logged, 'work')),
          `${(cost(logged) / cost(1000)).toFixed(2)} ×`,
          median(of(logged, 'enqueue')),
          pages.get(logged) ?? Number.NaN,
          bytes.get(logged) ?? Number.NaN,
        ]),
        marks: [
          { name: 'million_to_thousand', value: cost(1_000_000) / cost(1000), atMost: 1.2 },
          ...(long
            ? [{ name: 'ten_million_to_thousand', value: cost(10_000_000) / cost(1000), atMost: 1.2 }]
            : []),
          { name: 'old_pages', value: Math.max(...pages.values()), atMost: 0 },
          { name: 'log_bytes_per_delivery', value: bytes.get(greatest) ?? Number.NaN, atMost: 250 },
        ],
        notes: [
          `Medians of ${ROUNDS} rounds of ${DELIVERIES} deliveries, flushed to disk; wall clock, four calls at a time.`,
          `Old pages: those of the log's other weeks that a new session touches to enqueue, claim and report ${WATCHED} deliveries.`,
          'Bytes in the log: the log and its indexes, per delivery.',
        ],
      };
    }),
};

export default bench;
