import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type {} from './pages/react.tsx';
import { startChromium } from './support/chromium.ts';
import { fullState } from './support/component-states.ts';
import { startFirefox } from './support/firefox.ts';
import type {} from './support/firefox-profile.ts';
import { type PageServer, startPageServer } from './support/page-server.ts';

// Where the bell stands is the app's affair: its panel has to be seen whole from there, in both engines.

const PLAIN = 'main { max-width: none; margin: 0; padding: 0 } .supapush-bell { float: none }';

/** What apps do around the bell, as stylesheets. */
const LAYOUTS: [name: string, css: string][] = [
  ["the quick start's example: no layout at all", PLAIN],
  [
    "the centred body of Vite's older templates",
    `${PLAIN} body { margin: 0; display: flex; place-items: center; min-width: 320px; min-height: 100vh }
     #root { max-width: 1280px; margin: 0 auto; padding: 2rem; text-align: center; min-height: 0 }
     h2 { font-size: 3.2em; text-transform: uppercase; text-align: center } button { padding: 2em }`,
  ],
  [
    "the column of Vite's newer templates",
    `${PLAIN} #root { width: 1126px; max-width: 100%; margin: 0 auto; text-align: center; display: flex;
       flex-direction: column; border-inline: 1px solid; min-height: 100vh; box-sizing: border-box }`,
  ],
  ['a toolbar at the end of a header', `${PLAIN} main { display: flex; justify-content: flex-end }`],
  [
    'a small box that scrolls, clips and is moved',
    `${PLAIN} main { width: 200px; height: 120px; min-height: 0; overflow: auto; transform: translateY(40px); contain: paint }`,
  ],
  ['the lower end of the window', `${PLAIN} main { position: fixed; inset: auto 0 0 auto; min-height: 0 }`],
];

interface Measured {
  panel: { left: number; right: number; top: number; bottom: number };
  button: { left: number; right: number; top: number; bottom: number };
  window: { width: number; height: number };
  /** Whether a click in the middle of its close button and at its lower end would meet the panel. */
  reachable: boolean[];
}

const measure = (page: Page): Promise<Measured> =>
  page.evaluate(() => {
    for (const animation of document.getAnimations()) animation.finish();
    const find = (selector: string): Element => document.querySelector(selector) as Element;
    const box = (element: Element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      return { left, right, top, bottom };
    };
    const panel = find('.supapush-panel');
    const hits = (x: number, y: number) => panel.contains(document.elementFromPoint(x, y));
    const close = box(find('.supapush-panel-head .supapush-round'));
    const all = box(panel);
    return {
      panel: all,
      button: box(find('.supapush-bell-button')),
      window: { width: document.documentElement.clientWidth, height: window.innerHeight },
      reachable: [
        hits((close.left + close.right) / 2, (close.top + close.bottom) / 2),
        hits((all.left + all.right) / 2, all.bottom - 3),
      ],
    };
  });

const isInside = ({ panel, window }: Measured): boolean =>
  panel.left >= 0 && panel.top >= 0 && panel.right <= window.width && panel.bottom <= window.height;

describe.each(['chromium', 'firefox'] as const)('in %s', (name) => {
  let server: PageServer;
  let page: Page;
  let dispose: () => Promise<void>;

  beforeAll(async () => {
    server = await startPageServer(inject('pages'), 'react', {
      supabaseUrl: '',
      publishableKey: '',
      vapidPublicKey: '',
    });
    const browser =
      name === 'chromium'
        ? await startChromium()
        : await startFirefox({ webSocketUrl: 'ws://127.0.0.1:9/' }, { template: inject('firefoxProfile') });
    dispose = browser.dispose;
    page = await browser.open(`${server.origin}/`);
  });
  afterAll(async () => {
    await dispose?.();
    await server?.stop();
  });

  /** Shows the bell in a layout, and opens its panel with everything in it. */
  const open = async (css: string, dir: string, size: { width: number; height: number }): Promise<void> => {
    await page.setViewport(size);
    await page.evaluate(
      (css, dir, state) => {
        document.documentElement.dir = dir;
        document.querySelector('#layout')?.remove();
        const style = document.createElement('style');
        style.id = 'layout';
        style.textContent = css;
        document.head.append(style);
        show('inbox', { state, theme: 'light' });
      },
      css,
      dir,
      fullState(),
    );
    await page.waitForSelector('.supapush-count');
    await page.evaluate(() => document.querySelector<HTMLElement>('.supapush-bell-button')?.click());
    await page.waitForSelector('.supapush-entry');
  };

  const SIZES = [
    { width: 360, height: 640 },
    { width: 740, height: 360 },
    { width: 1280, height: 800 },
  ];
  describe.each(LAYOUTS)('%s', (_, css) => {
    test.for(['ltr', 'rtl'])('the panel is whole, %s', async (dir) => {
      for (const size of SIZES) {
        await open(css, dir, size);
        const measured = await eventually(() => measure(page), isInside);
        expect(measured.reachable, JSON.stringify(size)).toEqual([true, true]);
        if (size.width < 1280) continue;
        // Beside its button: they touch but for a gap.
        const { panel, button } = measured;
        expect(panel.left).toBeLessThanOrEqual(button.right);
        expect(panel.right).toBeGreaterThanOrEqual(button.left);
        const gap = panel.top >= button.bottom ? panel.top - button.bottom : button.top - panel.bottom;
        expect(gap).toBeGreaterThanOrEqual(0);
        expect(gap).toBeLessThanOrEqual(10);
      }
    });
  });

  test('it follows its button when an ancestor scrolls or the window changes', async () => {
    await open(`${PLAIN} main { height: 3000px; padding-top: 300px }`, 'ltr', { width: 1280, height: 800 });
    const before = await eventually(() => measure(page), isInside);
    await page.evaluate(() => window.scrollTo(0, 200));
    const gapOf = ({ panel, button }: Measured) => Math.round(panel.top - button.bottom);
    await eventually(
      () => measure(page),
      (now) => now.button.top <= before.button.top - 190 && gapOf(now) === gapOf(before),
    );
    await page.setViewport({ width: 900, height: 500 });
    await eventually(
      () => measure(page),
      (measured) => measured.window.height === 500 && isInside(measured),
    );
  });

  test('its close button stays, however long the words are', async () => {
    await page.evaluate(() => {
      document.documentElement.dir = 'ltr';
      document.querySelector('#layout')?.remove();
    });
    for (const width of [320, 1280]) {
      await page.setViewport({ width, height: 640 });
      await page.evaluate((state) => {
        const strings = {
          inbox: {
            title: 'Benachrichtigungseingangsverzeichnis',
            markAllRead: 'Alle Benachrichtigungen als gelesen kennzeichnen',
          },
        };
        show('inbox', { state, strings });
      }, fullState());
      await page.waitForSelector('.supapush-count');
      await page.evaluate(() => document.querySelector<HTMLElement>('.supapush-bell-button')?.click());
      await page.waitForSelector('.supapush-entry');
      const measured = await eventually(() => measure(page), isInside);
      expect(measured.reachable[0], String(width)).toBe(true);
    }
  });
});
