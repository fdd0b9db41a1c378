import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { type DemoPage, startDemoPage } from '../../tools/demo/demo-page.ts';
import { freeLoopbackPort } from '../../tools/local/loopback-port.ts';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { visitDemo } from './support/demo-visitor.ts';
import { type Firefox, startFirefox } from './support/firefox.ts';
import type {} from './support/firefox-profile.ts';

// Components, client, service worker and project together, in a stock Firefox: what a visitor does who tries Supapush.

const stack = useStack({ workers: { cron: false } });
let demo: DemoPage;
let firefox: Firefox;
let sql: postgres.Sql;

beforeAll(async () => {
  demo = await startDemoPage(stack(), { port: await freeLoopbackPort() });
  firefox = await startFirefox(stack().pushService, { template: inject('firefoxProfile') });
  sql = postgres(stack().databaseUrl, { max: 1, onnotice: () => {} });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error((await firefox.said()).join('\n'));
});
afterAll(async () => {
  await sql?.end();
  await firefox?.dispose();
  await demo?.stop();
});

const shows = async (title: string): Promise<void> =>
  void (await eventually(
    () => firefox.alerts(),
    (alerts) => alerts.some((alert) => alert.title === title),
    20_000,
  ));

test('a visitor signs up, turns notifications on, and follows a deal and an alert to the receipt', async () => {
  const visitor = visitDemo(await firefox.open(demo.url));
  await visitor.signIn('anna@example.com');
  await visitor.press('Turn on');
  await visitor.sees('Notifications are on');
  await visitor.sees('This device');
  const devices = await sql`
    select s.device_type from public.push_subscriptions as s join auth.users as u on u.id = s.user_id
    where u.email = 'anna@example.com'`;
  expect(devices).toEqual([{ device_type: 'desktop' }]);

  await visitor.move('Rocket', 'won');
  await shows('Rocket is won');
  await visitor.sees('displayed');
  const bell = await visitor.page.waitForSelector('[aria-label="Inbox, 1 unread"]');
  await bell?.click();
  await visitor.sees('It was new until now.');
  await firefox.clickAlert('Rocket is won');
  await eventually(
    () => firefox.urls(),
    (urls) => urls.some((url) => new URL(url).pathname === '/deals/1'),
  );
  await eventually(
    () => sql`select r.event from push.receipts as r order by r.event`,
    (rows) => rows.map(({ event }) => event).join() === 'clicked,displayed',
  );

  // The click marked it as read.
  await visitor.page.waitForSelector('[aria-label="Inbox"]');
  await visitor.addAlert('DAX', '18200');
  await visitor.sees('DAX rises to 18,200');
  await visitor.press('DAX +2%');
  await shows('🔴 DAX - Above 18200');
  await visitor.sees('Done');
});

test('a user who signs out is no longer notified here', async () => {
  const visitor = visitDemo(await firefox.open(demo.url));
  await visitor.sees('Rocket');
  await visitor.press('Sign out');
  await visitor.page.waitForSelector('#email');
  await eventually(
    () => sql`select from public.push_subscriptions`,
    (rows) => rows.length === 0,
  );
});

test('errors are shown, and a user who signs out without a network is signed out', async () => {
  const visitor = visitDemo(await firefox.open(demo.url));
  await visitor.signIn('carla@example.com');
  await visitor.page.evaluate(() => {
    window.fetch = () => Promise.reject(new TypeError('No network in the tunnel.'));
  });
  await visitor.move('Rocket', 'won');
  await visitor.sees('No network in the tunnel.');
  await visitor.press('Sign out');
  await visitor.page.waitForSelector('#email');
  await visitor.page.reload();
  await visitor.page.waitForSelector('#email');
  await visitor.page.close();
});

test('without a device, the inbox shows what was sent all the same', async () => {
  const visitor = visitDemo(await firefox.open(demo.url));
  await visitor.signIn('ben@example.com');
  await visitor.sees('No messages yet.');
  await visitor.move('Rocket', 'lost');
  await visitor.sees('only in the inbox, no device');
  await visitor.page.waitForSelector('[aria-label="Inbox, 1 unread"]');
});
