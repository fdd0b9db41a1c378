import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEnvironmentFile } from '../../../src/cli/environment-file.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { newerThan } from '../../support/newer-than.ts';
import { installPackage, packProject, runIn } from '../../support/packed-package.ts';
import { runPageTest } from '../../support/page-test.ts';
import { createTestDatabase } from '../../support/postgres.ts';

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
  await mkdir(app);
  await writeFile(join(app, 'package.json'), JSON.stringify({ type: 'module' }));
  await installPackage(home, archive, app);
});

afterAll(() => rm(home, { recursive: true, force: true }));

const run = (command: string, args: string[], cwd: string): Promise<string> =>
  runIn(home, command, args, cwd);

interface Manifest {
  version: string;
  bin: Record<string, string>;
  dependencies: Record<string, string>;
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

test('the archive holds what an app needs, and nothing of our sources, tests, tools and examples', async () => {
  const files = await readdir(installed, { recursive: true });
  for (const needed of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist/sw.js',
    'dist/cli/supapush.js',
    'dist/functions/push-dispatch/index.js',
    'dist/functions/push-dispatch/serve.ts',
    'dist/functions/LICENSES.txt',
    'supabase/config.toml',
    'supabase/migrations/20261121000000_supapush.sql',
    'docs/start/frontend.md',
  ]) {
    expect(files).toContain(needed);
  }
  expect(new Set(files.map((file) => file.split('/')[0]))).toEqual(
    new Set([
      'dist',
      'docs',
      'supabase',
      'package.json',
      ...files.filter((file) => /^[A-Z]+(\.md)?$/.test(file)),
    ]),
  );
  expect(
    files.filter((file) => /(?<!\.d)\.tsx?$/.test(file) && !/^dist\/functions\/.*\/serve\.ts$/.test(file)),
  ).toEqual([]);
  expect(files.filter((file) => file.startsWith('supabase/')).sort()).toEqual([
    'supabase/config.toml',
    'supabase/migrations',
    'supabase/migrations/20261121000000_supapush.sql',
  ]);
});

test('what a browser loads imports no run-time dependency of the package', async () => {
  const { dependencies } = await manifest();
  const files = (await readdir(join(installed, 'dist'), { recursive: true })).filter((file) =>
    /^(device\/.*|shared\/.*|sw)\.js$/.test(file),
  );
  expect(files.length).toBeGreaterThan(50);
  const imported = new Set<string>();
  for (const file of files) {
    const code = await readFile(join(installed, 'dist', file), 'utf8');
    for (const [, name = ''] of code.matchAll(
      /^(?:import|export)(?:[\w\s{},*$]*?\bfrom)?\s*['"]([^'"]+)['"]/gm,
    )) {
      if (!name.startsWith('.')) imported.add(name);
    }
  }
  expect([...imported].sort()).toEqual(['react', 'react/jsx-runtime']);
  expect(Object.keys(dependencies).sort()).toEqual(['postgres', 'smol-toml', 'zod']);
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

test('an app tests its pushes as the page says, with nothing but what the package brings', async () => {
  const database = await createTestDatabase();
  expect(await runPageTest('docs/guides/testing.md', app, database.url)).toMatch(/pass 2\n.*fail 0/s);
  await database.drop();
});

test('the ready service worker has at most 6.2 kB, compressed', async () => {
  const script = createRequire(join(app, 'package.json')).resolve('supapush/sw.js');
  expect(gzipSync(await readFile(script), { level: 9 }).length).toBeLessThanOrEqual(6200);
});

test('the ready service worker is left alone by linters of the app that copies it', async () => {
  expect(await readFile(join(installed, 'dist/sw.js'), 'utf8')).toMatch(/^\/\* eslint-disable /);
});

/** A user's call; each takes a second. */
const npx = (...args: string[]) => runIn(home, 'npx', ['--no-install', 'supapush', ...args], app);

/** Runs the command without npx, which has exit codes of its own. */
function supapush(args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [join(installed, 'dist/cli/supapush.js'), ...args],
      { cwd: app, env: { PATH: process.env.PATH, ...env } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** The files that a call loads, as V8 saw them. */
async function loadedBy(args: string[]): Promise<string[]> {
  const folder = await mkdtemp(join(home, 'coverage-'));
  await supapush(args, { NODE_V8_COVERAGE: folder });
  const [report = ''] = await readdir(folder);
  const { result } = JSON.parse(await readFile(join(folder, report), 'utf8')) as {
    result: { url: string }[];
  };
  return result
    .filter(({ url }) => url.startsWith('file:'))
    .map(({ url }) => relative(installed, fileURLToPath(url)))
    .sort();
}

describe('npx supapush, where the package is installed', () => {
  test('--help names every command and --version the version', async () => {
    const { stdout: help } = await supapush(['--help']);
    for (const name of ['secrets', 'connect', 'vapid']) expect(help).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(await npx('--version')).toBe(`${(await manifest()).version}\n`);
  });

  test('--help loads nothing but itself and how it answers', async () => {
    const OWN = ['dist/cli/run-command.js', 'dist/cli/supapush.js', 'dist/shared/errors.js'];
    expect(await loadedBy(['--help'])).toEqual(OWN);
    const more = await loadedBy(['secrets', '--help']);
    expect(more).toContain('dist/cli/secrets.js');
    expect(more.filter((file) => !file.startsWith('dist/'))).toEqual([]);
    expect(await loadedBy(['connect', '--help'])).not.toContainEqual(expect.stringContaining('postgres'));
  });

  test.each([
    [['nonsense'], 'There is no command nonsense.'],
    [['constructor'], 'There is no command constructor.'],
    [[], 'Say which command.'],
    [['--yes'], 'There is no command --yes.'],
    [['vapid', 'melt'], 'There is no melt.'],
  ])('%j is called wrongly, exit code 2', async (args, reason) => {
    const { code, stdout, stderr } = await supapush(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(reason);
    expect(stderr).toContain('Usage: ');
  });

  test('makes, shows and rotates keys, and names itself as it is called', async () => {
    const { stdout: made } = await supapush(['secrets', '--subject', 'mailto:push@example.com']);
    const { VAPID_PUBLIC_KEY: publicKey = '', VAPID_PRIVATE_KEY: privateKey = '' } = parseEnvironmentFile(
      await readFile(join(app, '.env'), 'utf8'),
    );
    expect(made).toContain(publicKey);
    await importVapidKeys({ publicKey, privateKey, subject: 'mailto:push@example.com' });
    expect(await npx('vapid')).toBe(`newest  ${publicKey}\n`);
    expect((await supapush(['vapid', 'rotate'])).stdout).toContain('then npx supapush connect,');
    expect((await supapush(['vapid'])).stdout).toContain(`older   ${publicKey}\n`);
    expect((await supapush(['connect', '--help'])).stdout).toMatch(
      /^Usage: npx supapush connect --database-url /,
    );
  });

  test('uses nothing that Node 20.12 lacks', async () => {
    const files = (await readdir(join(installed, 'dist'), { recursive: true })).filter((file) =>
      /^(cli|server|shared|testing)\/.*\.js$/.test(file),
    );
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) {
      const code = await readFile(join(installed, 'dist', file), 'utf8');
      const found = newerThan(['nodejs20.12'], code.replace(/^\s*(\/\/|\/?\*).*$/gm, ''));
      // Members are left out: by their name alone, most are our own (`.endpoint`). So are two of our words, which windows have.
      expect(
        found.filter(({ name }) => !/^(\.|origin$|Location$)/.test(name)),
        file,
      ).toEqual([]);
    }
    expect(newerThan(['nodejs20.12'], 'URL.parse(text)')).toContainEqual(
      expect.objectContaining({ name: 'URL.parse' }),
    );
  });
});
