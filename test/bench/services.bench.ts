import { setTimeout as delay } from 'node:timers/promises';
import type postgres from 'postgres';
import { EDGE_CEILINGS, PROCESS_CEILINGS } from '../../src/server/dispatch/ceilings.ts';
import { type Budget, UNLIMITED } from '../../src/server/dispatch/dispatcher.ts';
import { LIMITED_BUDGET } from '../../src/server/functions/push-dispatch.ts';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../support/bell.ts';
import { alternate, type Bench, median, type Progress } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { createPostgresQueue } from './harness/postgres-queue.ts';
import { createUsersWithDevices } from './harness/recipients.ts';
import { answerRings } from './harness/rung-dispatchers.ts';
import { type Behaviour, createSimulatedServices } from './harness/simulated-service.ts';

const HOST = 'https://fcm.googleapis.com';
/** Each answers as slowly as the place here says, where services are mixed. */
const HOSTS = [
  HOST,
  'https://jmt17.google.com',
  'https://updates.push.services.mozilla.com',
  'https://android.googleapis.com',
];
const MIXED_MS = [0, 10, 100, 300];
const DELIVERIES = 40_000;
const ROUNDS = 3;
/** One for each call that dispatchers make at a time. */
const CONNECTIONS = 12;
const LIMIT_MS = 120_000;
/** What the service that throttles admits, how quickly it answers, how long until that is judged, and for how long. */
const ADMITTED = { perSecond: 400, answersAfter: 20, settleMs: 60_000, judgeMs: 30_000 };

/** As Edge Functions run dispatchers, and as a process of one's own does. */
const KINDS = {
  process: { ceilings: PROCESS_CEILINGS, budget: UNLIMITED as Budget },
  edge: { ceilings: EDGE_CEILINGS, budget: LIMITED_BUDGET as Budget },
};
type Kind = keyof typeof KINDS;

interface Sample {
  perSecond: number;
  dispatchers: number;
}

/** A database whose users have a device each, at these push services in turn, with settings as they ship. */
async function prepare(server: PostgresServer, database: string, hosts: string[]): Promise<postgres.Sql> {
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  for (const host of hosts) await createUsersWithDevices(superuser, host, DELIVERIES / hosts.length);
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`
      insert into public.push_notifications (user_id, title, body, url, urgency, expires_at)
      select id, 'Acme is won', 'The deal went from negotiation to won.', '/deals/1', 'normal', now() + interval '1 day'
      from auth.users`;
  });
  await superuser.unsafe('vacuum analyze public.push_notifications').simple();
  await superuser.end();
  const sql = connect(server, { database, connections: CONNECTIONS });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  return sql;
}

/** Has a delivery to each device wait, as if its message had just been written, and nothing else. */
async function fill(server: PostgresServer, sql: postgres.Sql): Promise<void> {
  const superuser = connect(server, { database: sql.options.database, superuser: true });
  await superuser.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`delete from push.queue`;
    // All have left; this one was called after that.
    await transaction`delete from push.dispatchers`;
    await transaction`delete from net.http_request_queue`;
    await transaction`update push.hosts set pace = null, paced_at = null, paused_at = null, probe_at = null, evidence = null, evidence_count = 0`;
    await transaction`update public.push_subscriptions set failures = 0, failed_at = null, retry_at = null where failures > 0`;
    await transaction`
      insert into push.queue (notification_id, subscription_id, host, due_at, expires_at)
      select n.id, s.id, s.host, clock_timestamp(), n.expires_at
      from public.push_subscriptions as s join public.push_notifications as n on n.user_id = s.user_id`;
  });
  await superuser`vacuum push.queue`;
  await superuser`checkpoint`;
  await superuser.end();
}

/** From the ring of the bell to the last answer. */
async function drain(
  server: PostgresServer,
  sql: postgres.Sql,
  kind: Kind,
  behaviourOf: (host: string) => Behaviour,
): Promise<Sample> {
  await fill(server, sql);
  const { channel, counted } = createSimulatedServices(behaviourOf);
  const dispatchers = answerRings(sql, {
    queue: createPostgresQueue(sql),
    channels: { webpush: channel, fcm: channel },
    ...KINDS[kind],
  });
  const started = performance.now();
  await sql`select push.ring()`;
  while (counted.accepted < DELIVERIES && performance.now() - started < LIMIT_MS) await delay(5);
  const seconds = (performance.now() - started) / 1000;
  await dispatchers.stop();
  return { perSecond: counted.accepted / seconds, dispatchers: dispatchers.most() };
}

/** What a service that admits so many a second accepts and refuses of what waits, once dispatchers have settled. */
async function throttle(server: PostgresServer, sql: postgres.Sql, kind: Kind) {
  await fill(server, sql);
  const { perSecond, answersAfter, settleMs, judgeMs } = ADMITTED;
  const { channel, counted } = createSimulatedServices(() => ({ answersAfter, admits: perSecond }));
  let isOver = false;
  const dispatchers = answerRings(sql, {
    queue: createPostgresQueue(sql),
    channels: { webpush: channel, fcm: channel },
    ...KINDS[kind],
    // A budget that is used up at the end.
    budget: { ...KINDS[kind].budget, milliseconds: Math.min(KINDS[kind].budget.milliseconds, 3_600_000) },
    now: () => (isOver ? Number.POSITIVE_INFINITY : performance.now()),
  });
  await sql`select push.ring()`;
  await delay(settleMs);
  const before = { ...counted };
  await delay(judgeMs);
  const accepted = counted.accepted - before.accepted;
  const refused = counted.refused - before.refused;
  isOver = true;
  await dispatchers.stop();
  return {
    accepted: accepted / (judgeMs / 1000) / perSecond,
    refused: refused / (accepted + refused),
    dispatchers: dispatchers.most(),
  };
}

async function measure(server: PostgresServer, progress: Progress) {
  progress('preparing');
  const one = await prepare(server, 'bench_services', [HOST]);
  const mixed = await prepare(server, 'bench_services_mixed', HOSTS);
  const at =
    (answersAfter: number, kind: Kind = 'process') =>
    () =>
      drain(server, one, kind, () => ({ answersAfter }));
  const samples = await alternate(
    {
      '0 ms': at(0),
      '10 ms': at(10),
      '100 ms': at(100),
      '300 ms': at(300),
      mixed: () =>
        drain(server, mixed, 'process', (host) => ({ answersAfter: MIXED_MS[HOSTS.indexOf(host)] ?? 0 })),
      'Edge, 0 ms': at(0, 'edge'),
      'Edge, 100 ms': at(100, 'edge'),
      'Edge, 300 ms': at(300, 'edge'),
    },
    ROUNDS,
    progress,
  );
  progress('a service that throttles');
  const throttled = {
    process: await throttle(server, one, 'process'),
    edge: await throttle(server, one, 'edge'),
  };
  await Promise.all([one.end(), mixed.end()]);
  return { samples, throttled };
}

const bench: Bench = {
  summary: 'Deliveries per second at push services that answer after 0 to 300 ms, and at one that throttles',
  compared: [
    { name: 'at_0_ms', kind: 'rate', row: '0 ms', column: 'deliveries/s' },
    { name: 'at_300_ms', kind: 'rate', row: '300 ms', column: 'deliveries/s' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const { samples, throttled } = await measure(server, progress);
      const names = Object.keys(samples) as (keyof typeof samples)[];
      /** Taken within each round. */
      const ratio = (name: keyof typeof samples, to: keyof typeof samples) =>
        median(
          samples[name].map(
            ({ perSecond }, round) => perSecond / (samples[to][round]?.perSecond ?? Number.NaN),
          ),
        );
      return {
        columns: ['', 'deliveries/s', 'lowest', 'highest', 'of 0 ms', 'dispatchers'],
        rows: names.map((name) => {
          const all = samples[name].map(({ perSecond }) => perSecond);
          const base = name.startsWith('Edge') ? 'Edge, 0 ms' : '0 ms';
          const most = Math.max(...samples[name].map(({ dispatchers }) => dispatchers));
          return [name, median(all), Math.min(...all), Math.max(...all), ratio(name, base), most];
        }),
        marks: [
          { name: 'at_100_ms', value: ratio('100 ms', '0 ms'), atLeast: 0.85 },
          { name: 'at_300_ms', value: ratio('300 ms', '0 ms'), atLeast: 0.8 },
          ...Object.entries(throttled).flatMap(([kind, { accepted, refused }]) => [
            { name: `${kind}_accepted_of_admitted`, value: accepted, atLeast: 0.85 },
            { name: `${kind}_refused`, value: refused, atMost: 0.1 },
          ]),
        ],
        notes: [
          `Medians of ${ROUNDS} rounds of ${DELIVERIES} deliveries to as many users that wait, from the ring of the bell to the last answer; ratios are taken within a round.`,
          'The database calls dispatchers as in production, with settings as they ship; they run in one process, without the Data API.',
          `The service that throttles admits ${ADMITTED.perSecond}/s and answers after ${ADMITTED.answersAfter} ms; judged for ${ADMITTED.judgeMs / 1000} s after a minute.`,
        ],
      };
    }),
};

export default bench;
