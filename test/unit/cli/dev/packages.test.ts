import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadStack } from '../../../../src/cli/dev/load-stack.ts';
import { installStack } from '../../../../src/cli/dev/packages.ts';

// A stand-in for npm writes down how it is called, and installs what the manifest beside it names.
const NPM = `#!${process.execPath}
const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
appendFileSync(process.env.NPM_CALLS, process.argv.slice(2).join(' ') + '\\n');
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const { packages = {} } = JSON.parse(readFileSync('package-lock.json'));
for (const [name, version] of Object.entries(dependencies)) {
  if (process.env.NPM_FAILS) { console.error('npm error: no registry'); process.exit(7); }
  if (process.env.NPM_HANGS) { appendFileSync(process.env.NPM_CALLS, 'hangs'); setInterval(() => {}, 1000); break; }
  mkdirSync('node_modules/' + name, { recursive: true });
  writeFileSync('node_modules/' + name + '/package.json', JSON.stringify({ version }));
  for (const binary of Object.keys(packages['node_modules/' + name]?.optionalDependencies ?? {})) {
    if (process.env.NPM_OMITS) continue;
    mkdirSync('node_modules/' + binary, { recursive: true });
    writeFileSync('node_modules/' + binary + '/package.json', JSON.stringify({ version: '7.0.0' }));
  }
}
`;

let home: string;
let root: string;
let program: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-packages-'));
  root = join(home, 'app');
  program = join(home, 'program');
  await mkdir(join(home, 'bin'));
  await mkdir(root);
  await mkdir(join(program, 'tools/local'), { recursive: true });
  await writeFile(join(home, 'bin/npm'), NPM);
  await chmod(join(home, 'bin/npm'), 0o755);
  await writeFile(join(program, 'tools/local/app-stack.js'), 'export const version = 1;');
  await writeFile(join(program, 'packages.lock.json'), '{}');
  await release({ heavy: '1.2.3', 'other-heavy': '4.5.6' });
  vi.stubEnv('PATH', `${join(home, 'bin')}${delimiter}${process.env.PATH}`);
  vi.stubEnv('NPM_CALLS', join(home, 'calls'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const release = (dependencies: Record<string, string>) =>
  writeFile(join(program, 'packages.json'), JSON.stringify({ dependencies }));
const calls = () => readFile(join(home, 'calls'), 'utf8').catch(() => '');

async function install(): Promise<{ said: string[]; module: string; callsWhenSaid: string[] }> {
  const said: string[] = [];
  const callsWhenSaid: string[] = [];
  const { readFileSync, existsSync } = await import('node:fs');
  const module = await installStack(
    root,
    (line) => {
      said.push(line);
      callsWhenSaid.push(existsSync(join(home, 'calls')) ? readFileSync(join(home, 'calls'), 'utf8') : '');
    },
    program,
  );
  return { said, module, callsWhenSaid };
}

test('packages are named before npm fetches them by the lock file, without their scripts, and once', async () => {
  const { said, module, callsWhenSaid } = await install();
  expect(said.join('\n')).toContain('heavy 1.2.3, other-heavy 4.5.6');
  expect(callsWhenSaid.join('')).toBe('');
  expect(await calls()).toMatch(/^ci --include=optional --ignore-scripts/);
  expect(await import(module)).toMatchObject({ version: 1 });
  expect((await install()).said).toEqual([]);
  expect((await calls()).trim().split('\n')).toHaveLength(1);
});

test('the app itself gets nothing but a folder that git ignores', async () => {
  await install();
  expect(await readdir(root)).toEqual(['.supapush']);
  expect(await readFile(join(root, '.supapush/.gitignore'), 'utf8')).toBe('*\n');
});

test('another release fetches what is of another version, and has its own program', async () => {
  await install();
  await release({ heavy: '2.0.0', 'other-heavy': '4.5.6' });
  await writeFile(join(program, 'tools/local/later.js'), '');
  const { said, module } = await install();
  expect(said.join('\n')).toContain('heavy 2.0.0');
  expect(said.join('\n')).not.toContain('other-heavy');
  expect(await readdir(join(module, '..'))).toContain('later.js');
});

test('where npm fails, its words are told and nothing half fetched is taken for all', async () => {
  await install();
  await release({ heavy: '2.0.0', 'other-heavy': '4.5.6' });
  vi.stubEnv('NPM_FAILS', 'yes');
  await expect(install()).rejects.toMatchObject({
    code: 'packages_not_installed',
    message: expect.stringMatching(/npm ended with 7[\s\S]*no registry/),
  });
  await release({ heavy: '1.2.3', 'other-heavy': '4.5.6' });
  expect((await install()).said).toEqual([]);
});

test('without npm it says so', async () => {
  vi.stubEnv('PATH', join(home, 'nowhere'));
  await expect(install()).rejects.toMatchObject({ code: 'packages_not_installed' });
});

test('a package that was not built says what to do', async () => {
  await rm(join(program, 'packages.json'));
  await expect(install()).rejects.toMatchObject({ code: 'package_incomplete' });
});

/** `heavy` has binaries for this kind of machine, and for another. */
const withBinaries = () => {
  const machine = { version: '7.0.0', os: [process.platform], cpu: [process.arch] };
  const packages = {
    'node_modules/heavy': { optionalDependencies: { '@heavy/this': '7.0.0', '@heavy/other': '7.0.0' } },
    'node_modules/@heavy/this': machine,
    'node_modules/@heavy/other': { ...machine, cpu: ['another'] },
  };
  return writeFile(join(program, 'packages.lock.json'), JSON.stringify({ packages }));
};

test('packages that lack what is for this kind of machine are fetched again', async () => {
  await install();
  await withBinaries();
  vi.stubEnv('NPM_OMITS', 'yes');
  await expect(install()).rejects.toMatchObject({
    code: 'packages_not_installed',
    message: expect.stringContaining('@heavy/this 7.0.0'),
  });
  vi.stubEnv('NPM_OMITS', '');
  const { said } = await install();
  expect(said.join('\n')).toContain('@heavy/this 7.0.0');
  expect(said.join('\n')).not.toContain('@heavy/other');
  expect((await install()).said).toEqual([]);
});

test('beside one that runs, another neither fetches nor replaces anything', async () => {
  const folder = join(root, '.supapush/packages');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'lock.json'), JSON.stringify({ pid: process.ppid }));
  await expect(install()).rejects.toMatchObject({
    code: 'already_running',
    message: expect.stringContaining(`process ${process.ppid}`),
  });
  expect(await readdir(folder)).toEqual(['lock.json']);
  expect(await calls()).toBe('');
  // One that was killed leaves its lock behind.
  await writeFile(join(folder, 'lock.json'), JSON.stringify({ pid: 2 ** 30 }));
  await install();
  expect(await calls()).toMatch(/^ci/);
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s ends npm as well, and leaves nothing half fetched',
  async (signal) => {
    vi.stubEnv('NPM_HANGS', 'yes');
    const started = install();
    started.catch(() => undefined);
    await vi.waitFor(async () => expect(await calls()).toContain('hangs'), { timeout: 10_000 });
    process.emit(signal, signal);
    await expect(started).rejects.toMatchObject({
      code: 'packages_not_installed',
      message: expect.stringContaining(signal),
    });
    expect(await readdir(join(root, '.supapush/packages'))).toEqual(['lock.json']);
  },
);

test("Yarn Plug'n'Play is told that a folder node_modules is needed", async () => {
  await expect(loadStack(root, () => undefined, { ...process.versions, pnp: '3' })).rejects.toMatchObject({
    code: 'needs_node_modules',
    message: expect.stringContaining('nodeLinker: node-modules'),
  });
});
