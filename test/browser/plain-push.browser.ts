import postgres from 'postgres';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encryptMessage } from '../../src/server/channels/webpush/message-encryption.ts';
import { MAX_PAYLOAD_BYTES } from '../../src/server/notification/payload.ts';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { createVapidKeys, sendPush } from '../unit/push-service/sender.ts';
import type {} from './pages/plain.ts';
import { createDealsApp } from './support/deals.ts';
import { useFirefox } from './support/use-firefox.ts';

// Firefox with nothing but its own Push API: what the quick start (docs/start/frontend.md) comes to without the SDK.

const vapidKeys = createVapidKeys();
const stack = useStack({
  workers: { cron: false },
  secrets: { VAPID_PUBLIC_KEY: vapidKeys.publicKey, VAPID_PRIVATE_KEY: vapidKeys.privateKey },
});
const firefox = useFirefox(stack, 'plain');
let sql: postgres.Sql;
let people = 0;

beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { max: 2, onnotice: () => {} });
  await createDealsApp(sql);
});
afterAll(() => sql?.end());

const signUp = (page: Page, name: string): Promise<string> =>
  page.evaluate((email) => plain.signUp(email), `${name}-${++people}@example.com`);
const subscribe = (page: Page): Promise<string> => page.evaluate(() => plain.subscribe());
const rowsOf = (endpoint: string) =>
  sql<{ user_id: string }[]>`select user_id from public.push_subscriptions where endpoint = ${endpoint}`;
const titles = async (): Promise<string[]> => (await firefox.alerts()).map(({ title }) => title);
const alert = (title: string) => eventually(titles, (shown) => shown.includes(title), 15_000);

test('a row that changes is shown by Firefox, and a click leads where the rule says', async () => {
  const page = await firefox.openApp();
  const anna = await signUp(page, 'anna');
  const endpoint = await subscribe(page);
  expect(await page.evaluate(() => plain.endpoints())).toEqual([endpoint]);
  expect(await rowsOf(endpoint)).toEqual([{ user_id: anna }]);

  const deal = await page.evaluate(() => plain.createDeal('Acme'));
  await page.evaluate((id) => plain.winDeal(id), deal);
  await alert('Acme is won');
  expect(await firefox.alerts()).toMatchObject([{ title: 'Acme is won', body: 'It was new until now.' }]);
  expect(await page.evaluate(() => plain.shown())).toEqual([
    {
      title: 'Acme is won',
      body: 'It was new until now.',
      tag: expect.stringMatching(/^[0-9a-f-]{36}$/),
      data: {
        deal,
        from: 'new',
        navigate: `/deals/${deal}`,
        bytes: expect.any(Number),
        supapush: expect.objectContaining({ notification_id: expect.any(String) }),
      },
    },
  ]);

  await firefox().clickAlert('Acme is won');
  await eventually(
    () => firefox().urls(),
    (urls) => urls.includes(`${firefox.origin()}/deals/${deal}`),
  );
  expect(await page.evaluate(() => plain.shown())).toEqual([]);
});

test('a browser that unsubscribed answers 410, and its row is gone', async () => {
  const page = await firefox.openApp();
  const anna = await signUp(page, 'anna');
  const endpoint = await subscribe(page);
  expect(await page.evaluate(() => plain.unsubscribe())).toBe(true);
  expect(await rowsOf(endpoint)).toHaveLength(1);
  await sql`select push.notify(${anna}, 'Too late')`;
  await eventually(
    () => rowsOf(endpoint),
    (rows) => rows.length === 0,
  );
  const pushed = stack().pushService.received.filter((request) => request.url === endpoint);
  expect(pushed.map(({ status }) => status)).toEqual([410]);
});

test('a message of the maximum size is encrypted, delivered and shown whole', async () => {
  const page = await firefox.openApp();
  await signUp(page, 'anna');
  const endpoint = await subscribe(page);
  const [keys] = await sql<{ p256dh: string; auth: string }[]>`
    select p256dh, auth from public.push_subscriptions where endpoint = ${endpoint}`;
  const { p256dh, auth } = keys ?? { p256dh: '', auth: '' };
  const frame = { notification: { title: 'Full', body: '' } };
  const body = 'x'.repeat(MAX_PAYLOAD_BYTES - JSON.stringify(frame).length);
  const encrypted = await encryptMessage(
    new TextEncoder().encode(JSON.stringify({ notification: { title: 'Full', body } })),
    {
      p256dh: new Uint8Array(Buffer.from(p256dh, 'base64url')),
      auth: new Uint8Array(Buffer.from(auth, 'base64url')),
    },
  );
  const subscription = { endpoint, expirationTime: null, keys: { p256dh, auth } };
  const sent = await sendPush(subscription, 'replaced', { vapidKeys, body: Buffer.from(encrypted) });
  expect(sent.status).toBe(201);
  await alert('Full');
  const [shown] = await page.evaluate(() => plain.shown());
  expect(shown).toMatchObject({ body, data: { bytes: MAX_PAYLOAD_BYTES } });
});

test('a push that comes while the network is away is shown when it is back', async () => {
  const page = await firefox.openApp();
  const anna = await signUp(page, 'anna');
  const endpoint = await subscribe(page);
  const { pushService } = stack();
  pushService.autopush.offline();
  await sql`select push.notify(${anna}, 'In the tunnel')`;
  await pushService.waitFor((request) => request.url === endpoint && request.status === 201);
  expect(await titles()).toEqual([]);
  pushService.autopush.online();
  await alert('In the tunnel');
});

test('the user who signs in on a browser gets its pushes, and the user before them no longer does', async () => {
  const page = await firefox.openApp();
  const anna = await signUp(page, 'anna');
  const endpoint = await subscribe(page);
  await page.evaluate(() => plain.signOut());
  const ben = await signUp(page, 'ben');
  expect(await subscribe(page)).toBe(endpoint);
  expect(await rowsOf(endpoint)).toEqual([{ user_id: ben }]);
  await sql`select push.notify(${anna}, 'For Anna')`;
  await sql`select push.notify(${ben}, 'For Ben')`;
  await alert('For Ben');
  expect(await titles()).toEqual(['For Ben']);
  expect(
    await sql`
      select from push.deliveries as d join public.push_notifications as n on n.id = d.notification_id
      where n.user_id = ${anna}`,
  ).toHaveLength(0);
});
