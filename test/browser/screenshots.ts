import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer-core';
import { startDemoPage } from '../../tools/demo/demo-page.ts';
import { freeLoopbackPort } from '../../tools/local/loopback-port.ts';
import { startStack } from '../../tools/local/stack.ts';
import { eventually } from '../support/eventually.ts';
import { startChromium } from './support/chromium.ts';
import { type DemoVisitor, visitDemo } from './support/demo-visitor.ts';
import { startFirefox } from './support/firefox.ts';

// Takes the pictures of the README and docs/guides/react.md from the demo page, on a stack of its own: `npm run screenshots`.

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const IMAGES = join(PROJECT, 'docs/images');
const MAX_BYTES = 150_000;

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

const stack = await startStack({ workers: { cron: false } });
const demo = await startDemoPage(stack, { port: await freeLoopbackPort() });
const firefox = await startFirefox(stack.pushService);
const chromium = await startChromium();
try {
  await mkdir(IMAGES, { recursive: true });
  const page = await firefox.open(demo.url);
  await page.setViewport(DESKTOP);
  const visitor = visitDemo(page);
  await visitor.signIn('anna@example.com');
  await makeHistory(visitor);
  // Bars and what lies above the page would hide a part of it.
  await page.addStyleTag({ content: 'html { scrollbar-width: none } .demo-header { position: static }' });

  await look(page, 'light');
  await take(page, 'demo-light');
  await take(page, 'alerts', '.supapush-alerts');
  await take(page, 'settings', '.supapush-settings');
  await openInbox(visitor);
  await look(page, 'dark');
  await take(page, 'demo-dark');
  await page.setViewport(PHONE);
  await take(page, 'demo-phone');

  // Firefox was told beforehand that the user allows notifications; here the user has not been asked yet.
  const unasked = await chromium.open(demo.url);
  await unasked.setViewport({ width: 760, height: 700 });
  await visitDemo(unasked).signIn('ben@example.com');
  await take(unasked, 'prompt', '.supapush-prompt');
} finally {
  await chromium.dispose();
  await firefox.dispose();
  await demo.stop();
  await stack.stop();
}

/** Something in every list: a device, messages that were displayed and clicked, alerts that wait and one that is done. */
async function makeHistory(visitor: DemoVisitor): Promise<void> {
  const shown = (title: string) =>
    eventually(
      () => firefox.alerts(),
      (alerts) => alerts.some((alert) => alert.title === title),
    );
  await visitor.press('Turn on');
  await visitor.sees('Notifications are on');
  await visitor.press('Close');
  await visitor.addAlert('DAX', '18200');
  await visitor.addAlert('BTC', '66000', { recurring: true });
  await visitor.move('Submarine', 'won');
  await shown('Submarine is won');
  await firefox.clickAlert('Submarine is won');
  // The page is led to the deal, and so loaded anew.
  await visitor.page.waitForFunction(
    () => location.pathname.startsWith('/deals/') && document.readyState === 'complete',
  );
  await visitor.sees('clicked');
  await visitor.press('DAX +2%');
  await shown('🔴 DAX - Above 18200');
  await visitor.move('Rocket', 'offered');
  await shown('Rocket is offered');
  await visitor.addAlert('DAX', '18500', { recurring: true });
  await visitor.page.waitForFunction(() => document.querySelectorAll('.demo-steps [data-done]').length >= 7);
}

async function openInbox(visitor: DemoVisitor): Promise<void> {
  await visitor.page.click('.supapush-bell-button');
  await visitor.page.waitForSelector('.supapush-entry');
}

async function look(page: Page, theme: 'light' | 'dark'): Promise<void> {
  await page.evaluate((name) => {
    document.documentElement.dataset.theme = name;
  }, theme);
}

/** Writes the page, or a part of it, as a picture. Throws where it became too large to be read along. */
async function take(page: Page, name: string, selector?: string): Promise<void> {
  const path = join(IMAGES, `${name}.png`);
  await page.evaluate(async () => {
    // Neither a pointer nor a movement is to be seen.
    (document.activeElement as HTMLElement | null)?.matches('button') &&
      (document.activeElement as HTMLElement).blur();
    // One of what is gone by then, as of a skeleton, is given up, which is as good as ended.
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
    scrollTo(0, 0);
  });
  const part = selector ? await page.waitForSelector(selector) : null;
  const encoding = 'base64' as const;
  const taken = await (part ? part.screenshot({ encoding }) : page.screenshot({ encoding }));
  await writeFile(path, await encodeAgain(taken));
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw new Error(`${name}.png has ${size} bytes, ${MAX_BYTES} at most`);
  console.log(`${relative(PROJECT, path)} (${Math.round(size / 1000)} kB)`);
}

/** The same pixels as Chromium writes them: Firefox' pictures are twice as large. */
async function encodeAgain(png: string): Promise<Uint8Array> {
  const page = await chromium.open('about:blank');
  try {
    const [width = 1, height = 1] = await page.evaluate(async (source) => {
      const image = new Image();
      image.src = source;
      await image.decode();
      document.body.style.margin = '0';
      document.body.replaceChildren(image);
      return [image.naturalWidth, image.naturalHeight];
    }, `data:image/png;base64,${png}`);
    await page.setViewport({ width, height });
    return await page.screenshot();
  } finally {
    await page.close();
  }
}
