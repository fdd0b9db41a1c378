import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type CDPSession, type Page, type Target } from 'puppeteer-core';
import { z } from 'zod';
import { startLifetime } from '../../../tools/local/lifetime.ts';
import { eventually } from '../../support/eventually.ts';
import { findBrowser } from './find-browser.ts';

export interface Chromium {
  /** Opens a tab and waits until its page is loaded; notifications are allowed there, or denied. */
  open(url: string, notifications?: 'granted' | 'denied'): Promise<Page>;
  urls(): Promise<string[]>;
  closeTabs(): Promise<void>;
  /** Hands a push message to the service worker of an origin, as if a push service had: its text, or none. */
  deliver(origin: string, text: string): Promise<void>;
  /** Runs an expression in the running service worker of an origin, and returns what it comes to. */
  inWorker<T>(origin: string, expression: string): Promise<T>;
  /** What pages and service workers logged, and their errors, oldest first. */
  said(): string[];
  /** Quits, and removes the profile. */
  dispose(): Promise<void>;
}

const versionsShape = z.object({
  versions: z.array(z.object({ registrationId: z.string(), scriptURL: z.string(), status: z.string() })),
});

/** Starts a stock Chromium, headless, with a profile of its own. Its push service cannot be moved, so it has none. */
export async function startChromium(): Promise<Chromium> {
  const lifetime = startLifetime(console.error);
  const home = await mkdtemp(join(tmpdir(), 'supapush-chromium-'));
  lifetime.removeAtEnd(home);
  const output: string[] = [];
  const browser = await puppeteer
    .launch({
      executablePath: findBrowser('chromium'),
      headless: true,
      // Its sandbox needs what root in a container does not have.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
      userDataDir: join(home, 'profile'),
      env: { ...process.env, HOME: home },
      timeout: 60_000,
    })
    .catch(async (error) => {
      await lifetime.end();
      throw error;
    });
  const pid = browser.process()?.pid;
  if (pid) lifetime.started(pid);
  lifetime.onEnd('Chromium', async () => {
    await browser.close();
    if (pid) lifetime.ended(pid);
  });

  // When notifications are first used, Chromium throws away those it knows and does not see on the screen, and now and then
  // one that is being shown meanwhile (seen with 156). Asking for them first gets that over with.
  let settled = false;
  const workers = new Set<Target>();
  const listenTo = async (target: Target): Promise<void> => {
    if (target.type() !== 'service_worker' || workers.has(target)) return;
    workers.add(target);
    // One that is gone again has nothing to say.
    const worker = await target.worker().catch(() => null);
    worker?.on('console', (message) => output.push(`service worker: ${message.text()}`));
    worker?.client.on('Runtime.exceptionThrown', ({ exceptionDetails }) =>
      output.push(`service worker: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`),
    );
  };
  browser.on('targetcreated', (target) => void listenTo(target));

  const workerOf = async (origin: string) => {
    const target = await browser.waitForTarget(
      (found) => found.type() === 'service_worker' && found.url().startsWith(`${origin}/`),
      { timeout: 15_000 },
    );
    const worker = await target.worker();
    if (!worker) throw new Error(`No service worker runs at ${origin}.`);
    return worker;
  };

  return {
    async open(url, notifications) {
      const { origin } = new URL(url);
      if (notifications) {
        await browser
          .defaultBrowserContext()
          .setPermission(origin, { permission: { name: 'notifications' }, state: notifications });
      }
      const page = await browser.newPage();
      page.on('console', (message) => output.push(`${page.url()}: ${message.text()}`));
      page.on('pageerror', (error) =>
        output.push(`${page.url()}: ${error instanceof Error ? error.stack : error}`),
      );
      await page.goto(url);
      return page;
    },
    async urls() {
      return (await browser.pages()).map((page) => page.url());
    },
    async closeTabs() {
      for (const page of await browser.pages()) if (page.url() !== 'about:blank') await page.close();
    },
    async deliver(origin, text) {
      if (!settled)
        await (await workerOf(origin)).evaluate('self.registration.getNotifications().then(String)');
      settled = true;
      const [page = await browser.newPage()] = await browser.pages();
      const session = await page.createCDPSession();
      try {
        const registrationId = await registrationOf(session, origin);
        await session.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data: text });
      } finally {
        await session.detach();
      }
    },
    async inWorker(origin, expression) {
      const worker = await workerOf(origin);
      return (await worker.evaluate(expression)) as never;
    },
    said: () => output,
    dispose: lifetime.end,
  };
}

/** The id by which the debugging protocol knows the activated service worker of an origin. */
async function registrationOf(session: CDPSession, origin: string): Promise<string> {
  const known = new Map<string, string>();
  session.on('ServiceWorker.workerVersionUpdated', (event) => {
    for (const { registrationId, scriptURL, status } of versionsShape.parse(event).versions) {
      if (scriptURL.startsWith(`${origin}/`) && status === 'activated') known.set(origin, registrationId);
    }
  });
  // Tells of every worker there is, and then of changes.
  await session.send('ServiceWorker.enable');
  await eventually(
    () => known.size,
    (size) => size > 0,
    15_000,
  );
  return known.get(origin) ?? '';
}
