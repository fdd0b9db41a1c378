import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { alternate, type Bench, median, type Progress } from './harness/bench.ts';
import { connect, withDurablePostgres } from './harness/database.ts';
import type { QueueSide } from './harness/queue-side.ts';
import { startOurs } from './sides/queue-ours.ts';

const LOGGED = [1000, 10_000, 100_000, 1_000_000];
const ROUNDS = 7;
const DELIVERIES = 3000;

interface Grown {
  side: QueueSide;
  /** Takes this round's deliveries out of the log again, so that it keeps its size. */
  shrink(): Promise<void>;
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
  const [{ last }] = (await sql`select max(id) as last from push.deliveries`) as unknown as [
    { last: string },
  ];
  return {
    side,
    async shrink() {
      await sql`delete from public.push_notifications where id in
        (select notification_id from push.deliveries where id > ${last})`;
      await sql
        .unsafe('vacuum push.queue, push.delivery_log, public.push_notifications, public.push_subscriptions')
        .simple();
    },
  };
}

async function measure(server: PostgresServer, progress: Progress): Promise<Record<number, number[]>> {
  const queues: [string, Grown][] = [];
  for (const logged of LOGGED) {
    progress(`preparing a log of ${logged.toLocaleString('en')} deliveries`);
    queues.push([String(logged), await grow(server, logged)]);
  }
  const admin = connect(server, { superuser: true });
  const sample =
    ({ side, shrink }: Grown) =>
    async () => {
      await side.enqueue(DELIVERIES);
      await admin`checkpoint`;
      const microseconds = ((await side.work(DELIVERIES)) / DELIVERIES) * 1000;
      await shrink();
      return microseconds;
    };
  const sides = Object.fromEntries(queues.map(([name, grown]) => [name, sample(grown)]));
  return await alternate(sides, ROUNDS, progress);
}

const bench: Bench = {
  summary: 'Cost of a delivery (claim and complete) as the log of deliveries grows',
  compared: [{ name: 'delivery_million', kind: 'time', row: '1,000,000', column: 'µs per delivery' }],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const samples = await measure(server, progress);
      const cost = (logged: number) => median(samples[logged] ?? []);
      return {
        columns: ['delivered rows', 'µs per delivery', 'lowest', 'highest', 'to the smallest'],
        rows: LOGGED.map((logged) => {
          const all = samples[logged] ?? [];
          const ratio = `${(cost(logged) / cost(1000)).toFixed(2)} ×`;
          return [logged.toLocaleString('en'), cost(logged), Math.min(...all), Math.max(...all), ratio];
        }),
        marks: [{ name: 'million_to_thousand', value: cost(1_000_000) / cost(1000), atMost: 1.3 }],
        notes: [
          `Medians of ${ROUNDS} rounds of ${DELIVERIES} deliveries, flushed to disk; wall clock, four calls at a time.`,
        ],
      };
    }),
};

export default bench;
