import { alternate, type Bench, median } from './harness/bench.ts';
import { type Runtime, runSide } from './harness/side-process.ts';
import type { EncryptInput, EncryptSample, EncryptSide } from './sides/encrypt.ts';

const SIDES: EncryptSide[] = ['ours', 'web-push', 'pushforge', 'floor'];
const RUNTIMES: Runtime[] = ['deno', 'node'];
const ROUNDS = 5;
const PUSHES = 1500;

const bench: Bench = {
  summary: 'CPU and wall clock per encrypted and signed push, under Deno and Node',
  async run(progress) {
    const sample = (runtime: Runtime, side: EncryptSide) => () =>
      runSide<EncryptSample>(runtime, 'encrypt', { side, pushes: PUSHES } satisfies EncryptInput);
    const sides = Object.fromEntries(
      RUNTIMES.flatMap((runtime) => SIDES.map((side) => [`${runtime} ${side}`, sample(runtime, side)])),
    );
    const samples = await alternate(sides, ROUNDS, progress);
    const cpu = (name: string) => median((samples[name] ?? []).map((one) => one.cpu));
    const wall = (name: string) => median((samples[name] ?? []).map((one) => one.wall));
    return {
      columns: ['per push', 'CPU ms', 'wall ms', 'CPU of ours'],
      rows: Object.keys(sides).map((name) => {
        const ours = cpu(`${name.split(' ')[0]} ours`);
        return [name, cpu(name), wall(name), `${(cpu(name) / ours).toFixed(2)} ×`];
      }),
      marks: [
        { name: 'deno_web_push_to_ours', value: cpu('deno web-push') / cpu('deno ours'), atLeast: 3.2 },
        { name: 'deno_pushforge_to_ours', value: cpu('deno pushforge') / cpu('deno ours'), atLeast: 3 },
        { name: 'deno_ours_to_floor', value: cpu('deno ours') / cpu('deno floor'), atMost: 1.6 },
      ],
      notes: [
        `Medians of ${ROUNDS} rounds of ${PUSHES} pushes, a new process each. CPU is that of all threads.`,
        'floor: generateKey and deriveBits alone, which no implementation of RFC 8291 on WebCrypto can do without.',
      ],
    };
  },
};

export default bench;
