import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { basicEnvironment, runProgram } from '../../../tools/quality/run-program.ts';

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supapush-bench-'));
  await plant('possible', `{ name: 'speed', value: 2, atLeast: 1 }`);
  await plant('impossible', `{ name: 'speed', value: 2, atLeast: 3 }, { name: 'cost', value: 1, atMost: 4 }`);
  await plant('unmeasured', `{ name: 'speed', value: Number.NaN, atLeast: 0 }`);
  await plant('unmarked', '');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function plant(name: string, marks: string): Promise<void> {
  await writeFile(
    join(folder, `${name}.bench.ts`),
    `export default {
      summary: 'Planted: ${name}.',
      compared: [{ name: 'done', kind: 'rate', row: 'ours', column: 'per s' }],
      run: async () => ({ columns: ['side', 'per s'], rows: [['ours', 2]], marks: [${marks}] }),
    };`,
  );
}

function run(...args: string[]) {
  return runProgram(process.execPath, [RUN, ...args], { cwd: folder, environment: basicEnvironment() });
}

function results(stdout: string): unknown[] {
  const lines = stdout.split('\n').filter((line) => line.startsWith('RESULT '));
  return lines.map((line) => JSON.parse(line.slice('RESULT '.length)));
}

test('without a name, every bench is listed and none is run', async () => {
  const { exitCode, stdout } = await run();
  expect(exitCode).toBe(0);
  for (const name of [
    'encrypt',
    'send',
    'drain',
    'queue',
    'latency',
    'burst',
    'growth',
    'backlog',
    'steady',
    'fair',
    'topic',
  ]) {
    expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  }
  expect(results(stdout)).toEqual([]);
});

test('a bench whose marks are met ends with its one RESULT line and exit code 0', async () => {
  const { exitCode, stdout } = await run('--folder', folder, 'possible');
  expect(results(stdout)).toEqual([
    { bench: 'possible', figures: { done: 2 }, ratios: { speed: 2 }, met: true },
  ]);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^RESULT /);
  expect(exitCode).toBe(0);
});

test('a mark that is missed ends in exit code 1 and says which one it was', async () => {
  const { exitCode, stdout } = await run('--folder', folder, 'impossible');
  expect(results(stdout)).toEqual([
    { bench: 'impossible', figures: { done: 2 }, ratios: { speed: 2, cost: 1 }, met: false },
  ]);
  expect(stdout).toContain('MISSED  speed: 2, must be at least 3');
  expect(stdout).not.toContain('MISSED  cost');
  expect(exitCode).toBe(1);
});

test('a number that could not be measured, or no mark at all, counts as missed', async () => {
  for (const name of ['unmeasured', 'unmarked']) {
    const { exitCode, stdout } = await run('--folder', folder, name);
    expect(results(stdout)).toMatchObject([{ bench: name, met: false }]);
    expect(exitCode).toBe(1);
  }
});

test('one missed bench does not keep the others from running, and decides the exit code', async () => {
  const { exitCode, stdout } = await run('--folder', folder, 'impossible', 'possible');
  expect(results(stdout)).toMatchObject([{ met: false }, { met: true }]);
  expect(exitCode).toBe(1);
});

test('--json prints the RESULT and nothing else', async () => {
  const { exitCode, stdout } = await run('--folder', folder, '--json', 'possible');
  expect(JSON.parse(stdout)).toEqual({
    bench: 'possible',
    figures: { done: 2 },
    ratios: { speed: 2 },
    met: true,
  });
  expect(exitCode).toBe(0);
});

test('--long is told to the bench, and refused beside --against', async () => {
  await writeFile(
    join(folder, 'sizes.bench.ts'),
    `export default {
      summary: 'Planted: sizes.',
      compared: [{ name: 'size', kind: 'time', row: 'ours', column: 'size' }],
      run: async (progress, { long }) => ({
        columns: ['side', 'size'], rows: [['ours', long ? 7 : 6]], marks: [{ name: 'size', value: 1, atLeast: 1 }],
      }),
    };`,
  );
  expect(results((await run('--folder', folder, 'sizes')).stdout)).toMatchObject([{ figures: { size: 6 } }]);
  expect(results((await run('--folder', folder, '--long', 'sizes')).stdout)).toMatchObject([
    { figures: { size: 7 } },
  ]);
  const refused = await run('--folder', folder, '--long', '--against', 'HEAD', 'sizes');
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain('--long does not go with --against');
});

test('an unknown name is refused with the names there are', async () => {
  const { exitCode, stderr } = await run('--folder', folder, 'possibel');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('There is no bench possibel');
  expect(stderr).toContain('  possible');
});
