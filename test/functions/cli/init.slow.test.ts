import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyFunctions } from '../../../tools/deploy/verify-deploy.ts';
import { applyMigrations } from '../../../tools/local/postgres/migrations.ts';
import { runSupabase, withoutTls } from '../../../tools/quality/supabase-cli.ts';
import { packProject, runIn } from '../../support/packed-package.ts';
import { makeNext } from '../../support/planted-package.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { textsOf } from '../../unit/cli/init/look-alike.ts';
import { PROJECT } from '../deploy/planted-project.ts';

// From the packed package into an app like those in public: migrations of its own that are newer than ours, a src of its own, a
// tsconfig that takes every file, functions of its own.

const NEWEST = '20991231235959';
const APP: Record<string, string> = {
  'package.json': JSON.stringify({ type: 'module', devDependencies: { next: '16' } }),
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      strict: true,
      noEmit: true,
      allowJs: true,
      checkJs: true,
      skipLibCheck: true,
      target: 'es2022',
      module: 'esnext',
      moduleResolution: 'bundler',
      types: [],
    },
    include: ['**/*.ts', '**/*.js'],
  }),
  'src/server/index.ts': 'export const mine: number = 1;\n',
  '.gitignore': 'node_modules\n.env*\n',
  'supabase/config.toml':
    'project_id = "shop" # ours\n\n[api]\nschemas = ["public"]\n\n[functions.hello]\nverify_jwt = true',
  'supabase/functions/hello/index.ts':
    "(globalThis as unknown as { Deno: { serve(handler: () => Response): void } }).Deno.serve(() => Response.json({ status: 'ok' }));\n",
  'supabase/functions/hello/deno.json': '{ "imports": {} }\n',
  'supabase/migrations/20240101000000_orders.sql':
    'create table public.orders (id bigint primary key, owner uuid references auth.users);\nalter table public.orders enable row level security;\n',
  [`supabase/migrations/${NEWEST}_more.sql`]: 'insert into public.orders values (1);\n',
};

let home = '';
let app = '';
let database: TestDatabase;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-look-alike-'));
  app = join(home, 'app');
  for (const [path, text] of Object.entries(APP)) {
    await mkdir(dirname(join(app, path)), { recursive: true });
    await writeFile(join(app, path), text);
  }
  const archive = await packProject(home);
  const installed = join(home, 'installed/node_modules/supapush');
  await mkdir(installed, { recursive: true });
  await runIn(home, 'tar', ['xzf', archive, '--strip-components=1', '-C', installed], home);
  for (const name of ['smol-toml', 'postgres', 'zod'])
    await symlink(join(PROJECT, 'node_modules', name), join(home, 'installed/node_modules', name));
  database = await createTestDatabase({ migrations: false });
});
afterAll(async () => {
  await database?.drop();
  await rm(home, { recursive: true, force: true });
});

function supapush(...args: string[]) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [join(home, 'installed/node_modules/supapush/dist/cli/supapush.js'), ...args],
      { cwd: app, env: { PATH: process.env.PATH } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

const applied = () => applyMigrations({ url: database.url, directory: join(app, 'supabase/migrations') });
const OURS = '21000101000000_supapush_0_1_0.sql';

test('nothing is written without a word: no terminal, --dry-run, or --json alone', async () => {
  const before = await textsOf(app);
  const asked = await supapush('init');
  expect([asked.code, asked.stdout]).toEqual([2, '']);
  expect(asked.stderr).toMatch(/^There is no terminal to ask at\. Give --yes/);
  expect((await supapush('init', '--json')).code).toBe(2);
  const dry = await supapush('init', '--dry-run');
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain(`create    supabase/migrations/${OURS}`);
  expect(dry.stdout).toContain('Nothing was written: --dry-run.');
  expect(await textsOf(app)).toEqual(before);
});

test('tables of ours that the app has stop it, exit code 1, and nothing is written', async () => {
  const path = join(app, 'supabase/migrations/20240202000000_push.sql');
  await writeFile(path, 'create table public.push_subscriptions (id int);\n');
  const before = await textsOf(app);
  const { code, stderr } = await supapush('init', '--yes');
  expect(code).toBe(1);
  expect(stderr).toContain(
    'table public.push_subscriptions, made by supabase/migrations/20240202000000_push.sql',
  );
  expect(await textsOf(app)).toEqual(before);
  await rm(path);
});

test('it is written once, keeps what is the app’s, and a second run changes nothing', async () => {
  // What is deployed before.
  expect(await applied()).toHaveLength(2);
  const { code, stdout } = await supapush('init', '--yes', '--json');
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as {
    written: boolean;
    changes: { path: string; kind: string }[];
    next: string[];
  };
  expect(report.written).toBe(true);
  expect(report.next).toHaveLength(3);
  expect(report.next[1]).toContain(
    'functions deploy push-dispatch push-events push-health push-quotes --use-api',
  );
  const written = await textsOf(app);
  expect(Object.keys(written).sort()).toEqual(
    [...new Set([...Object.keys(APP), ...report.changes.map(({ path }) => path)])].sort(),
  );
  for (const [path, text] of Object.entries(APP)) expect(written[path]?.startsWith(text), path).toBe(true);

  const again = await supapush('init', '--yes');
  expect(again.code).toBe(0);
  expect(again.stdout).toContain('All of it is there: nothing was changed.');
  // Without a word it may say so, too.
  expect((await supapush('init')).code).toBe(0);
  expect(await textsOf(app)).toEqual(written);
});

test('doctor finds what init leaves to do, and nothing else, by the files of the package', async () => {
  const { code, stdout } = await supapush('doctor', '--only', 'folder', '--json');
  expect(code).toBe(1);
  const { version, findings } = JSON.parse(stdout) as { version: string; findings: { code: string }[] };
  expect([version, findings.map((finding) => finding.code)]).toEqual(['0.1.0', ['secrets_missing']]);
  const wrongly = await supapush('doctor', '--only', 'moon');
  expect([wrongly.code, wrongly.stdout]).toEqual([2, '']);
});

test('the migration applies after the app’s own, and the app’s data stay', async () => {
  expect(await applied()).toEqual([OURS]);
  expect(await applied()).toEqual([]);
  const [row] = await database.sql<{ orders: number; queued: number }[]>`
    select (select count(*)::int from public.orders) as orders, (select count(*)::int from push.queue) as queued`;
  expect(row).toEqual({ orders: 1, queued: 0 });
});

test('the functions are deployed by the real CLI and start from what was uploaded, beside the app’s own', async () => {
  const results = await verifyFunctions(app);
  expect(results.flatMap(({ problems }) => problems)).toEqual([]);
  expect(results.map(({ name }) => name.split(':')[0])).toEqual(
    [
      'supabase functions deploy --use-api',
      'hello',
      'push-dispatch',
      'push-events',
      'push-health',
      'push-quotes',
    ].flatMap((name, index) => (index === 0 ? [name] : [name, name])),
  );
});

test('the compiler of the app has no word about them, though it takes every file', async () => {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const check = () => runIn(home, process.execPath, [tsc, '--pretty', 'false'], app);
  await expect(check()).resolves.toBe('');
  await writeFile(join(app, 'src/server/index.ts'), 'export const mine: string = 1;\n');
  await expect(check()).rejects.toThrow('TS2322');
});

test('secrets go into a file of their own, where the next commands look', async () => {
  const made = await supapush('secrets', '--subject', 'mailto:push@example.com');
  expect(made.stdout).toContain('Next: npx supabase secrets set --env-file supabase/functions/.env.supapush');
  expect((await supapush('vapid')).stdout).toMatch(/^newest {2}\S{87}\n$/);
});

test('a package of a later release upgrades it: shown first, written once, what was changed is kept', async () => {
  const same = await supapush('upgrade');
  expect([same.code, same.stdout]).toEqual([
    0,
    expect.stringContaining('This project is of 0.1.0: nothing was changed.'),
  ]);
  await makeNext(join(home, 'installed/node_modules/supapush'));
  const index = 'supabase/functions/push-events/index.ts';
  const changed = `${await readFile(join(app, index), 'utf8')}console.log('mine');\n`;
  await writeFile(join(app, index), changed);
  const before = await textsOf(app);

  expect((await supapush('init', '--yes')).stderr).toContain('Run: npx supapush upgrade');
  const asked = await supapush('upgrade');
  expect([asked.code, asked.stderr.split('\n')[0]]).toEqual([
    2,
    expect.stringMatching(/no terminal to ask at/),
  ]);
  expect((await supapush('upgrade', '--json')).code).toBe(2);
  const dry = await supapush('upgrade', '--dry-run');
  expect(dry.code).toBe(0);
  for (const line of [
    /^Supapush 0\.1\.0 → 0\.2\.0, in /m,
    /^ {2}create {4}supabase\/migrations\/21000101000001_supapush_0_2_0\.sql$/m,
    /^ {2}replace {3}supabase\/functions\/push-events\/supapush\.js$/m,
    /^ {2}replace {3}public\/sw\.js$/m,
    /^ {2}kept {6}supabase\/functions\/push-events\/index\.ts$/m,
    /^- console\.log\('mine'\);$/m,
    /^\+ \/\/ of 0\.2\.0$/m,
    /^- Deliveries have an origin\.$/m,
    /^ {2}1\. npx supabase db push$/m,
    /^ {2}2\. npx supabase functions deploy push-dispatch push-events push-health push-quotes --use-api$/m,
  ])
    expect(dry.stdout).toMatch(line);
  expect(await textsOf(app)).toEqual(before);

  const { stdout } = await supapush('upgrade', '--yes', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    from: '0.1.0',
    version: '0.2.0',
    written: true,
    next: { length: 2 },
  });
  const written = await textsOf(app);
  expect(written[index]).toBe(changed);
  expect(await applied()).toEqual(['21000101000001_supapush_0_2_0.sql']);
  expect((await supapush('upgrade', '--yes')).stdout).toContain(
    'This project is of 0.2.0: nothing was changed.',
  );
  expect(await textsOf(app)).toEqual(written);
  // As the release has it, once it is out of the way.
  await rm(join(app, index));
  expect((await supapush('upgrade', '--yes')).stdout).toContain('Written.');
});

test('uninstall counts and exports what goes, and leaves the app as it was, but for the migrations and the secrets', async () => {
  await writeFile(join(app, 'src/server/index.ts'), APP['src/server/index.ts'] ?? '');
  const user = await createUser(database.sql);
  const device = createSubscription();
  await subscribe(database.sql, user.id, device);
  const url = ['--database-url', database.url];
  const dry = await supapush('uninstall', '--dry-run', ...url);
  expect(dry.stdout).toMatch(/^The migration deletes \d+ rows:$/m);
  expect(dry.stdout).toMatch(/^ +1 {2}public\.push_subscriptions$/m);
  expect((await supapush('uninstall', '--yes', '--export', 'devices.jsonl')).code).toBe(2);

  const { code, stdout } = await supapush(
    'uninstall',
    '--yes',
    '--json',
    '--export',
    'devices.jsonl',
    ...url,
  );
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as { written: boolean; exported: number; left: string[]; next: string[] };
  expect(report).toMatchObject({ written: true, exported: 1 });
  expect(report.left).toHaveLength(1);
  expect(report.left[0]).toContain('.env.supapush was left');
  const exported = join(app, 'devices.jsonl');
  expect(JSON.parse(await readFile(exported, 'utf8'))).toMatchObject({
    table: 'push_subscriptions',
    user_id: user.id,
    subscription: { endpoint: device.endpoint, keys: { p256dh: device.p256dh, auth: device.auth } },
  });
  expect((await stat(exported)).mode & 0o777).toBe(0o600);
  expect((await supapush('uninstall', '--yes', '--export', 'devices.jsonl', ...url)).stderr).toContain(
    'devices.jsonl is there',
  );
  await rm(exported);

  // By the real CLI, which divides a file into statements in its own way.
  const up = await runSupabase(['migration', 'up', '--db-url', withoutTls(database.url)], {
    project: app,
    home,
  });
  expect([up.exitCode, up.output]).toEqual([
    0,
    expect.stringMatching(/^Applying migration \d+_supapush_uninstall\.sql/m),
  ]);
  const [row] = await database.sql`
    select to_regnamespace('push') is null as gone, (select count(*)::int from public.orders) as orders`;
  expect(row).toEqual({ gone: true, orders: 1 });

  const { 'supabase/functions/.env.supapush': _, ...left } = await textsOf(app);
  const own = Object.entries(left).filter(([path]) => !/_supapush_\w+\.sql$|^supabase\/\.temp\//.test(path));
  // The last line of config.toml had no end, and the lines of .gitignore stay beside the secrets.
  const expected = { ...APP, 'supabase/config.toml': `${APP['supabase/config.toml']}\n` };
  expect(Object.fromEntries(own)).toEqual({
    ...expected,
    '.gitignore': expect.stringContaining(APP['.gitignore'] ?? ''),
  });
});
