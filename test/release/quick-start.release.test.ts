import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { VERSION } from '../../src/shared/version.ts';
import { withoutTls } from '../../tools/quality/supabase-cli.ts';
import { type DemoVisitor, visitDemo } from '../browser/support/demo-visitor.ts';
import { type Firefox, startFirefox } from '../browser/support/firefox.ts';
import { type PageServer, startPageServer } from '../browser/support/page-server.ts';
import { eventually } from '../support/eventually.ts';
import { type QuickStart, readQuickStart } from '../support/quick-start.ts';
import { readWholeCatalog } from '../support/whole-catalog.ts';
import { type App, makeApp } from './support/app.ts';
import { DEALS_APP, DEALS_MANIFEST } from './support/deals-app.ts';
import { type HostedProject, startHostedProject } from './support/hosted-project.ts';
import type {} from './support/packed.ts';

// The quick start of the README, word by word, from an empty folder to the last trace: the packed package, the real CLI, a hosted
// project on loopback, a stock Firefox. Each test goes on where the one before it ended.

const log: string[] = [];
let home = '';
let hosted: HostedProject;
let quickStart: QuickStart;
let app: App;
let catalog: Awaited<ReturnType<typeof readWholeCatalog>>;
let server: PageServer;
let firefox: Firefox;
let visitor: DemoVisitor;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-release-'));
  // Under root, Postgres runs as another user and must pass through.
  await chmod(home, 0o711);
  [quickStart, hosted] = await Promise.all([
    readQuickStart('README.md', '## Quick start'),
    startHostedProject(home, (line) => void log.push(line)),
  ]);
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    console.error([...log.slice(-100), ...((await firefox?.said()) ?? [])].join('\n'));
});
afterAll(async () => {
  await firefox?.dispose();
  await server?.stop();
  await hosted?.stop();
  await rm(home, { recursive: true, force: true });
});

/** A line as its owner types it. The project is linked, at a terminal: what a link and a terminal would say is added. */
function type(line: string): Promise<string> {
  const { cloud, stack } = hosted;
  const linked = cloud.options.join(' ');
  const database = withoutTls(stack().databaseUrl);
  return app.run(
    line
      .replace(/supabase db push/, `$& --yes --db-url '${database}'`)
      .replace(/supabase secrets set [^&]*[^& ]/, `$& ${linked}`)
      .replace(/supabase functions deploy .*/, `$& ${linked}`)
      .replace(/supapush (init|uninstall)/, '$& --yes')
      .replace("'postgresql://postgres:…'", `'${stack().databaseUrl}' --project-url ${stack().url}`),
    cloud.environment,
  );
}

const shows = (title: string) =>
  eventually(
    () => firefox.alerts(),
    (alerts) => alerts.some((alert) => alert.title === title),
    20_000,
  );

/** The app as it is built, opened in a browser. */
async function open(): Promise<DemoVisitor> {
  await type('npm run build');
  const { url, publishableKey, vapidPublicKey, pushService } = hosted.stack();
  server = await startPageServer(join(app.folder, 'dist'), 'index', {
    supabaseUrl: url,
    publishableKey,
    vapidPublicKey,
  });
  firefox = await startFirefox(pushService);
  return visitDemo(await firefox.open(server.origin));
}

// Its limit is the five minutes of the README.
test('from an empty folder to the first push', async () => {
  const { stack } = hosted;
  app = await makeApp(home, { name: 'my-app', files: DEALS_APP, manifest: DEALS_MANIFEST });
  await app.write(
    '.env.local',
    `VITE_SUPABASE_URL=${stack().url}\nVITE_SUPABASE_PUBLISHABLE_KEY=${stack().publishableKey}\n`,
  );
  await app.git('init --quiet');
  await type('npx supabase init');
  // An app that exists, and is deployed.
  await type('npx supabase db push');
  catalog = await readWholeCatalog(stack().superuserDatabaseUrl);

  const [install, ...commands] = quickStart.commands;
  expect([install, commands.length]).toEqual(['npm install ./supapush-*.tgz', 4]);
  await app.install(inject('archive'));
  await app.git('add --all');
  await app.git("commit --quiet --message 'An app'");
  for (const line of commands) {
    await type(line);
    if (line.includes('functions deploy')) await hosted.serve();
  }
  expect(hosted.cloud.api.problems).toEqual([]);

  const component = 'src/Notifications.tsx';
  await app.write(component, quickStart.files.get(component) ?? '');
  await app.write(
    'src/App.tsx',
    (DEALS_APP['src/App.tsx'] ?? '')
      .replace('<Deals />', '<Deals />\n      <Notifications />')
      .replace("import { Deals } from './Deals';", "$&\nimport { Notifications } from './Notifications';"),
  );
  visitor = await open();
  await visitor.press('Turn on');
  await visitor.sees('This device');
  await visitor.press('Send a test');
  await shows('Notifications work');
});

test('a rule in a later migration of the app: what one tab changes is on the screen', async () => {
  const folder = 'supabase/migrations';
  const newest = (await readdir(join(app.folder, folder))).sort().at(-1) ?? '';
  expect(newest).toMatch(/^\d{14}_supapush_\d+_\d+_\d+\.sql$/);
  await app.write(`${folder}/${BigInt(newest.slice(0, 14)) + 1n}_tell_owners.sql`, quickStart.sql);
  await type('npx supabase db push');
  await visitor.press('Add a deal');
  await visitor.sees('Acme: new');
  await visitor.press('Win it');
  await shows('Acme is won');
});

test('doctor finds nothing wrong: in the folder, the database, the functions and the app', async () => {
  const { stack } = hosted;
  const said = await type(
    `npx supapush doctor --json --database-url '${stack().databaseUrl}' --project-url ${stack().url} ` +
      `--app-url ${server.origin} --publishable-key ${stack().publishableKey}`,
  );
  const { ok, parts } = JSON.parse(said) as {
    ok: boolean;
    parts: { part: string; skipped: string | null }[];
  };
  expect(ok).toBe(true);
  expect(parts).toEqual(
    ['folder', 'database', 'functions', 'app'].map((part) =>
      expect.objectContaining({ part, skipped: null }),
    ),
  );
});

test('uninstalled, the catalog is as before, and so is the folder but for the migrations and what its owner wrote', async () => {
  await rm(join(app.folder, 'supabase/functions/.env.supapush'));
  await type('npx supapush uninstall');
  await type('npx supabase db push');
  const { lines, extensions } = await readWholeCatalog(hosted.stack().superuserDatabaseUrl);
  const without = (all: string[]) => all.filter((line) => !line.startsWith('rows '));
  expect(without(lines)).toEqual(without(catalog.lines));
  expect(extensions).toEqual(catalog.extensions);

  const changed = (await app.git('status --porcelain --untracked-files=all')).trimEnd().split('\n');
  expect(changed).toEqual([
    ' M src/App.tsx',
    '?? src/Notifications.tsx',
    ...[`supapush_${VERSION.replaceAll('.', '_')}`, 'tell_owners', 'supapush_uninstall'].map((name) =>
      expect.stringMatching(`^\\?\\? supabase/migrations/\\d{14}_${name}\\.sql$`),
    ),
  ]);
});
