import { expect, test } from 'vitest';
import { useStack } from '../support/stack.ts';
import { useApp } from './support/use-app.ts';
import { useChromium } from './support/use-chromium.ts';

// What Chromium has and Firefox has not: a permission that is denied. Its push service cannot be reached from here.

const stack = useStack({ workers: { cron: false }, functions: false });
const project = useApp(stack);
const chromium = useChromium(stack, 'app');

test('where notifications are denied the client says so, and subscribing fails with a reason and a hint', async () => {
  const page = await chromium.openApp('denied');
  const anna = await project.signUp(page, 'anna');
  const said = await page.evaluate(async () => {
    const { push } = await appReady;
    const status = await push.sync();
    const error = await push.subscribe().then(
      () => undefined,
      ({ name, code, hint }) => ({ name, code, hint }),
    );
    return { status, error, supported: push.isSupported() };
  });
  expect(said).toEqual({
    status: 'denied',
    supported: true,
    error: { name: 'PushClientError', code: 'permission_denied', hint: expect.stringMatching(/\w/) },
  });
  expect(await project.devicesOf(anna)).toEqual([]);
});
