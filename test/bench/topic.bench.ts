import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { PostgresServer } from '../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../support/bell.ts';
import { type Bench, median, type Progress } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { createUsersWithDevices } from './harness/recipients.ts';

const MEMBERS = 1_000_000;
const HOST = 'https://fcm.googleapis.com';
const DATABASE = 'bench_topic';
/** After every so many chunks another user gets a message, and what waits is claimed as dispatchers do. */
const EVERY = 10;
const CLAIM = 200;
const REPORT = 100;

interface Chunk {
  milliseconds: number;
  deliveries: number;
}

interface FanOut {
  chunks: Chunk[];
  /** Of each message to another user: how many deliveries to members were handed out before its own. */
  before: number[];
  /** Bytes that the session which fans out holds, at the end of each tenth. */
  memory: number[];
}

/** A topic with its members, a device each; the user who is not one of them. */
async function prepare(server: PostgresServer): Promise<string> {
  await createMigrated(server, DATABASE);
  const superuser = connect(server, { database: DATABASE, superuser: true });
  await createUsersWithDevices(superuser, HOST, MEMBERS);
  await superuser`insert into public.push_topics (key, title) values ('news', 'News')`;
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`
      insert into public.push_topic_members (topic, user_id) select 'news', id from auth.users order by id`;
  });
  const [other] = await createUsersWithDevices(superuser, HOST, 1);
  await superuser`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  await superuser.unsafe('vacuum analyze').simple();
  await superuser.end();
  return other ?? '';
}

/** Claims and reports all that is due. Returns how many deliveries were handed out before this user's. */
async function drain(sql: postgres.Sql, dispatcher: string, user: string): Promise<number> {
  let handedOut = 0;
  let before = Number.POSITIVE_INFINITY;
  for (;;) {
    const [row] = await sql<[{ claimed: { delivery_id: number; claim_number: number; user_id: string }[] }]>`
      select public.push_claim(${dispatcher}, ${CLAIM}) -> 'deliveries' as claimed`;
    if (row.claimed.length === 0) return before;
    if (row.claimed.some((one) => one.user_id === user)) before = handedOut;
    handedOut += row.claimed.length;
    for (let start = 0; start < row.claimed.length; start += REPORT) {
      const outcomes = row.claimed.slice(start, start + REPORT).map(({ delivery_id, claim_number }) => ({
        delivery_id,
        claim_number,
        outcome: 'sent',
        status: 201,
      }));
      await sql`select public.push_complete(${sql.json(outcomes)})`;
    }
  }
}

async function measure(server: PostgresServer, progress: Progress): Promise<FanOut> {
  progress(`preparing a topic of ${MEMBERS.toLocaleString('en')} members`);
  const other = await prepare(server);
  const sql = connect(server, { database: DATABASE });
  const maker = connect(server, { database: DATABASE });
  const dispatcher = randomUUID();
  const memory = async () => {
    const [row] = await maker<[{ bytes: number }]>`
      select sum(total_bytes)::float8 as bytes from pg_backend_memory_contexts`;
    return row.bytes;
  };
  const count = async () => {
    const [row] = await sql<[{ count: number }]>`select count(*)::int as count from push.queue`;
    return row.count;
  };
  const result: FanOut = { chunks: [], before: [], memory: [] };
  await sql`select push.notify_topic('news', 'Acme is won', 'The deal went from negotiation to won.', '/deals/1')`;
  for (let done = 0; ; ) {
    const started = performance.now();
    const [row] = await maker<[{ made: boolean }]>`select public.push_fan_out() as made`;
    const milliseconds = performance.now() - started;
    const deliveries = await count();
    if (!row.made || deliveries === 0) break;
    result.chunks.push({ milliseconds, deliveries });
    done += deliveries;
    if (done >= (result.memory.length + 1) * (MEMBERS / 10)) result.memory.push(await memory());
    if (result.chunks.length % EVERY === 0) {
      progress(`${done.toLocaleString('en')} members`);
      await sql`select push.notify(${other}, 'Beta is won', p_url => '/deals/2')`;
      result.before.push(await drain(sql, dispatcher, other));
    } else {
      // Fanning out takes as long however they leave; sending all of them would take minutes.
      await sql`delete from push.queue`;
    }
  }
  await Promise.all([sql.end(), maker.end()]);
  return result;
}

const rateOf = (chunks: Chunk[]) =>
  (chunks.reduce((sum, chunk) => sum + chunk.deliveries, 0) /
    chunks.reduce((sum, chunk) => sum + chunk.milliseconds, 0)) *
  1000;

const bench: Bench = {
  summary: 'A message to a topic of a million members: deliveries made per second, what others wait, memory',
  compared: [{ name: 'fan_out', kind: 'rate', row: 'all', column: 'deliveries/s' }],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      const { chunks, before, memory } = await measure(server, progress);
      const made = chunks.reduce((sum, chunk) => sum + chunk.deliveries, 0);
      if (made !== MEMBERS) throw new Error(`Of ${MEMBERS} deliveries ${made} were made.`);
      const tenth = Math.floor(chunks.length / 10);
      const greatest = Math.max(...chunks.map((chunk) => chunk.deliveries));
      const [memoryAtFirst = Number.NaN] = memory;
      const memoryAtLast = memory.at(-1) ?? Number.NaN;
      const rowOf = (name: string, some: Chunk[], bytes: number) => [
        name,
        rateOf(some),
        median(some.map((chunk) => chunk.milliseconds)),
        Math.max(...some.map((chunk) => chunk.milliseconds)),
        Math.round(bytes / 1024),
      ];
      return {
        columns: ['', 'deliveries/s', 'ms per chunk', 'highest', 'kB of memory'],
        rows: [
          rowOf('first tenth', chunks.slice(0, tenth), memoryAtFirst),
          rowOf('last tenth', chunks.slice(-tenth), memoryAtLast),
          rowOf('all', chunks, Math.max(...memory)),
        ],
        marks: [
          { name: 'deliveries_per_second', value: rateOf(chunks), atLeast: 25_000 },
          { name: 'others_wait_chunks', value: Math.max(...before) / greatest, atMost: 1 },
          { name: 'memory_last_to_first_tenth', value: memoryAtLast / memoryAtFirst, atMost: 1.1 },
        ],
        notes: [
          `${chunks.length} chunks of up to ${greatest}, one session, each flushed to disk; the rate is of the time in which they were made.`,
          `${before.length} messages to another user, each right after a chunk: up to ${Math.max(...before)} deliveries of the topic went before.`,
        ],
      };
    }),
};

export default bench;
