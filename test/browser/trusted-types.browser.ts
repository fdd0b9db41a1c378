import type { Page } from 'puppeteer-core';
import { expect, test } from 'vitest';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useChromium } from './support/use-chromium.ts';
import { useFirefox } from './support/use-firefox.ts';

// Under `require-trusted-types-for 'script'` a page may register no script that is only named by a text.

const stack = useStack({ workers: { cron: false }, functions: false });
const project = useApp(stack);
const firefox = useFirefox(stack, 'app');
const chromium = useChromium(stack, 'app');

const under = (policy: string): string => `/?csp=${encodeURIComponent(policy)}`;

/** What comes first of subscribing: the script of the service worker, or an error. */
async function outcome(page: Page): Promise<{ worker: string } | { code: string; cause: string }> {
  await page.evaluate(async () => void (await appReady));
  await project.signUp(page, 'anna');
  return await page.evaluate(() =>
    Promise.race([
      navigator.serviceWorker.ready.then(({ active }) => ({
        worker: new URL(active?.scriptURL ?? '').pathname,
      })),
      // Chromium cannot reach its push service from here, and goes on trying.
      app.push.subscribe().then(
        () => ({ worker: '' }),
        ({ code, cause }) => ({ code: code as string, cause: String(cause) }),
      ),
    ]),
  );
}

test('Chromium enforces it: the same text is refused when a page registers it', async () => {
  const page = await chromium.openApp('granted', under(`require-trusted-types-for 'script'`));
  const refused = await page.evaluate(() =>
    navigator.serviceWorker.register('/sw.js').then(
      () => 'registered',
      (error) => error.name,
    ),
  );
  expect(refused).toBe('TypeError');
});

test.each([
  `require-trusted-types-for 'script'`,
  `require-trusted-types-for 'script'; trusted-types supapush`,
])('in Chromium under "%s" the worker is registered', async (policy) => {
  expect(await outcome(await chromium.openApp('granted', under(policy)))).toEqual({ worker: '/sw.js' });
});

test('in Chromium where no policy is allowed, the error says so', async () => {
  const policy = `require-trusted-types-for 'script'; trusted-types 'none'`;
  expect(await outcome(await chromium.openApp('granted', under(policy)))).toEqual({
    code: 'service_worker_failed',
    cause: expect.stringMatching(/Trusted/),
  });
});

test('in Firefox the device is registered', async () => {
  const page = await firefox.openApp(under(`require-trusted-types-for 'script'; trusted-types supapush`));
  expect(await outcome(page)).toEqual({ worker: '/sw.js' });
  await project.subscribe(page);
});
