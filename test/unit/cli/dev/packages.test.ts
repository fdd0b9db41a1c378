import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { installStack } from '../../../../src/cli/dev/packages.ts';

// A stand-in for npm writes down how it is called, and installs what the manifest beside it names.
const NPM = `#!${process.execPath}
const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
appendFileSync(process.env.NPM_CALLS, process.argv.slice(2).join(' ') + '\\n');
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
readFileSync('package-lock.json');
for (const [name, version] of Object.entries(dependencies)) {
  if (process.env.NPM_FAILS) { console.error('npm error: no registry'); process.exit(7); }
  mkdirSync('node_modules/' + name, { recursive: true });
  writeFileSync('node_modules/' + name + '/package.json', JSON.stringify({ version }));
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
  expect(await calls()).toMatch(/^ci .*--ignore-scripts/);
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
