import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  BENCH_ENTRY,
  type BenchRepository,
  makeBenchRepository,
  speedBench,
} from '../../support/bench-repository.ts';
import { eventually } from '../../support/eventually.ts';

const BENCH = 'test/bench/speed.bench.ts';
let repository: BenchRepository;
let gate: Server;

beforeAll(async () => {
  gate = createServer().listen(0, '127.0.0.1');
  await once(gate, 'listening');
});
afterAll(() => gate.close());
beforeEach(async () => {
  repository = await makeBenchRepository();
});
afterEach(async () => {
  // What every test has in common: nothing is left behind.
  expect(await repository.worktrees()).toEqual([]);
  await repository.remove();
});

function resultIn(stdout: string): unknown {
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(last.replace(/^RESULT /, ''));
}

/** A bench that tells the test where it runs, and then never ends. */
function endlessBench(): string {
  const { port } = gate.address() as AddressInfo;
  return speedBench(
    1,
    1,
    `
    import { connect } from 'node:net';
    const socket = connect(${port}, '127.0.0.1', () => socket.write(import.meta.dirname));
    if (process.argv.includes('speed') && !process.argv.includes('--against')) await new Promise(() => undefined);`,
  );
}

/** The next process that reports to the test from `endlessBench`, and the folder it said. */
async function nextReport(): Promise<{ folder: string; socket: Socket }> {
  const [socket] = (await once(gate, 'connection')) as [Socket];
  socket.on('error', () => undefined);
  const [folder] = (await once(socket, 'data')) as [Buffer];
  return { folder: folder.toString(), socket };
}

test('a time that grew or a rate that fell beyond a tenth misses its mark, and either is told as how much slower', async () => {
  await repository.write({ [BENCH]: speedBench(10, 1000) });
  const commit = await repository.commit();
  await repository.write({ [BENCH]: speedBench(10.5, 500) });

  const { exitCode, stdout } = await repository.bench('speed', '--against', 'HEAD', '--rounds', '2');
  expect(resultIn(stdout)).toEqual({
    bench: 'speed',
    against: commit,
    ratios: { taken: 1.05, done: 2 },
    met: false,
  });
  expect(stdout).toContain('met     taken: 1.05, must be at most 1.1');
  expect(stdout).toContain('MISSED  done: 2, must be at most 1.1');
  expect(stdout).toMatch(new RegExp(`^round +first +here +${commit} +slower$`, 'm'));
  expect(stdout).toMatch(new RegExp(`^1 done +${commit} +500 +1,000 +2.00 ×$`, 'm'));
  expect(stdout).toMatch(/^2 done +here +500 +1,000 +2.00 ×$/m);
  expect(exitCode).toBe(1);
});

test('what is as fast as it was, or faster, is met, though the bench misses a mark of its own', async () => {
  await repository.write({ [BENCH]: speedBench(10, 1000) });
  await repository.commit();
  await repository.write({ [BENCH]: speedBench(5, 1000) });

  const { exitCode, stdout } = await repository.bench('speed', '--against', 'HEAD', '--rounds', '1');
  expect(resultIn(stdout)).toMatchObject({ ratios: { taken: 0.5, done: 1 }, met: true });
  expect(exitCode).toBe(0);
});

test('both run in turns, and who goes first alternates', async () => {
  const log = join(repository.folder, 'order.log');
  const logging = (side: string) =>
    speedBench(
      1,
      1,
      `
      import { appendFileSync } from 'node:fs';
      if (!process.argv.includes('--against')) appendFileSync(${JSON.stringify(log)}, '${side} ');`,
    );
  await repository.write({ [BENCH]: logging('there') });
  await repository.commit();
  await repository.write({ [BENCH]: logging('here') });

  const { stdout } = await repository.bench('speed', '--against', 'HEAD', '--rounds', '3', '--json');
  expect(await readFile(log, 'utf8')).toBe('there here here there there here ');
  const side = { taken: 1, done: 1 };
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  expect(resultIn(stdout)).toMatchObject({
    rounds: [
      { first: 'there', here: side, there: side },
      { first: 'here', here: side, there: side },
      { first: 'there', here: side, there: side },
    ],
    met: true,
  });
});

test('a commit whose RESULT has no figures is read from its table', async () => {
  await repository.write({
    [BENCH]: speedBench(1, 1),
    'test/bench/run.ts': `console.log(\`speed: Planted.

side        ms     jobs/s
──────  ──────  ─────────
theirs       1          1
ours    12,345  1,000,000

a note

RESULT {"bench":"speed","ratios":{"its_own":1},"met":true}\`);`,
  });
  const commit = await repository.commit();
  await repository.write({
    [BENCH]: speedBench(24_690, 1_000_000),
    'test/bench/run.ts': BENCH_ENTRY,
  });
  const { stdout } = await repository.bench('speed', '--against', commit, '--rounds', '1');
  expect(resultIn(stdout)).toMatchObject({ ratios: { taken: 2, done: 1 } });
});

test('packages are those of here where the lock is the same, and the commit’s own where it is not', async () => {
  // `ours` is a package of this folder, which says how long it takes.
  const lock = (version: string) =>
    JSON.stringify({
      name: 'planted',
      lockfileVersion: 3,
      packages: {
        '': { name: 'planted', dependencies: { pace: `file:pace-${version}` } },
        'node_modules/pace': { resolved: `pace-${version}`, link: true },
        [`pace-${version}`]: { name: 'pace', version: '1.0.0' },
      },
    });
  const state = (version: string) => ({
    'package.json': JSON.stringify({
      name: 'planted',
      type: 'module',
      dependencies: { pace: `file:pace-${version}` },
    }),
    'package-lock.json': lock(version),
    [`pace-${version}/package.json`]: '{"name":"pace","version":"1.0.0","type":"module","main":"index.js"}',
    [`pace-${version}/index.js`]: `export default ${version};`,
    [BENCH]: speedBench('pace', 1, `import pace from 'pace';`),
  });
  await repository.write(state('10'));
  const first = await repository.commit();
  await repository.write(state('20'));
  await repository.commit();
  await repository.write({
    'node_modules/pace/package.json': '{"name":"pace","version":"1.0.0","type":"module","main":"index.js"}',
    'node_modules/pace/index.js': 'export default 40;',
  });

  const same = await repository.bench('speed', '--against', 'HEAD', '--rounds', '1');
  expect(resultIn(same.stdout)).toMatchObject({ ratios: { taken: 1 } });
  const own = await repository.bench('speed', '--against', first, '--rounds', '1');
  expect(resultIn(own.stdout)).toMatchObject({ ratios: { taken: 4 } });
});

test('a bench that fails there is told with what it said, and its worktree goes', async () => {
  await repository.write({ [BENCH]: `throw new Error('nothing to measure here');` });
  const commit = await repository.commit();
  await repository.write({ [BENCH]: speedBench(1, 1) });
  const { exitCode, stderr } = await repository.bench('speed', '--against', 'HEAD');
  expect(stderr).toContain(`speed failed`);
  expect(stderr).toContain(commit);
  expect(stderr).toContain('nothing to measure here');
  expect(exitCode).toBe(1);
});

test('a commit that is none, one without the bench, and rounds that are none are refused', async () => {
  await repository.commit();
  await repository.write({ [BENCH]: speedBench(1, 1) });
  const none = await repository.bench('speed', '--against', 'no-such-commit');
  expect(none).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no-such-commit') });
  const without = await repository.bench('speed', '--against', 'HEAD');
  expect(without).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has no bench speed') });
  for (const args of [
    ['--against', 'HEAD', '--rounds', '0'],
    ['--rounds', '2'],
  ]) {
    const refused = await repository.bench('speed', ...args);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--rounds') });
  }
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends the bench that runs, and takes the worktree along`, async () => {
    await repository.write({ [BENCH]: endlessBench() });
    await repository.commit();
    const program = repository.start('speed', '--against', 'HEAD');
    // The comparison itself reads the bench first; the run in the worktree follows.
    const asked = await nextReport();
    const run = await nextReport();
    expect(run.folder).not.toBe(asked.folder);
    process.kill(program.pid as number, signal);
    await Promise.all([once(run.socket, 'close'), program.ended]);
    expect((await program.ended).exitCode).toBe(130);
    expect(await stat(run.folder).catch(() => 'gone')).toBe('gone');
  });
}

test('SIGKILL too leaves neither process nor folder, and the next comparison forgets what git remembers', async () => {
  await repository.write({ [BENCH]: speedBench(1, 1) });
  const fast = await repository.commit();
  await repository.write({ [BENCH]: endlessBench() });
  await repository.commit();
  const program = repository.start('speed', '--against', 'HEAD');
  await nextReport();
  const run = await nextReport();
  process.kill(program.pid as number, 'SIGKILL');
  await Promise.all([once(run.socket, 'close'), program.ended]);
  await eventually(
    () => stat(run.folder).catch(() => undefined),
    (found) => found === undefined,
  );
  expect(await repository.worktrees()).toHaveLength(1);

  await repository.write({ [BENCH]: speedBench(1, 1) });
  const next = await repository.bench('speed', '--against', fast, '--rounds', '1');
  expect(next.exitCode).toBe(0);
});
