import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { startLifetime } from '../../../tools/local/lifetime.ts';
import { eventually } from '../../support/eventually.ts';
import { type Alert, ChromeScope } from './chrome-scope.ts';
import { findBrowser } from './find-browser.ts';

export interface Firefox {
  /** The folder of its profile. */
  readonly profile: string;
  /** Opens a tab and waits until its page is loaded. */
  open(url: string): Promise<Page>;
  /** The addresses of all tabs. */
  urls(): Promise<string[]>;
  /** Closes every tab with a page; an empty one stays, or Firefox would quit. */
  closeTabs(): Promise<void>;
  /** What is on the screen, read with the rights of Firefox itself: no page has to be open. */
  alerts(): Promise<Alert[]>;
  /** Waits for the alert of this title and clicks it, which for service workers is a click of the user's. */
  clickAlert(title: string): Promise<void>;
  closeAlerts(): Promise<void>;
  /** Takes the permission for notifications back, as the user can in Firefox' settings. */
  denyNotifications(origin: string): Promise<void>;
  /** Quits in order; what Firefox keeps in its profile is there after `start()`. */
  quit(): Promise<void>;
  /** Does nothing when it is running. */
  start(): Promise<void>;
  /** What pages and service workers logged since it was last asked, and then the errors that Firefox noted. */
  said(): Promise<string[]>;
  /** Quits, and removes the profile. */
  dispose(): Promise<void>;
}

/**
 * Starts a stock Firefox, headless, with a profile of its own and its Push API at the given local push service.
 *
 * @param template a profile that a Firefox was started with and quit, to begin with a copy of: it starts with half of the work
 */
export async function startFirefox(
  pushService: { readonly webSocketUrl: string },
  { template }: { template?: string | undefined } = {},
): Promise<Firefox> {
  const lifetime = startLifetime(console.error);
  const home = await mkdtemp(join(tmpdir(), 'supapush-firefox-'));
  lifetime.removeAtEnd(home);
  const profile = join(home, 'profile');
  if (template !== undefined) await cp(template, profile, { recursive: true });
  const output: string[] = [];
  let browser: Browser | undefined;
  let scope: ChromeScope | undefined;

  const running = (): { browser: Browser; scope: ChromeScope } => {
    if (!browser || !scope) throw new Error('Firefox is not running.');
    return { browser, scope };
  };

  const start = async (): Promise<void> => {
    if (browser) return;
    browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: findBrowser('firefox'),
      headless: true,
      // Without it WebDriver may not look at Firefox' own windows, of which alerts are some.
      args: ['--remote-allow-system-access'],
      userDataDir: profile,
      extraPrefsFirefox: preferences(pushService.webSocketUrl),
      // Caches and crash reports otherwise go to the user's home.
      env: { ...process.env, HOME: home },
      timeout: 60_000,
    });
    const child = browser.process();
    if (child?.pid) lifetime.started(child.pid);
    for (const stream of [child?.stdout, child?.stderr]) {
      stream?.on('data', (text) => output.push(...String(text).trimEnd().split('\n')));
    }
    // The driver would put the preferences of the profile's first start back, the uaid among them.
    await rm(join(profile, 'prefs.js.puppeteer'), { force: true });
    scope = new ChromeScope(browser);
  };

  const quit = async (): Promise<void> => {
    if (!browser) return;
    const pid = browser.process()?.pid;
    await browser.close();
    if (pid) lifetime.ended(pid);
    browser = undefined;
    scope = undefined;
  };
  lifetime.onEnd('Firefox', quit);

  try {
    await start();
  } catch (error) {
    await lifetime.end();
    throw error;
  }

  return {
    profile,
    async open(url) {
      const page = await running().browser.newPage();
      await page.goto(url);
      return page;
    },
    async urls() {
      return (await running().browser.pages()).map((page) => page.url());
    },
    async closeTabs() {
      for (const page of await running().browser.pages()) {
        if (page.url() !== 'about:blank') await page.close();
      }
    },
    alerts: () => running().scope.alerts(),
    async clickAlert(title) {
      await eventually(
        () => running().scope.clickAlert(title),
        (clicked) => clicked,
        15_000,
      );
    },
    denyNotifications: (origin) => running().scope.denyNotifications(origin),
    closeAlerts: () => running().scope.closeAlerts(),
    quit,
    start,
    async said() {
      // Firefox' own troubles, such as a profile without a place for backups, explain no test.
      const heard = output.splice(0).filter((line) => !line.startsWith('JavaScript error: resource://'));
      return [...heard, ...((await scope?.errors().catch(() => [])) ?? [])];
    },
    dispose: lifetime.end,
  };
}

function preferences(webSocketUrl: string): Record<string, string | number | boolean> {
  return {
    'dom.push.serverURL': webSocketUrl,
    'dom.push.testing.allowInsecureServerURL': true,
    // Off under remote control unless said otherwise.
    'dom.push.connection.enabled': true,
    'dom.push.retryBaseInterval': 200,
    'permissions.default.desktop-notification': 1,
    // Alerts are windows of Firefox' own, for lack of a desktop.
    'alerts.useSystemBackend': false,
    'dom.serviceWorkers.idle_timeout': 300,
    // What pages and workers log goes to the standard output.
    'devtools.console.stdout.content': true,
    // Without it a content process kept for later is started in the middle of a test.
    'dom.ipc.processPrelaunch.enabled': false,
  };
}
