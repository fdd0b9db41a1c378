import { alternate, type Bench, median } from './harness/bench.ts';
import { type Runtime, runSide } from './harness/side-process.ts';
import type { EncryptInput, EncryptSample, EncryptSide } from './sides/encrypt.ts';

const SIDES: EncryptSide[] = ['ours', 'web-push', 'pushforge', 'floor'];
const RUNTIMES: Runtime[] = ['deno', 'node'];
const ROUNDS = 5;
const PUSHES = 1500;

const bench: Bench = {
  summary: 'CPU and wall clock per encrypted and signed push, under Deno and Node',
  compared: [
    { name: 'deno_cpu', kind: 'time', row: 'deno ours', column: 'CPU ms' },
    { name: 'node_cpu', kind: 'time', row: 'node ours', column: 'CPU ms' },
  ],
  async run(progress) {
    const sample = (runtime: Runtime, side: EncryptSide) => () =>
      runSide<EncryptSample>(runtime, 'encrypt', { side, pushes: PUSHES } satisfies EncryptInput);
    const sides = Object.fromEntries(
      RUNTIMES.flatMap((runtime) => SIDES.map((side) => [`${runtime} ${side}`, sample(runtime, side)])),
    );
    const samples = await alternate(sides, ROUNDS, progress);
    const cpu = (name: string) => median((samples[name] ?? []).map((one) => one.cpu));
    const wall = (name: string) => median((samples[name] ?? []).map((one) => one.wall));
    // Of two sides of the same round: they ran within seconds of each other, under the same load of the machine.
    const ratios = (one: string, other: string) =>
      (samples[one] ?? []).map(({ cpu }, round) => cpu / (samples[other]?.[round]?.cpu ?? Number.NaN));
    return {
      columns: ['per push', 'CPU ms', 'wall ms', 'CPU of ours', 'lowest', 'highest'],
      rows: Object.keys(sides).map((name) => {
        const toOurs = ratios(name, `${name.split(' ')[0]} ours`);
        const times = [median(toOurs), Math.min(...toOurs), Math.max(...toOurs)];
        return [name, cpu(name), wall(name), ...times.map((ratio) => `${ratio.toFixed(2)} ×`)];
      }),
      marks: [
        { name: 'deno_web_push_to_ours', value: median(ratios('deno web-push', 'deno ours')), atLeast: 3.2 },
        { name: 'deno_pushforge_to_ours', value: median(ratios('deno pushforge', 'deno ours')), atLeast: 3 },
        { name: 'deno_ours_to_floor', value: median(ratios('deno ours', 'deno floor')), atMost: 1.6 },
      ],
      notes: [
        `Medians of ${ROUNDS} rounds of ${PUSHES} pushes, a new process each. CPU is that of all threads.`,
        'Ratios are medians of those of each round.',
        'floor: generateKey and deriveBits alone. Ours comes close to it, since it spares Deno a check in deriveBits.',
      ],
    };
  },
};

export default bench;
