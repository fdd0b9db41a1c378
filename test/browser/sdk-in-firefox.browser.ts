import type { Page } from 'puppeteer-core';
import { expect, test } from 'vitest';
import webpush from 'web-push';
import { MAX_PAYLOAD_BYTES } from '../../src/server/notification/payload.ts';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useFirefox } from './support/use-firefox.ts';

declare global {
  /** In the page: how often its inbox changed. */
  var heard: number;
}

// The SDK's client and its ready service worker in a stock Firefox, from the subscription to the receipt.

const previous = webpush.generateVAPIDKeys();
const stack = useStack({
  workers: { cron: false },
  secrets: { VAPID_PREVIOUS_KEYS: JSON.stringify([previous]) },
});
const project = useApp(stack);
const firefox = useFirefox(stack, 'app');

const titles = async (): Promise<string[]> => (await firefox.alerts()).map(({ title }) => title);
const alert = (title: string) => eventually(titles, (shown) => shown.includes(title), 15_000);
const status = (page: Page) => page.evaluate(async () => (await appReady).push.status);
const openReady = async (path?: string): Promise<Page> => {
  const page = await firefox.openApp(path);
  await page.evaluate(async () => void (await appReady));
  return page;
};
const accepted = (endpoint: string) =>
  stack().pushService.waitFor((request) => request.url === endpoint && request.status === 201);

test('a row that changes is shown, a click opens its URL, and receipts of both arrive', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  expect(await status(page)).toBe('subscribed');
  const deal = await page.evaluate(() => app.createDeal('Acme'));
  await page.evaluate((id) => app.winDeal(id), deal);
  await alert('Acme is won');
  expect(await firefox.alerts()).toMatchObject([{ title: 'Acme is won', body: 'It was new until now.' }]);
  expect(await page.evaluate(shown)).toMatchObject([
    { title: 'Acme is won', body: 'It was new until now.', data: { deal, from: 'new' } },
  ]);

  await firefox().clickAlert('Acme is won');
  await eventually(
    () => firefox().urls(),
    (urls) => urls.includes(`${firefox.origin()}/deals/${deal}`),
  );
  expect(await project.receipts(anna, 2)).toEqual([
    { title: 'Acme is won', event: 'clicked' },
    { title: 'Acme is won', event: 'displayed' },
  ]);
});

test('a click without any tab opens the URL', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await firefox().closeTabs();
  await project.sql()`select push.notify(${anna}, 'No tab', p_url => '/elsewhere')`;
  await firefox().clickAlert('No tab');
  await eventually(
    () => firefox().urls(),
    (urls) => urls.includes(`${firefox.origin()}/elsewhere`),
  );
  expect(await project.receipts(anna, 2)).toHaveLength(2);
});

test('a test message comes to this device', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  const id = await page.evaluate(() => app.push.sendTest());
  const [found] = await eventually(
    () => page.evaluate(shown),
    ({ length }) => length > 0,
  );
  expect(found?.data.supapush).toMatchObject({ notification_id: id });
  expect(await project.receipts(anna, 1)).toMatchObject([{ event: 'displayed' }]);
});

test('other tabs learn that this device is subscribed, and that a message was shown', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const other = await openReady('/other');
  await other.evaluate(() => {
    globalThis.heard = 0;
    app.push.inbox.onChange(() => {
      globalThis.heard++;
    });
  });
  expect(await status(other)).toBe('granted');
  await project.subscribe(page);
  await eventually(
    () => status(other),
    (now) => now === 'subscribed',
  );
  await project.notify(anna, 'For every tab');
  await alert('For every tab');
  await eventually(
    () => other.evaluate(() => globalThis.heard),
    (heard) => heard > 0,
  );
});

test('unsubscribing deletes the row, and the endpoint is gone', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const { endpoint } = await project.subscribe(page);
  await page.evaluate(() => app.push.unsubscribe());
  expect(await project.devicesOf(anna)).toEqual([]);
  expect(await status(page)).toBe('granted');
  expect((await fetch(endpoint, { method: 'POST', headers: { TTL: '0' } })).status).toBe(410);
});

test('a subscription that the push service lost is replaced in its row, without a tab', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const before = await project.subscribe(page);
  await firefox().closeTabs();
  const { autopush } = stack().pushService;
  const uaid = autopush.userAgents.at(-1) ?? '';
  expect(autopush.forgetUserAgent(uaid)).toBe(true);
  const [after] = await eventually(
    () => project.devicesOf(anna),
    ([row]) => row?.endpoint !== before.endpoint,
  );
  expect(after).toEqual({ ...before, endpoint: after?.endpoint });
  await project.notify(anna, 'Found you again');
  await alert('Found you again');
});

test('after the VAPID key was rotated, the next load subscribes anew, in the same row', async () => {
  const { vapidPublicKey } = stack();
  await project.sql()`update push.settings set vapid_public_key = ${previous.publicKey}`;
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const before = await project.subscribe(page);
  expect(before.vapid_key).toBe(previous.publicKey);
  await project.notify(anna, 'By the old key');
  await alert('By the old key');

  await project.sql()`update push.settings set vapid_public_key = ${vapidPublicKey}`;
  await page.reload();
  expect(await status(page)).toBe('subscribed');
  const [after] = await project.devicesOf(anna);
  expect(after).toEqual({ ...before, endpoint: after?.endpoint, vapid_key: vapidPublicKey });
  expect(after?.endpoint).not.toBe(before.endpoint);
  await project.notify(anna, 'By the new key');
  await alert('By the new key');
});

test('a row that was lost is there again after the next load', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await project.sql()`delete from public.push_subscriptions where user_id = ${anna}`;
  await page.reload();
  expect(await status(page)).toBe('subscribed');
  await project.notify(anna, 'Back again');
  await alert('Back again');
});

test('a permission that is taken back takes the row with it, while the page is open', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await firefox().denyNotifications(firefox.origin());
  await eventually(
    () => project.devicesOf(anna),
    ({ length }) => length === 0,
  );
  await eventually(
    () => status(page),
    (now) => now === 'denied',
  );
});

test('a message that has the most bytes a push may have is shown', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const { endpoint } = await project.subscribe(page);
  // Data that leaves a part of the title its room: the rest is cut off, to the byte.
  await project.sql()`
    select push.notify(${anna}, ${'Full '.repeat(100)}, p_params => ${project.sql().json({ fill: 'x'.repeat(3500) })})`;
  const [{ size } = { size: 0 }] = await accepted(endpoint);
  // Without the encryption's header, tag and delimiter. The receipt keeps room for an id of 19 digits.
  const payload = size - 86 - 16 - 1;
  expect(payload).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
  expect(payload).toBeGreaterThan(MAX_PAYLOAD_BYTES - 19);
  const [found] = await eventually(
    () => page.evaluate(shown),
    ({ length }) => length > 0,
  );
  expect(found?.title).toMatch(/^Full Full.*…$/);
  expect(found?.data.fill).toHaveLength(3500);
});

/** In the page: what its service worker shows. */
async function shown(): Promise<{ title: string; body: string; data: Record<string, unknown> }[]> {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.getNotifications()).map(({ title, body, data }) => ({ title, body, data }));
}
