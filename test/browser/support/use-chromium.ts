import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { type Chromium, startChromium } from './chromium.ts';
import { type Pages, usePages } from './use-pages.ts';

export interface ChromiumHandle extends Pages {
  (): Chromium;
  /** Opens this test's app in a new tab, at the root unless given. */
  openApp(notifications: 'granted' | 'denied', path?: string): Promise<Page>;
}

/**
 * One Chromium for the tests of a file; to each of them, with an origin of its own, it is a new one. A failing test shows
 * what the browser said meanwhile.
 *
 * @param document the built page that is the app, by its name in `test/browser/pages`
 */
export function useChromium(stack: () => Stack, document: string): ChromiumHandle {
  const pages = usePages(stack, document);
  let chromium: Chromium | undefined;
  let heard = 0;

  const running = (): Chromium => {
    if (!chromium) throw new Error('Chromium runs during the tests only');
    return chromium;
  };

  beforeAll(async () => {
    chromium = await startChromium();
  });
  beforeEach(() => {
    heard = running().said().length;
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      const said = running().said().slice(heard);
      const tabs = await running().urls();
      console.error(`Chromium, with ${tabs.join(', ') || 'no tab'}:\n${said.join('\n')}`);
    }
    await running().closeTabs();
  });
  afterAll(() => chromium?.dispose());

  return Object.assign(running, pages, {
    openApp: (notifications: 'granted' | 'denied', path = '/') =>
      running().open(`${pages.origin()}${path}`, notifications),
  });
}
