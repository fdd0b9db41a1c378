import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUNDLE_NAME } from '../../../src/cli/init/release.ts';
import { buildFunctions } from '../../../tools/build/build-functions.ts';
import { probeFunction } from '../../../tools/deploy/probe-function.ts';
import { layOut, type UploadedFunction } from '../../../tools/deploy/uploaded-function.ts';
import { PROJECT } from './planted-project.ts';

/** Deno asks no registry, and takes nothing of its cache. */
const ALONE = ['--no-remote', '--no-npm'];

let built = '';
beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'supapush-bundles-'));
  await buildFunctions(PROJECT, built);
});
afterAll(() => rm(built, { recursive: true, force: true }));

/** Lays out what an app has of a function in an empty folder, and starts it there. */
async function start(
  name: string,
  change: (bundle: string) => string = (bundle) => bundle,
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'supapush-alone-'));
  const bytes = (text: string) => new TextEncoder().encode(text);
  const upload: UploadedFunction = {
    slug: name,
    name,
    entrypoint: 'index.ts',
    importMap: 'deno.json',
    verifyJwt: false,
    files: new Map([
      ['index.ts', await readFile(join(built, name, 'serve.ts'))],
      [BUNDLE_NAME, bytes(change(await readFile(join(built, name, 'index.js'), 'utf8')))],
      ['deno.json', bytes('{ "imports": {} }\n')],
    ]),
  };
  try {
    await layOut(upload, folder);
    return await probeFunction(upload, folder, ALONE);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('each function starts from its bundle alone, in an empty folder and without a registry', async () => {
  const names = (await readdir(built)).filter((name) => name.startsWith('push-'));
  expect(names).toHaveLength(4);
  for (const name of names) expect(await start(name), name).toEqual([]);
});

test('one that needs a registry after all would not start', async () => {
  const problems = await start('push-health', (bundle) => `import 'npm:zod@4.6.7';\n${bundle}`);
  expect(problems.join()).toMatch(/npm/);
});

test('a bundle is lines that people can read, and imports nothing', async () => {
  for (const name of ['push-dispatch', 'push-events']) {
    const code = await readFile(join(built, name, 'index.js'), 'utf8');
    const lines = code.split('\n');
    expect(code.length / lines.length).toBeLessThan(60);
    expect(lines.filter((line) => /^\s*(import\b|export\b.*\bfrom\b)|\bimport\(/.test(line))).toEqual([]);
  }
  const licenses = await readFile(join(built, 'LICENSES.txt'), 'utf8');
  for (const name of ['@supabase/supabase-js', 'zod', 'tslib'])
    expect(licenses).toMatch(new RegExp(`^${name} \\d`, 'm'));
  expect(licenses).toMatch(/Copyright \(c\)/);
});
