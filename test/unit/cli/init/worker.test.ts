import { expect, test } from 'vitest';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { CONFIG, released, withLookAlike } from './look-alike.ts';

const manifest = (...packages: string[]) =>
  JSON.stringify({ devDependencies: Object.fromEntries(packages.map((name) => [name, '1'])) });
const app = (files: Record<string, string>) => ({
  'supabase/config.toml': CONFIG,
  '.git/HEAD': '',
  ...files,
});
const { worker: WORKER } = released();

/** What is written besides the project itself, and what is left to a person. */
function written(files: Record<string, string>, options: { publicFolder?: string; worker?: boolean } = {}) {
  return withLookAlike(app(files), async ({ folder, plan, read }) => {
    const publicFolder = options.publicFolder && `${folder}/${options.publicFolder}`;
    const before = await read();
    const { changes, left } = await plan({ worker: options.worker ?? true, publicFolder });
    writeChanges(changes);
    const after = await read();
    const again = await plan({ worker: options.worker ?? true, publicFolder });
    expect(new Set(again.changes.map(({ kind }) => kind))).toEqual(new Set(['unchanged']));
    const own = Object.entries(after).filter(
      ([path, text]) => text !== before[path] && !/^supabase\/|^\.gitignore$/.test(path),
    );
    return { files: Object.fromEntries(own), left: left.join('\n') };
  });
}

test.each([
  ['Vite', { 'package.json': manifest('vite') }, 'public/sw.js'],
  ['Next.js', { 'package.json': manifest('next', 'react') }, 'public/sw.js'],
  ['SvelteKit', { 'package.json': manifest('vite', '@sveltejs/kit') }, 'static/sw.js'],
  ['Nuxt', { 'package.json': manifest('nuxt') }, 'public/sw.js'],
  ['plain pages', { 'index.html': '<p>' }, 'sw.js'],
  ['plain pages in public', { 'public/index.html': '<p>' }, 'public/sw.js'],
  [
    'an app in a monorepo',
    { 'package.json': '{}', 'apps/web/package.json': manifest('next') },
    'apps/web/public/sw.js',
  ],
])('%s gets sw.js where it serves files from its root', async (_, files, path) => {
  expect(await written(files)).toEqual({ files: { [path]: WORKER }, left: '' });
});

test('without an app that browsers load, it says what to copy', async () => {
  const { files, left } = await written({ 'package.json': manifest('hono') });
  expect(files).toEqual({});
  expect(left).toMatch(/dist\/sw\.js; or run init again with --public/);
});

test('of several apps a person names one, or none', async () => {
  const several = { 'apps/a/package.json': manifest('vite'), 'apps/b/package.json': manifest('next') };
  await expect(written(several)).rejects.toThrow(
    /--public apps\/a\/public, or --public apps\/b\/public; or --no-worker/,
  );
  expect((await written(several, { publicFolder: 'apps/b/public' })).files).toEqual({
    'apps/b/public/sw.js': WORKER,
  });
  expect((await written(several, { worker: false })).files).toEqual({});
});

test.each([
  [
    'self.onfetch = null;\n',
    "importScripts('/supapush-sw.js'); // Supapush: shows pushes and follows clicks\nself.onfetch = null;\n",
  ],
  [
    "// mine\n'use strict';\r\nself;\r\n",
    "// mine\n'use strict';\r\nimportScripts('/supapush-sw.js'); // Supapush: shows pushes and follows clicks\r\nself;\r\n",
  ],
])('a worker that is there loads ours, with one line: %j', async (worker, patched) => {
  expect(await written({ 'package.json': manifest('vite'), 'public/sw.js': worker })).toEqual({
    files: { 'public/supapush-sw.js': WORKER, 'public/sw.js': patched },
    left: '',
  });
});

test('a worker that loads ours already, and one of ours, are left alone', async () => {
  const loads = { 'package.json': manifest('vite'), 'public/sw.js': "importScripts('/supapush-sw.js');\n" };
  expect(await written(loads)).toEqual({ files: {}, left: '' });
  expect(await written({ 'package.json': manifest('vite'), 'public/sw.js': WORKER })).toEqual({
    files: {},
    left: '',
  });
});

test.each([
  'vite-plugin-pwa',
  '@serwist/next',
  '@ducanh2912/next-pwa',
  'next-pwa',
  '@angular/service-worker',
])('a worker that %s writes has to load ours, and it says so', async (plugin) => {
  const { files, left } = await written({
    'package.json': manifest('vite', plugin),
    'public/sw.js': '// built\n',
  });
  expect(files).toEqual({ 'public/supapush-sw.js': WORKER });
  expect(left).toContain(
    `${plugin} writes the service worker of this app. Let it load ours: importScripts('/supapush-sw.js')`,
  );
});

test('a worker that git ignores is one that a build writes', async () => {
  const { files, left } = await written({
    'package.json': manifest('next'),
    '.gitignore': '**/public/sw.js\n',
  });
  expect(files).toEqual({ 'public/supapush-sw.js': WORKER });
  expect(left).toMatch(/^A build writes/);
});

test.each([
  ['public/sw.js', "import { a } from './a.js';\n"],
  ['src/service-worker.ts', 'self;\n'],
])('%s as a module is the app’s to change', async (path, text) => {
  const { files, left } = await written({
    'package.json': manifest('vite', '@sveltejs/kit').replace('@sveltejs/kit', 'x'),
    [path]: text,
  });
  expect(files).toEqual({});
  expect(left).toContain(`${path}`);
  expect(left).toContain("import { installPush } from 'supapush/service-worker'; installPush(self);");
});
