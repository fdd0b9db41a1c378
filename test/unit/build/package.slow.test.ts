import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packProject, runIn } from '../../support/packed-package.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

let home = '';
/** An app that has installed the package. */
let app = '';
/** The package as it is unpacked there. */
let installed = '';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-package-'));
  app = join(home, 'app');
  installed = join(app, 'node_modules/supapush');
  const archive = await packProject(home);
  await mkdir(installed, { recursive: true });
  await run('tar', ['xzf', archive, '--strip-components=1', '-C', installed], home);
  await writeFile(join(app, 'package.json'), JSON.stringify({ type: 'module' }));
});

afterAll(() => rm(home, { recursive: true, force: true }));

const run = (command: string, args: string[], cwd: string): Promise<string> =>
  runIn(home, command, args, cwd);

interface Manifest {
  exports: Record<string, string | { types: string; default: string }>;
}

const manifest = async (): Promise<Manifest> =>
  JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Manifest;

test('everything that is exported is there, and everything that is built for apps is exported', async () => {
  const { exports } = await manifest();
  for (const target of Object.values(exports)) {
    const files = typeof target === 'string' ? [target] : Object.values(target);
    for (const file of files)
      expect((await readFile(join(installed, file), 'utf8')).length).toBeGreaterThan(0);
  }
  const built = await readdir(join(installed, 'dist'), { recursive: true });
  const entries = built
    .filter((file) => /^device\/[^/]+\/index\.js$/.test(file))
    .map((file) => `./${basename(dirname(file))}`);
  expect(entries).toContain('./service-worker');
  expect(Object.keys(exports)).toEqual(expect.arrayContaining(entries));
  expect(built).not.toContain('left-over.js');
});

test('the archive holds what runs and deploys the project, and nothing of its tests and notes', async () => {
  const files = await readdir(installed, { recursive: true });
  for (const needed of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    '.env.example',
    'dist/sw.js',
    'src/server/functions/push-dispatch.ts',
    'supabase/config.toml',
    'supabase/functions/push-dispatch/deno.json',
    'supabase/migrations/20261121000000_supapush.sql',
    'docs/start/frontend.md',
    'examples/crm/README.md',
  ]) {
    expect(files).toContain(needed);
  }
  expect(
    files.filter((file) =>
      /^(test|\.ci|\.git|node_modules)(\/|$)|deno\.lock$|^supabase\/\.|\.env$/.test(file),
    ),
  ).toEqual([]);
});

test('an app imports the components and their stylesheet, and renders them on a server', async () => {
  for (const name of ['react', 'react-dom']) {
    await symlink(join(PROJECT, 'node_modules', name), join(app, 'node_modules', name));
  }
  const html = await run(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { createElement } from 'react';
       import { renderToString } from 'react-dom/server';
       import { InboxBell, PushProvider } from 'supapush/react';
       console.log(renderToString(createElement(PushProvider, { client: null }, createElement(InboxBell))));`,
    ],
    app,
  );
  expect(html).toContain('aria-label="Inbox"');
  const entry = await readFile(join(installed, 'dist/device/react/index.js'), 'utf8');
  expect(entry).toMatch(/^(\/\/.*\n)*['"]use client['"];/);
  expect((await manifest()).exports['./react.css']).toBe('./dist/device/react/supapush.css');
});

test('an app imports installPush, and gets the types of it with either library of TypeScript', async () => {
  const names = await run(
    process.execPath,
    ['-e', `import('supapush/service-worker').then((module) => console.log(Object.keys(module).join()))`],
    app,
  );
  expect(names.trim()).toBe('installPush');

  const worker = (scope: string): string => `
    import { installPush, type PushOptions } from 'supapush/service-worker';
    declare const scope: ${scope};
    const options: PushOptions = { allowOrigins: ['https://help.example'], onPush: (message) => { message.title += '!'; } };
    installPush(scope, options);
    // @ts-expect-error: there is no such way to open a page
    installPush(scope, { openIn: 'popup' });
  `;
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  for (const [lib, scope, resolution] of [
    ['webworker', 'ServiceWorkerGlobalScope', 'bundler'],
    ['dom', `import('supapush/service-worker').WorkerScope`, 'bundler'],
    ['webworker', 'ServiceWorkerGlobalScope', 'nodenext'],
  ] as const) {
    await writeFile(join(app, 'worker.ts'), worker(scope));
    const module = resolution === 'bundler' ? 'esnext' : 'nodenext';
    const options = [
      '--strict',
      '--noEmit',
      '--exactOptionalPropertyTypes',
      '--target',
      'es2022',
      '--types',
      '',
    ];
    await run(
      process.execPath,
      [
        tsc,
        ...options,
        '--lib',
        `es2022,${lib}`,
        '--module',
        module,
        '--moduleResolution',
        resolution,
        'worker.ts',
      ],
      app,
    );
  }
});

test('the ready service worker has at most 6.2 kB, compressed', async () => {
  const script = createRequire(join(app, 'package.json')).resolve('supapush/sw.js');
  expect(gzipSync(await readFile(script), { level: 9 }).length).toBeLessThanOrEqual(6200);
});

test('the ready service worker is left alone by linters of the app that copies it', async () => {
  expect(await readFile(join(installed, 'dist/sw.js'), 'utf8')).toMatch(/^\/\* eslint-disable /);
});
