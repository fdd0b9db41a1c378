import type { Page } from 'puppeteer-core';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useFirefox } from './support/use-firefox.ts';

// A user writes something in the app, then clicks a notification. In a stock Firefox, with clicks that count as the user's.

const stack = useStack({ workers: { cron: false } });
const project = useApp(stack);
const firefox = useFirefox(stack, 'app');

/** A page in which a user has begun to write. */
async function writingIn(path: string): Promise<{ page: Page; user: string }> {
  const page = await firefox.openApp(path);
  await page.evaluate(async () => void (await appReady));
  const user = await project.signUp(page, 'anna');
  await project.subscribe(page);
  await page.evaluate(() => document.body.append(document.createElement('textarea')));
  await page.type('textarea', 'Dear Ben');
  return { page, user };
}
const written = (page: Page) => page.$eval('textarea', (area) => area.value);
const paths = async () =>
  (await firefox().urls())
    .filter((url) => url.startsWith(firefox.origin()))
    .map((url) => new URL(url).pathname)
    .sort();
const become = (expected: string[]) => eventually(paths, (now) => now.join() === expected.join());

test('a page without a router for us stays as it is, and the URL is opened in another tab', async () => {
  const { page, user } = await writingIn('/letter');
  await project.sql()`select push.notify(${user}, 'Acme is won', p_url => '/deals/7')`;
  await firefox().clickAlert('Acme is won');
  await become(['/deals/7', '/letter']);
  expect(await written(page)).toBe('Dear Ben');
});

test('a page that listens to onOpen goes there by itself, and keeps what is written', async () => {
  const { page, user } = await writingIn('/letter');
  await page.evaluate(() => {
    app.push.onOpen((path) => history.pushState(null, '', path));
  });
  await project.sql()`select push.notify(${user}, 'Acme is won', p_url => '/deals/7')`;
  await firefox().clickAlert('Acme is won');
  await become(['/deals/7']);
  expect(await written(page)).toBe('Dear Ben');
  expect(await project.receipts(user, 2)).toMatchObject([{ event: 'clicked' }, { event: 'displayed' }]);
});
