import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

test.each([
  "importScripts('/supapush-sw.js');\n",
  "self.a = 'https://a.example'; importScripts(\n  '/a.js', // mine\n  \"./supapush-sw.js?v=2\",\n);\n",
])(
  'a worker that loads ours already gets no line, but what it loads where that is missing: %j',
  async (worker) => {
    const loads = { 'package.json': manifest('vite'), 'public/sw.js': worker };
    expect(await written(loads)).toEqual({ files: { 'public/supapush-sw.js': WORKER }, left: '' });
    const whole = await written({ ...loads, 'public/supapush-sw.js': WORKER });
    expect(whole).toEqual({ files: {}, left: '' });
  },
);

test('what a worker loads is kept where it is of another build, and named', async () => {
  await withLookAlike(
    app({
      'package.json': manifest('vite'),
      'public/sw.js': "importScripts('/supapush-sw.js');\n",
      'public/supapush-sw.js': '// older\n',
    }),
    async ({ plan }) => {
      const { changes, left } = await plan();
      expect(changes.find(({ path }) => path.endsWith('supapush-sw.js'))?.kind).toBe('kept');
      expect(left).toContainEqual(expect.stringContaining('public/supapush-sw.js differs'));
    },
  );
});

test.each([
  '// for supapush, later\nself;\n',
  "// importScripts('/supapush-sw.js');\nself;\n",
  "/* importScripts('/supapush-sw.js'); */\nself;\n",
])('a comment about ours is no line that loads it: %j', async (worker) => {
  const { files } = await written({ 'package.json': manifest('vite'), 'public/sw.js': worker });
  expect(files).toEqual({
    'public/supapush-sw.js': WORKER,
    'public/sw.js': `importScripts('/supapush-sw.js'); // Supapush: shows pushes and follows clicks\n${worker}`,
  });
});

test('a worker that names supapush in another way is left to a person, and one that imports the package is right', async () => {
  const bundled = { 'package.json': manifest('vite'), 'public/sw.js': 'self.supapush = 1;\n' };
  const { files, left } = await written(bundled);
  expect(files).toEqual({ 'public/supapush-sw.js': WORKER });
  expect(left).toMatch(/public\/sw\.js names supapush.*importScripts\('\/supapush-sw\.js'\);/);
  const module = "import { installPush } from 'supapush/service-worker';\ninstallPush(self);\n";
  expect(await written({ ...bundled, 'public/sw.js': module })).toEqual({ files: {}, left: '' });
});

test('one of ours is left alone', async () => {
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

test.each(['service-worker.js', 'serviceworker.js', 'serviceWorker.js'])(
  'a worker by the name of %s loads ours, and gets no second one beside it',
  async (name) => {
    const files = { 'package.json': manifest('vite'), [`public/${name}`]: 'self.onfetch = null;\n' };
    const first = await written(files);
    expect(first.files).toEqual({
      'public/supapush-sw.js': WORKER,
      [`public/${name}`]:
        "importScripts('/supapush-sw.js'); // Supapush: shows pushes and follows clicks\nself.onfetch = null;\n",
    });
    expect(first.left).toContain(`createPushClient(supabase, { serviceWorker: '/${name}' })`);
    expect((await written({ ...files, ...first.files })).files).toEqual({});
    // A copy of ours by that name is the worker, too.
    expect((await written({ ...files, [`public/${name}`]: WORKER })).files).toEqual({});
  },
);

test('ours by any name is the worker of its folder, and gets no second one beside it', async () => {
  const files = {
    'package.json': manifest('vite'),
    'public/push-worker.js': WORKER,
    'public/other.js': 'self;\n',
  };
  const { files: changed, left } = await written(files);
  expect(changed).toEqual({});
  expect(left).toContain("createPushClient(supabase, { serviceWorker: '/push-worker.js' })");
});

test('ours by any name that a worker of the app loads is loaded', async () => {
  const files = {
    'package.json': manifest('vite'),
    'public/push-worker.js': WORKER,
    'public/sw.js': "importScripts('/push-worker.js?v=1');\nself.onfetch = null;\n",
  };
  expect(await written(files)).toEqual({ files: {}, left: '' });
});

test('a module by another name is the app’s to change, and gets no second worker beside it', async () => {
  const { files, left } = await written({
    'package.json': manifest('vite'),
    'public/service-worker.js': "import './a.js';\n",
  });
  expect(files).toEqual({});
  expect(left).toMatch(/public\/service-worker\.js is a module: bundle it with import \{ installPush \}/);
});

test('of several workers of one scope, none is changed', async () => {
  const several = {
    'package.json': manifest('vite'),
    'public/sw.js': 'self.a = 1;\n',
    'public/service-worker.js': 'self.b = 1;\n',
  };
  const { files, left } = await written(several);
  expect(files).toEqual({ 'public/supapush-sw.js': WORKER });
  expect(left).toMatch(
    /public\/sw\.js and public\/service-worker\.js are workers of the same scope.*importScripts\('\/supapush-sw\.js'\);/,
  );
  // One of them loads ours: it is the one that a person chose.
  const chosen = "importScripts('/supapush-sw.js');\n";
  expect((await written({ ...several, 'public/service-worker.js': chosen })).left).not.toContain(
    'same scope',
  );
});

test('a worker of that name that git ignores is one that a build writes', async () => {
  for (const worker of [{}, { 'public/service-worker.js': '// built\n' }]) {
    const { files, left } = await written({
      'package.json': manifest('vite'),
      '.gitignore': 'public/service-worker.js\n',
      ...worker,
    });
    expect(files).toEqual({ 'public/supapush-sw.js': WORKER });
    expect(left).toMatch(/^A build writes/);
  }
});

test('the worker of Firebase has a scope of its own, and is only named', async () => {
  const { files, left } = await written({
    'package.json': manifest('vite'),
    'public/firebase-messaging-sw.js': 'self;\n',
  });
  expect(files).toEqual({ 'public/sw.js': WORKER });
  expect(left).toMatch(/^public\/firebase-messaging-sw\.js is the worker of Firebase.* was left as it is/);
});

test('a worker in another encoding than UTF-8 is left as it is, to the byte, with the line to add', async () => {
  await withLookAlike(app({ 'package.json': manifest('vite'), 'public/x': '' }), async ({ folder, plan }) => {
    const path = join(folder, 'public/sw.js');
    const latin = Buffer.from("self.name = 'Caf\u00e9';\n", 'latin1');
    writeFileSync(path, latin);
    const { changes, left } = await plan();
    writeChanges(changes);
    expect(readFileSync(path)).toEqual(latin);
    expect(readFileSync(join(folder, 'public/supapush-sw.js'), 'utf8')).toBe(WORKER);
    expect(left).toContainEqual(
      expect.stringMatching(/public\/sw\.js is not in UTF-8.*importScripts\('\/supapush-sw\.js'\);/),
    );
  });
});

test('a byte order mark stays in front', async () => {
  const { files } = await written({ 'package.json': manifest('vite'), 'public/sw.js': '\uFEFFself;\n' });
  expect(files['public/sw.js']).toMatch(/^\uFEFFimportScripts.*\nself;\n$/);
});
