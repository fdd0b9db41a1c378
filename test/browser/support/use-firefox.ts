import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import type { Alert } from './chrome-scope.ts';
import { type Firefox, startFirefox } from './firefox.ts';
import type {} from './firefox-profile.ts';
import { type Pages, usePages } from './use-pages.ts';

export interface FirefoxHandle extends Pages {
  (): Firefox;
  /** Opens this test's app in a new tab, at the root unless given. */
  openApp(path?: string): Promise<Page>;
  /** The alerts of this test's pages that are on the screen. */
  alerts(): Promise<Alert[]>;
}

/**
 * One Firefox for the tests of a file; to each of them, with an origin of its own, it is a new one. A failing test shows
 * what the browser said meanwhile.
 *
 * @param document the built page that is the app, by its name in `test/browser/pages`
 */
export function useFirefox(stack: () => Stack, document: string): FirefoxHandle {
  const pages = usePages(stack, document);
  const { origin } = pages;
  let firefox: Firefox | undefined;

  const running = (): Firefox => {
    if (!firefox) throw new Error('Firefox runs during the tests only');
    return firefox;
  };

  beforeAll(async () => {
    firefox = await startFirefox(stack().pushService, { template: inject('firefoxProfile') });
  });
  beforeEach(async () => {
    await running().said();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      const said = await running().said();
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
  });
  afterAll(() => firefox?.dispose());

  return Object.assign(running, pages, {
    openApp: (path = '/') => running().open(`${origin()}${path}`),
    async alerts() {
      const { host } = new URL(origin());
      return (await running().alerts()).filter(({ source }) => source.endsWith(` ${host}`));
    },
  });
}
