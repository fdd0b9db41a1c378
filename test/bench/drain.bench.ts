import { setTimeout as delay } from 'node:timers/promises';
import { alternate, type Bench, median } from './harness/bench.ts';
import { runSide } from './harness/side-process.ts';
import { type WatchedStack, withWatchedStack } from './harness/watched-stack.ts';
import type { SendInput, SendSample } from './sides/send.ts';

const ROUNDS = 3;
const DELIVERIES = 20_000;
const SENDS = 8000;
const LIMIT_MS = 120_000;

interface Sample {
  perSecond: number;
  /** Seconds of it until the insert had been committed. */
  committed: number;
}

/** One statement notifies every user; the clock runs from that statement to the last device. */
async function drain(watched: WatchedStack, dispatchers: number): Promise<Sample> {
  const { sql, sink, users, idle } = watched;
  await idle();
  await sql`update push.settings set max_dispatchers = ${dispatchers}`;
  await sink.reset();
  const started = performance.timeOrigin + performance.now();
  await sql`insert into public.orders (owner_id) select unnest(${users}::uuid[])`;
  const committed = performance.timeOrigin + performance.now() - started;
  for (;;) {
    const { endpoints, lastArrival } = await sink.count();
    const elapsed = lastArrival - started;
    if (endpoints === DELIVERIES)
      return { perSecond: (DELIVERIES / elapsed) * 1000, committed: committed / 1000 };
    if (performance.timeOrigin + performance.now() - started > LIMIT_MS) {
      throw new Error(`only ${endpoints} of ${DELIVERIES} arrived within ${LIMIT_MS / 1000} s`);
    }
    await delay(50);
  }
}

const bench: Bench = {
  summary: 'Trigger to last arrival of 20,000 deliveries through Postgres, the Data API and Deno',
  compared: [
    { name: 'one_dispatcher', kind: 'rate', row: '1 dispatcher', column: 'deliveries/s' },
    { name: 'two_dispatchers', kind: 'rate', row: '2 dispatchers', column: 'deliveries/s' },
  ],
  async run(progress) {
    progress('starting the stack');
    return await withWatchedStack({ users: DELIVERIES, functionProcesses: 2 }, async (watched) => {
      const send = async (): Promise<Sample> => {
        await watched.idle();
        const input: SendInput = { side: 'ours', origin: watched.sink.origin, sends: SENDS, inFlight: 100 };
        return { ...(await runSide<SendSample>('deno', 'send', input)), committed: 0 };
      };
      const samples = await alternate(
        { send, '1 dispatcher': () => drain(watched, 1), '2 dispatchers': () => drain(watched, 2) },
        ROUNDS,
        progress,
      );
      const names = Object.keys(samples) as (keyof typeof samples)[];
      const perSecond = (name: (typeof names)[number]) => median(samples[name].map((one) => one.perSecond));
      return {
        columns: ['', 'deliveries/s', 'lowest', 'highest', 'commit s', 'of send'],
        rows: names.map((name) => {
          const all = samples[name].map((one) => one.perSecond);
          const committed = median(samples[name].map((one) => one.committed));
          const share = `${Math.round((perSecond(name) / perSecond('send')) * 100)} %`;
          return [name, perSecond(name), Math.min(...all), Math.max(...all), committed, share];
        }),
        marks: [
          {
            name: 'one_dispatcher_to_send',
            value: perSecond('1 dispatcher') / perSecond('send'),
            atLeast: 0.5,
          },
        ],
        notes: [
          `Medians of ${ROUNDS} rounds. The clock starts before the insert that fires the rule and stops at the last device.`,
          'send: the channel alone, 100 in flight, to the same push service (HTTP/1.1, which the database allows on loopback).',
          'Each dispatcher is a Deno process of its own.',
        ],
      };
    });
  },
};

export default bench;
