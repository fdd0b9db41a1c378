import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runProgram } from '../../tools/quality/run-program.ts';
import { isolatedEnvironment } from '../../tools/quality/supabase-cli.ts';
import type {} from './support/packed.ts';
import { readRecipes } from './support/recipes.ts';

// What docs/start/existing-project.md says of pnpm, yarn and bun: each installs the archive, calls the command, and builds an app that
// imports the client.

/** The package managers, of the registry. */
const TOOLS = ['pnpm', '@yarnpkg/cli-dist', 'bun'];

/** Of the checkout, whose versions are known to work together. */
const manifestOfProject = JSON.parse(
  await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
) as { devDependencies: { vite: string } };

interface Manager {
  name: string;
  /** How its program is called, in a folder with the tools. */
  program: (tools: string) => string;
  add: string;
  addDev: string;
  /** What a command of a package is called by. */
  exec: string;
  lock: string;
  /** How `init` says it is called in such a project. */
  said: string;
  files?: Record<string, string>;
  typescript: string;
}

const yarn = (tools: string) =>
  `${process.execPath} ${join(tools, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js')}`;
const MANAGERS: Manager[] = [
  {
    name: 'pnpm',
    program: (tools) => join(tools, 'node_modules/.bin/pnpm'),
    add: 'add',
    addDev: 'add --save-dev',
    exec: 'exec',
    lock: 'pnpm-lock.yaml',
    said: 'pnpm exec supapush',
    typescript: '7',
  },
  {
    name: 'yarn, with node_modules',
    program: yarn,
    add: 'add',
    addDev: 'add --dev',
    exec: 'run',
    lock: 'yarn.lock',
    said: 'yarn supapush',
    typescript: '7',
    files: { '.yarnrc.yml': 'nodeLinker: node-modules\nenableTelemetry: false\n' },
  },
  {
    name: "yarn, with Plug'n'Play",
    program: yarn,
    add: 'add',
    addDev: 'add --dev',
    exec: 'run',
    lock: 'yarn.lock',
    said: 'yarn supapush',
    // The compiler in Go knows nothing of it.
    typescript: '5',
    files: { '.yarnrc.yml': 'enableTelemetry: false\n' },
  },
  {
    name: 'bun',
    program: (tools) => join(tools, 'node_modules/.bin/bun'),
    add: 'add',
    addDev: 'add --dev',
    exec: 'x',
    lock: 'bun.lock',
    said: 'bunx supapush',
    typescript: '7',
  },
];

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-managers-'));
  const tools = join(home, 'tools');
  await mkdir(tools);
  await writeFile(join(tools, 'package.json'), '{ "private": true }\n');
  await run(tools, `npm install --no-audit --no-fund ${TOOLS.join(' ')}`);
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function run(folder: string, line: string): Promise<string> {
  const environment = {
    ...isolatedEnvironment(join(home, 'user')),
    npm_config_cache: join(home, 'npm'),
    npm_config_update_notifier: 'false',
  };
  const { exitCode, stdout, output } = await runProgram('sh', ['-c', line], { cwd: folder, environment });
  if (exitCode !== 0) throw new Error(`${line}\n${output}`);
  return stdout;
}

test.each(MANAGERS)(
  '$name: the archive is installed, init writes all, and the app is built with the client in it',
  async ({ name, program, add, addDev, exec, lock, said, files, typescript }) => {
    const folder = join(home, name.replaceAll(/\W+/g, '-'));
    const manager = program(join(home, 'tools'));
    const call = (line: string) => run(folder, `${manager} ${line}`);
    const recipes = await readRecipes({ url: 'http://127.0.0.1:1', key: 'sb_publishable_x' });
    const recipe = recipes.find((one) => one.name === 'vite');
    const manifest = { name: 'app', private: true, type: 'module', scripts: recipe?.manifest.scripts };
    const all = { ...recipe?.files, ...files, 'package.json': JSON.stringify(manifest), [lock]: '' };
    for (const [path, text] of Object.entries(all)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      // A lock file that is empty is none to pnpm and bun.
      if (path !== lock || lock === 'yarn.lock') await writeFile(join(folder, path), text);
    }
    const archive = basename(inject('archive'));
    await copyFile(inject('archive'), join(folder, archive));
    await call(`${add} ./${archive} @supabase/supabase-js`);
    await call(`${addDev} vite@${manifestOfProject.devDependencies.vite} typescript@${typescript}`);
    const report = JSON.parse(await call(`${exec} supapush init --yes --json`)) as {
      written: boolean;
      next: string[];
    };
    expect(report.written).toBe(true);
    expect(report.next[0]).toBe(`${said} secrets --subject mailto:you@example.com`);
    expect(await readFile(join(folder, 'public/sw.js'), 'utf8')).toContain('supapush');
    await call(`${exec} supapush secrets --subject mailto:you@example.com`);
    await call(`${exec} supapush doctor --only folder`);
    // Types, too: the build begins with tsc.
    await call('run build');
    await call(`${exec} supapush uninstall --yes`);
  },
);
