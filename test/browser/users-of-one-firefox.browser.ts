import type { Page } from 'puppeteer-core';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useFirefox } from './support/use-firefox.ts';

// Users who follow each other in a stock Firefox: what is one's is neither sent nor left to the next.

const stack = useStack({ workers: { cron: false } });
const project = useApp(stack);
const firefox = useFirefox(stack, 'app');

const titles = async (): Promise<string[]> => (await firefox.alerts()).map(({ title }) => title);
const alert = (title: string) => eventually(titles, (shown) => shown.includes(title), 15_000);
const openReady = async (): Promise<Page> => {
  const page = await firefox.openApp();
  await page.evaluate(async () => void (await appReady));
  return page;
};

test('the second user of a browser gets its pushes, and the first no longer', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await page.evaluate(() => app.signOut());
  await eventually(
    () => project.devicesOf(anna),
    ({ length }) => length === 0,
  );
  const ben = await project.signUp(page, 'ben');
  await project.subscribe(page);
  await project.notify(anna, 'For Anna');
  await project.notify(ben, 'For Ben');
  await alert('For Ben');
  expect(await titles()).toEqual(['For Ben']);
  expect(await project.devicesOf(anna)).toEqual([]);
  expect(await project.devicesOf(ben)).toHaveLength(1);
});

test('messages shown go when the user signs out or another signs in, and do not count as dismissed', async () => {
  const page = await openReady();
  const anna = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await project.notify(anna, 'For Anna');
  await alert('For Anna');
  expect(await project.receipts(anna, 1)).toHaveLength(1);
  await page.evaluate(() => app.signOut());
  await eventually(titles, ({ length }) => length === 0);
  expect(await page.evaluate(countShown)).toBe(0);

  const ben = await project.signUp(page, 'ben');
  await project.subscribe(page);
  await project.notify(ben, 'For Ben');
  await alert('For Ben');
  const carla = await project.signUp(page, 'carla');
  await eventually(titles, ({ length }) => length === 0);
  // One that comes later reports what waits before it.
  await eventually(
    () => project.devicesOf(carla),
    ({ length }) => length === 1,
  );
  await project.notify(carla, 'For Carla');
  await alert('For Carla');
  expect(await project.receipts(carla, 1)).toEqual([{ title: 'For Carla', event: 'displayed' }]);
  expect(await project.receipts(ben, 1)).toEqual([{ title: 'For Ben', event: 'displayed' }]);
  expect(await project.receipts(anna, 1)).toEqual([{ title: 'For Anna', event: 'displayed' }]);
});

/** In the page: how much its service worker shows. */
async function countShown(): Promise<number> {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.getNotifications()).length;
}
