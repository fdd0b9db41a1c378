import { alternate, type Bench, median, percentile } from './harness/bench.ts';
import { runSide } from './harness/side-process.ts';
import { withWatchedStack } from './harness/watched-stack.ts';
import type { BurstInput, BurstSample } from './sides/burst-writer.ts';

const ROUNDS = 7;
const TRANSACTIONS = 1000;
const LANES = 4;

interface Sample extends BurstSample {
  rings: number;
}

const bench: Bench = {
  summary: 'Bell rings and added commit time when 1,000 single-row transactions arrive',
  async run(progress) {
    progress('starting the stack');
    return await withWatchedStack({ users: 1 }, async ({ stack, users, rings, idle }) => {
      const sample = (table: BurstInput['table']) => async (): Promise<Sample> => {
        // Every burst meets a sleeping function: the first commit has to ring.
        await idle();
        const before = await rings();
        const input: BurstInput = {
          databaseUrl: stack.databaseUrl,
          table,
          transactions: TRANSACTIONS,
          lanes: LANES,
          ownerId: users[0] ?? '',
        };
        const written = await runSide<BurstSample>('node', 'burst-writer', input);
        await idle();
        return { ...written, rings: (await rings()) - before };
      };
      const samples = await alternate(
        { 'bare insert': sample('bare_orders'), 'insert that notifies': sample('orders') },
        ROUNDS,
        progress,
      );
      const names = Object.keys(samples) as (keyof typeof samples)[];
      const commit = (name: (typeof names)[number], share: number) =>
        median(samples[name].map((one) => percentile(one.milliseconds, share)));
      const mostRings = Math.max(...samples['insert that notifies'].map((one) => one.rings));
      return {
        columns: ['', 'rings', 'most rings', 'p50 ms', 'p95 ms', 'p99 ms', 'commits/s'],
        rows: names.map((name) => [
          name,
          median(samples[name].map((one) => one.rings)),
          Math.max(...samples[name].map((one) => one.rings)),
          commit(name, 0.5),
          commit(name, 0.95),
          commit(name, 0.99),
          median(samples[name].map((one) => (TRANSACTIONS / one.elapsed) * 1000)),
        ]),
        marks: [
          { name: 'rings_per_50_commits', value: mostRings / (TRANSACTIONS / 50), atMost: 1 },
          {
            name: 'commit_time_to_bare',
            value: commit('insert that notifies', 0.5) / commit('bare insert', 0.5),
            atMost: 2,
          },
        ],
        notes: [
          `Medians of ${ROUNDS} rounds of ${TRANSACTIONS} transactions on ${LANES} connections, flushed to disk; rings: the most of any round.`,
          'While the second side writes, its messages are being sent on the same machine.',
        ],
      };
    });
  },
};

export default bench;
