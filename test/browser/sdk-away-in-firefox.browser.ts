import type { Page } from 'puppeteer-core';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useFirefox } from './support/use-firefox.ts';

// A stock Firefox that is closed, or reaches its push service and not the project.

const stack = useStack({ workers: { cron: false } });
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

test('a push that comes while Firefox is closed is shown when it is opened, without a tab', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const { endpoint } = await project.subscribe(page);
  await firefox().quit();
  await project.notify(anna, 'While you were away');
  await accepted(endpoint);
  await firefox().start();
  await alert('While you were away');
  expect(await firefox().urls()).toEqual(['about:blank']);
  expect(await project.receipts(anna, 1)).toEqual([{ title: 'While you were away', event: 'displayed' }]);
});

test('receipts of what was shown and clicked offline arrive once the network is back', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await project.notify(anna, 'First');
  await alert('First');
  await project.receipts(anna, 1);
  firefox.network().down();
  await project.notify(anna, 'Second');
  await firefox().clickAlert('Second');
  await eventually(titles, (shown) => !shown.includes('Second'));
  expect(await project.receipts(anna, 1)).toEqual([{ title: 'First', event: 'displayed' }]);
  firefox.network().up();
  await project.notify(anna, 'Third');
  expect(await project.receipts(anna, 4)).toEqual([
    { title: 'First', event: 'displayed' },
    { title: 'Second', event: 'clicked' },
    { title: 'Second', event: 'displayed' },
    { title: 'Third', event: 'displayed' },
  ]);
});

test.each(['a page opens', 'a page is looked at', 'the network is back'])(
  'receipts of what was shown offline need no other message: they go when %s',
  async (when) => {
    const page = await openReady();
    const anna = await project.signUp(page, 'anna');
    await project.subscribe(page);
    firefox.network().down();
    await project.notify(anna, 'In the tunnel');
    await alert('In the tunnel');
    const waiting = () => page.evaluate(waitingReceipts);
    await eventually(waiting, (count) => count === 1);
    firefox.network().up();
    expect(await project.receipts(anna, 0)).toEqual([]);
    if (when === 'a page opens') await openReady('/other');
    else
      await page.evaluate(
        (event) => void window.dispatchEvent(new Event(event)),
        {
          'a page is looked at': 'visibilitychange',
          'the network is back': 'online',
        }[when] as string,
      );
    expect(await project.receipts(anna, 1)).toEqual([{ title: 'In the tunnel', event: 'displayed' }]);
    await eventually(waiting, (count) => count === 0);
  },
);

test('signing out offline signs out, and the project hears of it once the network is back', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  firefox.network().down();
  const told = await page.evaluate(async () => {
    const error = await app.signOut().then(
      () => null,
      ({ name }) => name,
    );
    return { error, status: app.push.status, told: await app.push.signOut(), after: app.push.status };
  });
  expect(told).toEqual({
    error: 'AuthRetryableFetchError',
    status: 'subscribed',
    told: false,
    after: 'signed-out',
  });
  expect(await project.devicesOf(anna)).toHaveLength(1);
  firefox.network().up();
  await page.reload();
  await page.evaluate(async () => void (await appReady));
  expect(await status(page)).toBe('signed-out');
  await eventually(
    () => project.devicesOf(anna),
    ({ length }) => length === 0,
  );
});

test('what was done in the app offline is made good once the network is back', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  const { endpoint } = await project.subscribe(page);
  await project.notify(anna, 'Read in the tunnel');
  await accepted(endpoint);
  const [item] = await page.evaluate(() => app.push.inbox.page());
  expect(item?.readAt).toBeNull();

  firefox.network().down();
  await page.evaluate(async (id) => {
    await app.push.inbox.markRead([id]);
    await app.push.preferences.mute('news');
  }, item?.id ?? '');
  firefox.network().up();
  await page.reload();
  await page.evaluate(async () => void (await appReady));
  expect((await page.evaluate(() => app.push.inbox.page()))[0]?.readAt).toEqual(expect.any(String));
  expect(await page.evaluate(() => app.push.preferences.get())).toMatchObject({
    mutedCategories: ['news'],
  });
});

/** In the page: how many receipts its service worker could not send yet. */
function waitingReceipts(): Promise<number> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('supapush');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const counting = opening.result.transaction('receipts').objectStore('receipts').count();
      counting.onsuccess = () => {
        opening.result.close();
        resolve(counting.result);
      };
    };
  });
}
