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

/** Subscribes; the code it fails with, and what is registered then. */
async function outcome(
  page: Page,
): Promise<{ code: string | null; cause: string | null; worker: string | null }> {
  await page.evaluate(async () => void (await appReady));
  await project.signUp(page, 'anna');
  return await page.evaluate(async () => {
    const { code, cause } = await app.push.subscribe().then(
      () => ({ code: null, cause: null }),
      (error) => ({ code: error.code as string, cause: String(error.cause) }),
    );
    const registration = await navigator.serviceWorker.getRegistration();
    return {
      code,
      cause,
      worker: registration?.active ? new URL(registration.active.scriptURL).pathname : null,
    };
  });
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
  const { code, worker } = await outcome(await chromium.openApp('granted', under(policy)));
  // Its push service cannot be reached from here.
  expect({ code, worker }).toEqual({ code: 'subscribe_failed', worker: '/sw.js' });
});

test('in Chromium where no policy is allowed, the error says so', async () => {
  const policy = `require-trusted-types-for 'script'; trusted-types 'none'`;
  expect(await outcome(await chromium.openApp('granted', under(policy)))).toEqual({
    code: 'service_worker_failed',
    cause: expect.stringMatching(/Trusted/),
    worker: null,
  });
});

test('in Firefox the device is registered', async () => {
  const page = await firefox.openApp(under(`require-trusted-types-for 'script'; trusted-types supapush`));
  expect(await outcome(page)).toEqual({ code: null, cause: null, worker: '/sw.js' });
});
