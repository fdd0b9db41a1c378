import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { PushClientError } from '../../../src/device/client/push-client-error.ts';
import { type ClientBrowser, createBrowser, signUp } from '../../support/client-browser.ts';
import { clientRefusalOf } from '../../support/client-refusal.ts';
import { eventually } from '../../support/eventually.ts';
import { useStack } from '../../support/stack.ts';

// What page and service worker say to each other.

const stack = useStack({ functions: false, workers: { net: false, cron: false } });
let browser: ClientBrowser;
// Time goes on, and can be made to leap.
const FAKED = { toFake: ['setTimeout', 'clearTimeout'] as const, shouldAdvanceTime: true } as never;

beforeEach(async () => {
  browser = createBrowser(stack());
  await signUp(browser.supabase);
});
afterEach(() => {
  vi.useRealTimers();
  browser.close();
});

/** Waits until the worker was asked, and lets the time pass that it has to answer. */
async function askInVain(): Promise<void> {
  await eventually(
    () => browser.hellos,
    (count) => count > 0,
  );
  await vi.advanceTimersByTimeAsync(10_000);
}

test('a worker without our handler is found out before the browser subscribes', async () => {
  browser.hasPushHandler = false;
  const push = browser.open();
  await push.sync();
  vi.useFakeTimers(FAKED);
  const [refusal] = await Promise.all([clientRefusalOf(push.subscribe()), askInVain()]);
  expect(refusal.code).toBe('worker_without_push');
  expect(refusal.message).toContain('https://app.example/sw.js');
  expect(refusal.hint).toMatch(/importScripts\('\/supapush-sw.js'\).*vite-plugin-pwa: workbox.importScripts/);
  expect([browser.subscribed, browser.subscription]).toEqual([0, null]);
});

test('a device that is registered stays so, and its app’s developer is told', async () => {
  await browser.open().subscribe();
  browser.close();
  browser.hasPushHandler = false;
  const errors: string[] = [];
  browser.hellos = 0;
  const push = browser.open({ onError: (error) => errors.push((error as PushClientError).code) });
  vi.useFakeTimers(FAKED);
  expect(await push.sync()).toBe('subscribed');
  await push.sync();
  await askInVain();
  expect(errors).toEqual(['worker_without_push']);
});

const FLUSH = { type: 'supapush', event: 'flush' };
const told = () =>
  eventually(
    () => browser.toldWorker.splice(0),
    ({ length }) => length > 0,
  );

test.each(['receipts', 'a changed subscription'])(
  'the worker is told to send what waits (%s) when a page opens, is looked at, and when the network is back',
  async (what) => {
    const wait = () =>
      what === 'receipts'
        ? browser.store.add('receipts', { receipt: '1.a', event: 'displayed' })
        : browser.store.set('pending_resubscribe', true);
    await wait();
    const push = browser.open();
    expect(await told()).toEqual([FLUSH]);
    browser.show(false);
    browser.show(true);
    expect(await told()).toEqual([FLUSH]);
    browser.comeOnline();
    expect(await told()).toEqual([FLUSH]);
    push.dispose();
    browser.show(true);
    await push.sync();
    expect(browser.toldWorker).toEqual([]);
  },
);

test('a worker with nothing to send is not woken up', async () => {
  const push = browser.open();
  browser.show(true);
  browser.comeOnline();
  await push.sync();
  expect(browser.toldWorker).toEqual([]);
});

const OPEN = { type: 'supapush', event: 'open', until: Date.now() + 3_600_000 };

test('a page that was frozen until another window was opened stays as it is', () => {
  const opened: string[] = [];
  browser.open().onOpen((path) => void opened.push(path));
  const url = 'https://app.example/deals/7';
  expect(browser.tellPages({ ...OPEN, url, until: Date.now() - 1 })).toEqual([{ opens: false }]);
  expect(browser.tellPages({ ...OPEN, url })).toEqual([{ opens: true }]);
  expect(opened).toEqual(['/deals/7']);
});

test('a path that is another host for a router does not get to it', () => {
  const opened: string[] = [];
  browser.open().onOpen((path) => void opened.push(path));
  for (const url of ['https://app.example//evil.example', 'https://app.example/u/..//evil.example'])
    expect(browser.tellPages({ ...OPEN, url })).toEqual([{ opens: false }]);
  expect(opened).toEqual([]);
});

test('a page that listens shows a clicked URL by itself; any other wants to stay as it is', () => {
  const errors: Error[] = [];
  const push = browser.open({ onError: (error) => errors.push(error) });
  const ask = () => browser.tellPages({ ...OPEN, url: 'https://app.example/deals/7?tab=1#top' });
  expect(ask()).toEqual([{ opens: false }]);
  const opened: string[] = [];
  const end = push.onOpen((path) => void opened.push(path));
  expect(ask()).toEqual([{ opens: true }]);
  expect(opened).toEqual(['/deals/7?tab=1#top']);
  end();
  expect(ask()).toEqual([{ opens: false }]);
  push.onOpen(() => {
    throw new Error('No such page.');
  });
  expect(ask()).toEqual([{ opens: false }]);
  expect(errors.map(({ message }) => message)).toEqual(['No such page.']);
});
