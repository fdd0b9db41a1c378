import type { ElementHandle, Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type {} from '../pages/react.tsx';
import type { RecordedState } from '../pages/recorded-client.ts';
import { type Chromium, startChromium } from './chromium.ts';
import { type PageServer, startPageServer } from './page-server.ts';

export type Component = Parameters<typeof show>[0];

export interface ComponentsHandle {
  page(): Page;
  /** Shows a component over a recorded client. */
  show(component: Component, state?: RecordedState, theme?: 'light' | 'dark'): Promise<void>;
  /** What has a role and a name, once it is there. */
  find(role: string, name: string): Promise<ElementHandle<Element>>;
  /** Whether something has a role and a name. */
  has(role: string, name: string): Promise<boolean>;
  click(role: string, name: string): Promise<void>;
  /** Types in place of what stands there. */
  fill(role: string, name: string, text: string): Promise<void>;
  press(...keys: Parameters<Page['keyboard']['press']>[0][]): Promise<void>;
  /** Waits until the page shows a text. */
  text(part: string): Promise<void>;
  /** Everything that the page shows. */
  texts(): Promise<string>;
  /** Waits until regions that are read out (`status`, `alert`) say something. */
  announced(part: string): Promise<void>;
  /** Waits until what is called so has the focus. */
  focused(name: string): Promise<void>;
  /** What was asked of the client to change something, once it is that much. */
  calls(count: number): Promise<unknown[][]>;
}

/** Components in a real Chromium, one page for all tests of a file; each test finds an empty local storage. */
export function useComponents(): ComponentsHandle {
  let chromium: Chromium | undefined;
  let server: PageServer | undefined;
  let opened: Page | undefined;
  let heard = 0;
  const page = (): Page => {
    if (!opened) throw new Error('the page is open during the tests only');
    return opened;
  };
  const selector = (role: string, name: string): string => `::-p-aria([name="${name}"][role="${role}"])`;
  const texts = (): Promise<string> => page().evaluate(() => document.body.innerText);
  const focusedName = (): Promise<string> =>
    page().evaluate(() => {
      const element = document.activeElement;
      const named = document.getElementById(element?.getAttribute('aria-labelledby') ?? '');
      const label = element && 'labels' in element ? (element.labels as NodeList | null)?.[0] : null;
      return element?.getAttribute('aria-label') ?? (named ?? label ?? element)?.textContent?.trim() ?? '';
    });

  beforeAll(async () => {
    chromium = await startChromium();
    server = await startPageServer(inject('pages'), 'react', {
      supabaseUrl: '',
      publishableKey: '',
      vapidPublicKey: '',
    });
    opened = await chromium.open(`${server.origin}/`, 'granted');
    await opened.setViewport({ width: 1000, height: 800 });
  });
  beforeEach(async () => {
    heard = chromium?.said().length ?? 0;
    await page().evaluate(() => localStorage.clear());
    // Where the mouse was left is none of the next test's.
    await page().mouse.move(0, 0);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    console.error(`The page:\n${await texts()}\nChromium:\n${chromium?.said().slice(heard).join('\n')}`);
  });
  afterAll(async () => {
    await chromium?.dispose();
    await server?.stop();
  });

  const find = async (role: string, name: string): Promise<ElementHandle<Element>> => {
    const found = await page().waitForSelector(selector(role, name), { timeout: 10_000 });
    return found as ElementHandle<Element>;
  };
  return {
    page,
    find,
    texts,
    async show(component, state = {}, theme = 'light') {
      await page().evaluate((name, options) => show(name, options), component, { state, theme });
      await find('heading', 'Components');
    },
    has: async (role, name) => (await page().$(selector(role, name))) !== null,
    async click(role, name) {
      await (await find(role, name)).click();
    },
    async fill(role, name, text) {
      const field = await find(role, name);
      await field.click({ count: 3 });
      await page().keyboard.press('Delete');
      await field.type(text);
    },
    async press(...keys) {
      for (const key of keys) await page().keyboard.press(key);
    },
    text: async (part) => void (await eventually(texts, (all) => all.includes(part))),
    announced: async (part) =>
      void (await eventually(
        () =>
          page().evaluate(() =>
            [...document.querySelectorAll('[role=status], [role=alert]')].map((region) => region.textContent),
          ),
        (said) => said.some((text) => text?.includes(part)),
      )),
    focused: async (name) => void (await eventually(focusedName, (focused) => focused === name)),
    calls: async (count) =>
      await eventually(
        () => page().evaluate(() => recorded.calls),
        (calls) => calls.length >= count,
      ),
  };
}
