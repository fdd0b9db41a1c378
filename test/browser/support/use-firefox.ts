import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest';
import type { Stack } from '../../../src/local/stack.ts';
import type { Alert } from './chrome-scope.ts';
import { type Firefox, startFirefox } from './firefox.ts';
import { type PageServer, startPageServer } from './page-server.ts';

export interface FirefoxHandle {
  (): Firefox;
  /** The address of this test's pages: an origin that Firefox has never seen. */
  origin(): string;
  /** Opens this test's app in a new tab, at the root unless given. */
  openApp(path?: string): Promise<Page>;
  /** The alerts of this test's pages that are on the screen. */
  alerts(): Promise<Alert[]>;
}

/**
 * One Firefox for the tests of a file; each test has an origin of its own, and so a browser without service worker,
 * subscription and session. A failing test shows what the browser said meanwhile.
 *
 * @param document the built page that is the app, by its name in `test/browser/pages`
 */
export function useFirefox(stack: () => Stack, document: string): FirefoxHandle {
  let firefox: Firefox | undefined;
  let pages: PageServer | undefined;
  let heard = 0;

  const running = (): Firefox => {
    if (!firefox) throw new Error('Firefox runs during the tests only');
    return firefox;
  };
  const origin = (): string => {
    if (!pages) throw new Error('pages are served during a test only');
    return pages.origin;
  };

  beforeAll(async () => {
    firefox = await startFirefox(stack().pushService);
  });
  beforeEach(async () => {
    const { url, publishableKey, vapidPublicKey } = stack();
    const config = { supabaseUrl: url, publishableKey, vapidPublicKey };
    pages = await startPageServer(inject('pages'), document, config);
    heard = (await running().said()).length;
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      const said = (await running().said()).slice(heard);
      const tabs = await running()
        .urls()
        .catch(() => []);
      console.error(`Firefox, with ${tabs.join(', ') || 'no tab'}:\n${said.join('\n')}`);
    }
    stack().pushService.autopush.online();
    // A test that failed while Firefox was closed leaves the next one an open one.
    await running().start();
    await running().closeAlerts();
    await running().closeTabs();
    await pages?.stop();
  });
  afterAll(() => firefox?.dispose());

  return Object.assign(running, {
    origin,
    openApp: (path = '/') => running().open(`${origin()}${path}`),
    async alerts() {
      const { host } = new URL(origin());
      return (await running().alerts()).filter(({ source }) => source.endsWith(` ${host}`));
    },
  });
}
