import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import postgres from 'postgres';
import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { packProject } from '../support/packed-package.ts';
import { type QuickStart, readQuickStart } from '../support/quick-start.ts';
import { useStack } from '../support/stack.ts';
import { COMPILER, INDEX } from '../support/vite-app.ts';
import { visitDemo } from './support/demo-visitor.ts';
import { type Firefox, startFirefox } from './support/firefox.ts';
import type {} from './support/firefox-profile.ts';
import { type PageServer, startPageServer } from './support/page-server.ts';
import { buildQuickStartApp } from './support/quick-start-app.ts';

// What docs/start/frontend.md says, followed word by word: a new app of Vite's that installs the packed package.

const stack = useStack({ workers: { cron: false } });
const servers: PageServer[] = [];
let home = '';
let archive = '';
let quickStart: QuickStart;
let firefox: Firefox;
let sql: postgres.Sql;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-quick-start-'));
  [archive, quickStart, firefox] = await Promise.all([
    packProject(home),
    readQuickStart('docs/start/frontend.md', '## In five minutes'),
    startFirefox(stack().pushService, { template: inject('firefoxProfile') }),
  ]);
  sql = postgres(stack().databaseUrl, { max: 1, onnotice: () => {} });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error((await firefox.said()).join('\n'));
  await firefox.closeTabs();
  await firefox.closeAlerts();
});
afterAll(async () => {
  await sql?.end();
  await firefox?.dispose();
  for (const server of servers) await server.stop();
  await rm(home, { recursive: true, force: true });
});

const MAIN_TSX = `import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import App from './App.tsx';

createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>);
`;

/** Makes an app of these files, and opens it. */
async function openApp(name: string, files: string[], template: Record<string, string>): Promise<Page> {
  const { url, publishableKey, vapidPublicKey } = stack();
  const folder = await buildQuickStartApp(home, archive, quickStart, {
    name,
    files,
    template: {
      'package.json': JSON.stringify({ name, private: true, type: 'module' }),
      'tsconfig.json': COMPILER,
      ...template,
    },
    environment: { VITE_SUPABASE_URL: url, VITE_SUPABASE_PUBLISHABLE_KEY: publishableKey },
  });
  const server = await startPageServer(folder, 'index', {
    supabaseUrl: url,
    publishableKey,
    vapidPublicKey,
  });
  servers.push(server);
  return await firefox.open(server.origin);
}

const shows = (title: string) =>
  eventually(
    () => firefox.alerts(),
    (alerts) => alerts.some((alert) => alert.title === title),
    20_000,
  );

const devices = async (): Promise<number> => (await sql`select from public.push_subscriptions`).length;

test('what is installed is what is packed', () => {
  expect(quickStart.commands.filter((line) => /^npm (pack|install)/.test(line))).toEqual([
    'npm pack --pack-destination ../my-app',
    'npm install ./supapush-*.tgz @supabase/supabase-js',
  ]);
  expect(basename(archive)).toMatch(/^supapush-.*\.tgz$/);
});

test('a button registers the device and shows a test; a line of SQL is shown, clicked and reported', async () => {
  const page = await openApp('my-app', ['src/push.ts', 'src/main.ts'], { 'index.html': INDEX('main.ts') });
  const visitor = visitDemo(page);
  await visitor.press('Notify me');
  await visitor.sees('subscribed');
  await shows('Notifications work');
  expect(await devices()).toBe(1);

  await sql.unsafe(quickStart.sql);
  await shows('Hello');
  await firefox.clickAlert('Hello');
  const received = await eventually(
    () => sql`
      select r.event
      from push.receipts as r
      join push.deliveries as d on d.id = r.delivery_id
      join public.push_notifications as n on n.id = d.notification_id
      where n.title = 'Hello'
      order by r.event`,
    ({ length }) => length === 2,
    20_000,
  );
  expect(received.map(({ event }) => event)).toEqual(['clicked', 'displayed']);
});

test('with React, the prompt turns notifications on, and the settings send a test', async () => {
  const before = await devices();
  const page = await openApp('my-react-app', ['src/push.ts', 'src/App.tsx'], {
    'index.html': INDEX('main.tsx'),
    'src/main.tsx': MAIN_TSX,
  });
  const visitor = visitDemo(page);
  await visitor.sees('Notification settings');
  await visitor.press('Turn on');
  await visitor.sees('This device');
  expect(await devices()).toBe(before + 1);
  await visitor.press('Send a test');
  await shows('Notifications work');
  // The stylesheet came along.
  expect(await page.$eval('.supapush', (element) => getComputedStyle(element).textAlign)).toBe('start');
});
