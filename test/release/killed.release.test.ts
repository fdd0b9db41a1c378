import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { basicEnvironment, runProgram } from '../../tools/quality/run-program.ts';
import { runIn } from '../support/packed-package.ts';
import { CONFIG, type LookAlike, withLookAlike } from '../unit/cli/init/look-alike.ts';
import type {} from './support/packed.ts';

// The real command, killed by SIGKILL: test/unit/cli/init/interrupted-run.test.ts has every step of every command, without a process.

const KILLS = 20;
const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const APP = {
  'supabase/config.toml': CONFIG,
  'supabase/migrations/20260101000000_app.sql': 'create table public.deals ();\n',
  '.gitignore': 'node_modules\n',
  'package.json': '{ "devDependencies": { "vite": "8" } }',
  'public/sw.js': 'self.onfetch = null;\n',
};

/** Counts what a process does to the disk, and kills it at a step, in the middle of a file where it writes one. */
const KILLER = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env.KILL_AT);
let step = 0;
for (const name of ['mkdirSync', 'writeFileSync', 'renameSync', 'rmSync', 'rmdirSync']) {
  const real = fs[name];
  fs[name] = (path, ...rest) => {
    step += 1;
    if (step !== at) return real(path, ...rest);
    if (name === 'writeFileSync') real(path, rest[0].slice(0, rest[0].length / 2), rest[1]);
    process.kill(process.pid, 'SIGKILL');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
}
syncBuiltinESMExports();
process.on('exit', () => process.stderr.write(String(step)));
`;

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-killed-'));
  const modules = join(home, 'node_modules');
  await mkdir(join(modules, 'supapush'), { recursive: true });
  await runIn(
    home,
    'tar',
    ['xzf', inject('archive'), '--strip-components=1', '-C', join(modules, 'supapush')],
    home,
  );
  for (const name of ['smol-toml', 'postgres', 'zod'])
    await symlink(join(PROJECT, 'node_modules', name), join(modules, name));
  await writeFile(join(home, 'killer.mjs'), KILLER);
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Runs init in an app, which is killed at a step. */
function init({ folder }: LookAlike, killAt = 0) {
  const script = join(home, 'node_modules/supapush/dist/cli/supapush.js');
  return runProgram(process.execPath, ['--import', join(home, 'killer.mjs'), script, 'init', '--yes'], {
    cwd: folder,
    environment: { ...basicEnvironment(), KILL_AT: String(killAt) },
  });
}

/** Texts by path, without the stamp of our migration. */
const read = async (app: LookAlike) =>
  Object.fromEntries(
    Object.entries(await app.read()).map(([path, text]) => [path.replace(/\d{14}(?=_supapush)/, '…'), text]),
  );

test(`init, killed at ${KILLS} steps: the next run begins from the folder as it was, and writes all of it`, async () => {
  let [steps, whole] = [0, {}];
  await withLookAlike(APP, async (app) => {
    const { exitCode, stderr } = await init(app);
    expect(exitCode).toBe(0);
    steps = Number(stderr);
    whole = await read(app);
  });
  expect(steps).toBeGreaterThan(KILLS);
  const points = Array.from({ length: KILLS }, (_, index) => 1 + Math.floor((index * steps) / KILLS));
  const killed = async (point: number) => {
    await withLookAlike(APP, async (app) => {
      expect((await init(app, point)).exitCode, `step ${point}`).toBeUndefined();
      expect(await read(app), `step ${point}`).not.toEqual(whole);
      const { exitCode, stderr } = await init(app);
      expect([exitCode, await read(app)], `step ${point}`).toEqual([0, whole]);
      expect(stderr).toContain('A run before this one was interrupted.');
    });
  };
  // Two at a time.
  for (let place = 0; place < points.length; place += 2)
    await Promise.all(points.slice(place, place + 2).map(killed));
});
