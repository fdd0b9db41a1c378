import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, inject } from 'vitest';
import type { WorkerMessage } from '../../../src/device/shared/protocol.ts';
import type { PushSettings } from '../../../src/device/shared/push-store.ts';
import { eventually } from '../../support/eventually.ts';
import type {} from './build-pages.ts';
import { type Chromium, startChromium } from './chromium.ts';
import { type PushApp, startPushApp } from './push-app.ts';

/** What `getNotifications()` tells of one, as far as tests look at it. */
export interface Shown {
  title: string;
  body: string;
  tag: string;
  icon: string;
  silent: boolean | null;
  renotify: boolean;
  actions: { action: string; title: string }[];
  data: { supapush: Record<string, unknown>; [param: string]: unknown };
}

export interface PushWorker {
  readonly app: PushApp;
  /** The page that installed it. */
  readonly page: Page;
  open(path: string): Promise<Page>;
  /** Hands over a push message, an object as JSON, a text as it is, and waits until it is shown. */
  deliver(message: object | string): Promise<void>;
  /** The same with several at once. */
  deliverAll(messages: (object | string)[]): Promise<void>;
  shown(): Promise<Shown[]>;
  /**
   * Dispatches an event and waits until everything is done that it was told to wait for. Clicks are not the user's, so windows
   * are not really opened and focused, but noted.
   */
  dispatch(expression: string): Promise<void>;
  click(action?: string): Promise<void>;
  /** `open <url>` and `focus <url>` in their order, the app's origin left out. */
  moves(): Promise<string[]>;
  /** Runs an expression in the worker. */
  run<T>(expression: string): Promise<T>;
  /** Runs an expression with the store, in the page. */
  store<T>(expression: string): Promise<T>;
  /**
   * What was posted to `push-events`, once it is as many requests. A message is told to pages before its receipt is sent: wait for
   * this before the next event, or the receipts of both may share a request.
   */
  posted(count: number): Promise<unknown[]>;
  /** The last that a page was told of an event, once it was told: the one that installed the worker unless given. */
  told(event: WorkerMessage['event'], page?: Page): Promise<unknown>;
}

export interface WorkerSetup {
  /** The app's own script around `/supapush-sw.js`; without it, the ready script is the worker. */
  script?: string;
  settings?: Partial<PushSettings>;
  notifications?: 'granted' | 'denied';
}

// What only a click of the user's may do, as it would go well.
const NOTE_MOVES = `
  self.moves = [];
  self.clients.openWindow = async (url) => void moves.push('open ' + url.replace(location.origin, ''));
  WindowClient.prototype.focus = async function () {
    moves.push('focus ' + this.url.replace(location.origin, ''));
    return this;
  };`;

/** One Chromium for the tests of a file. Each test installs a worker on an origin of its own, with all storage empty. */
export function usePushWorker(): (setup?: WorkerSetup) => Promise<PushWorker> {
  let chromium: Chromium | undefined;
  let ready = '';
  let heard = 0;
  const apps: PushApp[] = [];

  beforeAll(async () => {
    ready = await readFile(join(inject('pages'), 'sw.js'), 'utf8');
    chromium = await startChromium();
  });
  afterEach(async ({ task }) => {
    const said = chromium?.said() ?? [];
    if (task.result?.state === 'fail') console.error(`Chromium:\n${said.slice(heard).join('\n')}`);
    heard = said.length;
    await chromium?.closeTabs();
    for (const app of apps.splice(0)) await app.stop();
  });
  afterAll(() => chromium?.dispose());

  return async ({ script, settings = {}, notifications = 'granted' } = {}) => {
    if (!chromium) throw new Error('Chromium runs during the tests only');
    const browser = chromium;
    const app = await startPushApp({ '/sw.js': script ?? ready, '/supapush-sw.js': ready });
    apps.push(app);
    const page = await browser.open(`${app.origin}/`, notifications);
    const store = <T>(expression: string): Promise<T> =>
      page.evaluate(
        `import('/push-store.js').then((m) => m.openPushStore()).then((store) => ${expression})`,
      ) as Promise<T>;
    for (const [key, value] of Object.entries({ events_url: app.eventsUrl, ...settings })) {
      await store(`store.set('${key}', ${JSON.stringify(value)})`);
    }
    await page.evaluate(
      `navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready).then(() => 0)`,
    );
    const run = <T>(expression: string): Promise<T> => browser.inWorker<T>(app.origin, expression);
    await run(`(() => {${NOTE_MOVES}})()`);

    const dispatch = (expression: string): Promise<void> =>
      run(`(async () => {
        const works = [];
        const event = await (async () => ${expression})();
        // Browsers let only events of their own be waited for.
        Object.defineProperty(event, 'waitUntil', { value: (work) => works.push(work) });
        self.dispatchEvent(event);
        await Promise.all(works);
      })()`);
    const displayed = (): Promise<number> =>
      page.evaluate(`heard.filter(({ event }) => event === 'displayed').length`) as Promise<number>;
    const deliverAll = async (messages: (object | string)[]): Promise<void> => {
      const before = await displayed();
      const texts = messages.map((message) =>
        typeof message === 'string' ? message : JSON.stringify(message),
      );
      await Promise.all(texts.map((text) => browser.deliver(app.origin, text)));
      // Not by asking what is shown: Chromium then forgets what it does not see on the screen yet.
      await eventually(displayed, (count) => count === before + messages.length, 15_000);
    };
    return {
      app,
      page,
      run,
      store,
      dispatch,
      open: (path) => browser.open(`${app.origin}${path}`),
      deliverAll,
      deliver: (message) => deliverAll([message]),
      shown: () =>
        run(`registration.getNotifications().then((list) => list.map((n) => ({
          title: n.title, body: n.body, tag: n.tag, icon: n.icon, silent: n.silent, renotify: n.renotify,
          actions: n.actions.map(({ action, title }) => ({ action, title })), data: n.data,
        })))`),
      click: (action = '') =>
        dispatch(`new NotificationEvent('notificationclick', {
          notification: (await registration.getNotifications())[0], action: ${JSON.stringify(action)},
        })`),
      moves: () => run(`moves`),
      posted: (count) =>
        eventually(
          () => app.posted,
          (list) => list.length === count,
          15_000,
        ),
      told: (event, on = page) =>
        eventually(
          () => on.evaluate(`heard.findLast((told) => told.event === '${event}')`),
          (told) => told !== undefined,
          15_000,
        ),
    };
  };
}
