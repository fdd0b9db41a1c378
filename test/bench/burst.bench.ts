import { alternate, type Bench, median, percentile } from './harness/bench.ts';
import { runSide } from './harness/side-process.ts';
import { withWatchedStack } from './harness/watched-stack.ts';
import type { BurstInput, BurstSample } from './sides/burst-writer.ts';

const ROUNDS = 5;
const TRANSACTIONS = 1000;
/** The project is in use: its tables hold this many rows, and the planner knows it. */
const ROWS_BEFORE = 5000;

interface Sample extends BurstSample {
  rings: number;
}

const bench: Bench = {
  summary: 'Bell rings and added commit time when 1,000 single-row transactions arrive',
  compared: [{ name: 'commit', kind: 'time', row: 'that notifies, 1 connection', column: 'p50 ms' }],
  async run(progress) {
    progress('starting the stack');
    return await withWatchedStack({ users: ROWS_BEFORE }, async ({ stack, sql, users, rings, idle }) => {
      progress(`delivering ${ROWS_BEFORE} messages first`);
      for (const table of ['orders', 'bare_orders']) {
        await sql`insert into ${sql(`public.${table}`)} (owner_id) select unnest(${users}::uuid[])`;
      }
      await idle();
      await sql`analyze`;

      const sample = (table: BurstInput['table'], lanes: number) => async (): Promise<Sample> => {
        // Every burst meets a sleeping function: the first commit has to ring.
        await idle();
        const before = await rings();
        const input: BurstInput = {
          databaseUrl: stack.databaseUrl,
          table,
          transactions: TRANSACTIONS,
          lanes,
          ownerIds: users.slice(0, TRANSACTIONS),
        };
        const written = await runSide<BurstSample>('node', 'burst-writer', input);
        await idle();
        return { ...written, rings: (await rings()) - before };
      };
      /** The same while nothing is sent: a dispatcher is called and does not come before the burst is over. */
      const quiet = (table: BurstInput['table']) => async (): Promise<Sample> => {
        await idle();
        const [called] = await sql<[{ id: string }]>`
          insert into push.dispatchers (id, started_at, lease_until)
          values (gen_random_uuid(), now(), now() + interval '1 minute') returning id`;
        const input: BurstInput = {
          databaseUrl: stack.databaseUrl,
          table,
          transactions: TRANSACTIONS,
          lanes: 1,
          ownerIds: users.slice(0, TRANSACTIONS),
        };
        const written = await runSide<BurstSample>('node', 'burst-writer', input);
        await sql`delete from push.dispatchers where id = ${called.id}`;
        await sql`select push.ring_for_work()`;
        await idle();
        return { ...written, rings: 0 };
      };
      const samples = await alternate(
        {
          'bare insert, nothing sent': quiet('bare_orders'),
          'that notifies, nothing sent': quiet('orders'),
          'bare insert, 1 connection': sample('bare_orders', 1),
          'that notifies, 1 connection': sample('orders', 1),
          'bare insert, 4 connections': sample('bare_orders', 4),
          'that notifies, 4 connections': sample('orders', 4),
        },
        ROUNDS,
        progress,
      );
      const names = Object.keys(samples) as (keyof typeof samples)[];
      const commit = (name: (typeof names)[number], share: number) =>
        median(samples[name].map((one) => percentile(one.milliseconds, share)));
      const most = (name: (typeof names)[number]) => Math.max(...samples[name].map((one) => one.rings));
      const ratio = (notifies: (typeof names)[number], bare: (typeof names)[number]) =>
        commit(notifies, 0.5) / commit(bare, 0.5);
      return {
        columns: ['', 'rings', 'most rings', 'p50 ms', 'p95 ms', 'p99 ms', 'commits/s'],
        rows: names.map((name) => [
          name,
          median(samples[name].map((one) => one.rings)),
          most(name),
          commit(name, 0.5),
          commit(name, 0.95),
          commit(name, 0.99),
          median(samples[name].map((one) => (TRANSACTIONS / one.elapsed) * 1000)),
        ]),
        marks: [
          {
            name: 'rings_per_50_commits',
            value: Math.max(...names.map(most)) / (TRANSACTIONS / 50),
            atMost: 1,
          },
          {
            name: 'commit_time_to_bare',
            value: ratio('that notifies, nothing sent', 'bare insert, nothing sent'),
            atMost: 1.6,
          },
          {
            name: 'commit_time_to_bare_while_sending',
            value: ratio('that notifies, 1 connection', 'bare insert, 1 connection'),
            atMost: 2.5,
          },
        ],
        notes: [
          `Medians of ${ROUNDS} rounds of ${TRANSACTIONS} transactions back to back, flushed to disk; the mark takes the most rings of any round.`,
          'Nothing sent: no dispatcher is at work during the burst; in the other rows one sends what has been written.',
          'Commit time is marked on one connection. With four, writers, Postgres and the function that sends compete for the',
          'processor: that row says what this machine can take in, not what a commit waits for.',
        ],
      };
    });
  },
};

export default bench;
