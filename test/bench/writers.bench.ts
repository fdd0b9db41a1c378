import type postgres from 'postgres';
import { alternate, type Bench, median, percentile } from './harness/bench.ts';
import { connect, createMigrated, withDurablePostgres } from './harness/database.ts';
import { createUsersWithDevices } from './harness/recipients.ts';
import { runSide } from './harness/side-process.ts';
import type { WritersInput, WritersSample } from './sides/writers.ts';

const ROUNDS = 5;
const USERS = 2000;
const DATABASE = 'bench_writers';
const ORIGIN = 'http://127.0.0.1:9';
const RULES = { bare: 0, one: 1, hundred: 100 } as const;
const TRANSACTIONS = { 1: 500, 4: 1000, 16: 2000, 64: 3000 } as const;
type Table = keyof typeof RULES;
type Lanes = keyof typeof TRANSACTIONS;

/** Three tables that differ in their rules alone. Of a hundred rules, one concerns what is written. */
async function prepare(admin: postgres.Sql, sql: postgres.Sql): Promise<string[]> {
  await admin`insert into push.hosts (origin) values (${ORIGIN})`;
  const users = await createUsersWithDevices(admin, ORIGIN, USERS);
  for (const [table, rules] of Object.entries(RULES)) {
    await sql.unsafe(`
      create table public.${table} (
        id bigint generated always as identity primary key, owner_id uuid not null, stage text not null default 'open',
        amount numeric not null default 0
      );
      insert into public.${table} (owner_id) select id from auth.users`);
    for (let rule = 1; rule <= rules; rule += 1) {
      const condition =
        rule === 1 ? `new.stage <> 'draft'` : `new.stage = 'stage ${rule}' and new.amount > ${rule}`;
      await sql`
        select push.watch(${`${table}_${rule}`}, ${`public.${table}`}::regclass, 'new.owner_id', $$'Order ' || new.id$$,
          p_body => $$'It will be with you tomorrow.'$$, p_url => $$'/orders/' || new.id$$, p_condition => ${condition})`;
    }
  }
  await sql`analyze`;
  return users;
}

const bench: Bench = {
  summary: 'What one and a hundred rules on a table cost those who write to it: 1, 4, 16 and 64 at a time',
  compared: [
    { name: 'commit', kind: 'time', row: 'one, 1 connection', column: 'p50 ms' },
    { name: 'commits_of_64', kind: 'rate', row: 'one, 64 connections', column: 'commits/s' },
  ],
  run: (progress) =>
    withDurablePostgres(async (server) => {
      progress('preparing the tables');
      await createMigrated(server, DATABASE);
      const admin = connect(server, { database: DATABASE, superuser: true });
      const sql = connect(server, { database: DATABASE });
      const ownerIds = await prepare(admin, sql);

      const sample = (table: Table, lanes: Lanes) => async () => {
        await admin.unsafe(
          'truncate push.queue, push.delivery_log, public.push_notifications cascade; delete from push.dispatchers',
        );
        await admin.unsafe(`vacuum public.${table}`);
        await admin`checkpoint`;
        // One is called and on its way, as the first commit of a burst leaves it: no other commit rings.
        await admin`
          insert into push.dispatchers (id, started_at, lease_until) values (gen_random_uuid(), now(), now() + interval '1 minute')`;
        const input: WritersInput = {
          databaseUrl: server.url({ database: DATABASE }),
          table,
          transactions: TRANSACTIONS[lanes],
          lanes,
          ownerIds,
        };
        const written = await runSide<WritersSample>('node', 'writers', input);
        const [row] = await admin<[{ waiting: number }]>`select count(*)::int as waiting from push.queue`;
        const expected = table === 'bare' ? 0 : TRANSACTIONS[lanes] + lanes * 10;
        if (row.waiting !== expected) throw new Error(`${row.waiting} deliveries wait, not ${expected}.`);
        return written;
      };
      const sides = Object.fromEntries(
        (Object.keys(RULES) as Table[]).flatMap((table) =>
          ([1, 4, 16, 64] as const).map((lanes) => [
            `${table}, ${lanes} connection${lanes === 1 ? '' : 's'}`,
            sample(table, lanes),
          ]),
        ),
      );
      const samples = await alternate(sides, ROUNDS, progress);
      await Promise.all([admin.end(), sql.end()]);

      const of = (name: string) => samples[name] as WritersSample[];
      const p50 = (one: WritersSample) => percentile(one.milliseconds, 0.5);
      const rate = (one: WritersSample) => (one.milliseconds.length / one.elapsed) * 1000;
      const cpu = (one: WritersSample) =>
        one.cpu === null ? Number.NaN : (one.cpu / one.milliseconds.length) * 1000;
      /** Of the rounds, each of which is disturbed in its own way, the middle one. */
      const ratio = (name: string, to: string, value: (one: WritersSample) => number) =>
        median(of(name).map((one, round) => value(one) / value(of(to)[round] as WritersSample)));
      return {
        columns: ['', 'p50 ms', 'p95 ms', 'commits/s', 'CPU µs'],
        rows: Object.keys(samples).map((name) => [
          name,
          median(of(name).map(p50)),
          median(of(name).map((one) => percentile(one.milliseconds, 0.95))),
          median(of(name).map(rate)),
          median(of(name).map(cpu)),
        ]),
        marks: [
          {
            name: 'commit_to_bare',
            value: ratio('one, 1 connection', 'bare, 1 connection', p50),
            atMost: 1.6,
          },
          {
            name: 'rate_of_64_to_bare',
            value: ratio('one, 64 connections', 'bare, 64 connections', rate),
            atLeast: 0.35,
          },
          {
            name: 'hundred_rules_to_one',
            value: ratio('hundred, 1 connection', 'one, 1 connection', p50),
            atMost: 2,
          },
        ],
        notes: [
          `Medians of ${ROUNDS} rounds; ratios are within a round. Each commit is an insert of one row, flushed to disk; with a rule it makes a message and`,
          'a delivery. Of a hundred rules one concerns it. No dispatcher is at work: one is called and does not come. CPU: of the',
          'sessions of the database, per commit; what a slow disk does not hide.',
        ],
      };
    }),
};

export default bench;
