import { expect, test } from 'vitest';
import { useComponents } from './support/use-components.ts';

const ui = useComponents();

test('it explains first, and asks the browser only after a click', async () => {
  await ui.show('prompt', { status: 'default' });
  await ui.text('Get a notification on this device when something important happens');
  expect(await ui.calls(0)).toEqual([]);
  await ui.click('button', 'Turn on notifications');
  await ui.focused('Notifications are on');
  expect(await ui.calls(1)).toEqual([['subscribe']]);
  await ui.click('button', 'Send a test');
  await ui.announced('A test notification is on its way.');
  expect(await ui.calls(2)).toEqual([['subscribe'], ['sendTest']]);
  await ui.click('button', 'Close');
  expect(await ui.has('heading', 'Notifications are on')).toBe(false);
});

test('"not now" is remembered, for two weeks', async () => {
  await ui.show('prompt', { status: 'default' });
  await ui.click('button', 'Not now');
  await ui.show('prompt', { status: 'default' });
  await ui.page().waitForFunction(() => recorded.client.status === 'default');
  expect(await ui.has('button', 'Turn on notifications')).toBe(false);
  expect(await ui.calls(0)).toEqual([]);

  const fifteenDays = 15 * 24 * 60 * 60 * 1000;
  await ui
    .page()
    .evaluate((ago) => localStorage.setItem('supapush.not-now', String(Date.now() - ago)), fifteenDays);
  await ui.show('prompt', { status: 'default' });
  await ui.find('button', 'Turn on notifications');
});

test('what is allowed already is turned on with one click', async () => {
  await ui.show('prompt', { status: 'granted' });
  await ui.click('button', 'Turn on');
  await ui.focused('Notifications are on');
});

test('where they are blocked, it says how to allow them', async () => {
  await ui.show('prompt', { status: 'denied' });
  await ui.find('region', 'Notifications are blocked');
  await ui.text('set notifications to “Allow”');
  expect(await ui.has('button', 'Turn on notifications')).toBe(false);
  await ui.click('button', 'Close');
  expect(await ui.has('region', 'Notifications are blocked')).toBe(false);
});

test('on an iPhone it says how to add the app to the Home Screen', async () => {
  await ui.show('prompt', { status: 'needs-install' });
  await ui.find('region', 'Add this app to your Home Screen');
  await ui.text('Choose “Add to Home Screen”.');
});

test('where there is no push it says which browsers have it', async () => {
  await ui.show('prompt', { status: 'unsupported' });
  await ui.text('This browser cannot receive notifications.');
});

test.for(['unknown', 'signed-out', 'subscribed'] as const)('%s: there is nothing to ask', async (status) => {
  await ui.show('prompt', { status });
  await ui.page().waitForFunction((wanted) => recorded.client.status === wanted, {}, status);
  expect(await ui.texts()).toBe('Components');
});

test('a refusal is told in words for users, aloud, and may be tried again', async () => {
  await ui.show('prompt', { status: 'default', failing: { subscribe: 'permission_dismissed' } });
  await ui.click('button', 'Turn on notifications');
  await ui.announced('Your browser asked for permission and got no answer.');
  await ui.focused('Turn on notifications');
  await ui.page().evaluate(() => delete recorded.failing.subscribe);
  await ui.press('Enter');
  await ui.focused('Notifications are on');
});
