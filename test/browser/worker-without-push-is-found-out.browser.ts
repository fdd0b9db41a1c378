import type { Page } from 'puppeteer-core';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useChromium } from './support/use-chromium.ts';
import { useFirefox } from './support/use-firefox.ts';

// What vite-plugin-pwa and its like put at /sw.js takes every message and shows none.

const stack = useStack({ workers: { cron: false } });
const project = useApp(stack);
const firefox = useFirefox(stack, 'app');
const chromium = useChromium(stack, 'app');

const subscribeWith = (page: Page, serviceWorker: string) =>
  page.evaluate(async (script) => {
    const push = (await appReady).makePush({ serviceWorker: script });
    return await push.subscribe().then(
      () => null,
      ({ code, message, hint }) => ({ code, message, hint }),
    );
  }, serviceWorker);

for (const [name, open] of [
  ['Firefox', () => firefox.openApp()],
  ['Chromium', () => chromium.openApp('granted')],
] as const) {
  test(`in ${name}, subscribing fails with what to do, and nothing is registered`, async () => {
    const page = await open();
    await page.evaluate(async () => void (await appReady));
    const anna = await project.signUp(page, 'anna');
    expect(await subscribeWith(page, '/empty-sw.js')).toEqual({
      code: 'worker_without_push',
      message: expect.stringContaining('/empty-sw.js'),
      hint: expect.stringContaining('importScripts'),
    });
    expect(await project.devicesOf(anna)).toEqual([]);
    const subscription = await page.evaluate(async () =>
      (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription(),
    );
    expect(subscription).toBeNull();
  });
}

test('with ours imported, the same worker shows messages', async () => {
  const page = await firefox.openApp();
  await page.evaluate(async () => void (await appReady));
  const anna = await project.signUp(page, 'anna');
  expect(await subscribeWith(page, '/importing-sw.js')).toBeNull();
  await project.notify(anna, 'Imported');
  await eventually(
    async () => (await firefox.alerts()).map(({ title }) => title),
    (titles) => titles.includes('Imported'),
    15_000,
  );
});

test('a worker that is replaced by one with ours is found to have it', async () => {
  const page = await firefox.openApp();
  await page.evaluate(async () => {
    await appReady;
    await navigator.serviceWorker.register('/empty-sw.js');
    await navigator.serviceWorker.ready;
  });
  await project.signUp(page, 'anna');
  expect(await subscribeWith(page, '/sw.js')).toBeNull();
});
