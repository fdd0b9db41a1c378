import { expect, test } from 'vitest';
import { fullState } from './support/component-states.ts';
import { useComponents } from './support/use-components.ts';

const ui = useComponents();
const isOn = async (name: string): Promise<boolean> =>
  (await ui.find('switch', name)).evaluate((input) => (input as HTMLInputElement).checked);

test('devices are listed, this one is marked, and one is removed once that is confirmed', async () => {
  await ui.show('settings', fullState());
  await ui.text('This device');
  await ui.text('Last notified 6 minutes ago');
  await ui.click('button', 'Remove Phone');
  await ui.text('Stop notifying Phone?');
  await ui.focused('Remove');
  await ui.press('Escape');
  await ui.focused('Remove Phone');
  expect(await ui.calls(0)).toEqual([]);
  await ui.press('Enter', 'Enter');
  await ui.announced('Phone was removed.');
  expect(await ui.calls(1)).toEqual([['devices.remove', 'phone']]);
  expect(await ui.has('button', 'Remove Phone')).toBe(false);
});

test('a device can be left out, and is registered all the same', async () => {
  await ui.show('settings', fullState());
  await ui.click('switch', 'Notify Phone');
  await ui.click('switch', 'Notify Phone');
  expect(await ui.calls(2)).toEqual([
    ['preferences.setDevice', 'phone', { enabled: false }],
    ['preferences.setDevice', 'phone', { enabled: null }],
  ]);
});

test('a test is sent, and too many are refused in words', async () => {
  await ui.show('settings', fullState());
  await ui.click('button', 'Send a test');
  await ui.announced('A test notification is on its way.');
  await ui.page().evaluate(() => {
    recorded.failing.sendTest = 'too_many_tests';
  });
  await ui.click('button', 'Send a test');
  await ui.announced('Try again in an hour.');
});

test('this device is turned on where it is not, and appears in the list', async () => {
  await ui.show('settings', { status: 'default' });
  await ui.text('No device receives notifications yet.');
  await ui.click('button', 'Turn on for this device');
  await ui.text('This device');
  expect(await ui.calls(1)).toEqual([['subscribe']]);
});

test('quiet hours have a time zone, and are saved together', async () => {
  await ui.show('settings', {});
  expect(await isOn('Quiet hours')).toBe(false);
  await ui.click('switch', 'Quiet hours');
  const zone = await ui.page().evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
  expect(await ui.calls(1)).toEqual([
    ['preferences.set', { quietFrom: '22:00', quietUntil: '07:00', timezone: zone }],
  ]);
  await (await ui.find('combobox', 'Time zone')).select('Asia/Tokyo');
  await ui.click('button', 'Save');
  await ui.announced('Saved.');
  expect((await ui.calls(2))[1]).toEqual([
    'preferences.set',
    { quietFrom: '22:00', quietUntil: '07:00', timezone: 'Asia/Tokyo' },
  ]);
  await ui.click('switch', 'Quiet hours');
  expect((await ui.calls(3))[2]).toEqual(['preferences.set', { quietFrom: null, quietUntil: null }]);
});

test('quiet hours without an end are not saved, and the field says so', async () => {
  await ui.show('settings', fullState());
  const until = await ui.page().waitForSelector('.supapush-quiet-hours .supapush-field:nth-of-type(2) input');
  await until?.type('1000PM');
  await ui.click('button', 'Save');
  await ui.text('Choose two different times.');
  expect(await ui.page().evaluate(() => document.activeElement?.getAttribute('aria-invalid'))).toBe('true');
  expect(await ui.calls(0)).toEqual([]);
});

test('categories, symbols and other mutes are switched', async () => {
  await ui.show('settings', fullState());
  expect([await isOn('Deals and contacts'), await isOn('DAX'), await isOn('BTC')]).toEqual([
    true,
    true,
    false,
  ]);
  await ui.click('switch', 'Deals and contacts');
  await ui.click('switch', 'BTC');
  await ui.click('button', 'Unmute old-thing');
  await ui.fill('textbox', 'Mute another symbol', 'GOLD');
  await ui.press('Enter');
  await ui.find('switch', 'GOLD');
  expect(await ui.calls(4)).toEqual([
    ['preferences.mute', 'crm'],
    ['preferences.unmute', 'alerts:BTC'],
    ['preferences.unmute', 'old-thing'],
    ['preferences.mute', 'alerts:GOLD'],
  ]);
  expect(await ui.has('heading', 'Also muted')).toBe(false);
});

test('what is muted from above cannot be turned on below', async () => {
  await ui.show('settings', { ...fullState(), preferences: { mutedCategories: ['alerts'] } });
  const dax = await ui.find('switch', 'DAX');
  expect(await dax.evaluate((input) => (input as HTMLInputElement).disabled)).toBe(true);
  expect(await isOn('DAX')).toBe(false);
});

test('topics are joined and left', async () => {
  await ui.show('settings', fullState());
  await ui.click('switch', 'Outages');
  await ui.click('switch', 'Product news');
  expect(await ui.calls(2)).toEqual([
    ['topics.join', 'status'],
    ['topics.leave', 'news'],
  ]);
});

test('quiet hours that could not be saved are off again', async () => {
  await ui.show('settings', { failing: { 'preferences.set': 'offline' } });
  await ui.click('switch', 'Quiet hours');
  await ui.announced('You seem to be offline.');
  expect(await isOn('Quiet hours')).toBe(false);
  expect(await ui.has('combobox', 'Time zone')).toBe(false);
});

test('why something failed stands beside it, until something else is done', async () => {
  await ui.show('settings', {
    ...fullState(),
    failing: {
      'preferences.set': 'offline',
      'preferences.unmute': 'offline',
      'preferences.setDevice': 'offline',
      'devices.remove': 'not_found',
      'topics.join': 'offline',
      sendTest: 'too_many_tests',
    },
  });
  /** The texts of errors, each with what it stands beside. */
  const told = async (count = 1): Promise<string[]> => {
    await ui
      .page()
      .waitForFunction((n) => document.querySelectorAll('.supapush-error').length === n, {}, count);
    return await ui.page().$$eval('.supapush-error', (all) =>
      all.map((error) => {
        const beside = error.closest(
          '.supapush-switch-row, .supapush-device, .supapush-place, form, section',
        );
        return beside?.querySelector('label, .supapush-device-name, h3')?.textContent ?? '';
      }),
    );
  };
  await ui.text('Outages');
  await ui.click('switch', 'Send me notifications');
  expect(await told()).toEqual(['Send me notifications']);
  await ui.click('switch', 'BTC');
  expect(await told()).toEqual(['BTC']);
  await ui.click('switch', 'Outages');
  expect(await told(2)).toEqual(['BTC', 'Outages']);
  await ui.click('switch', 'Notify Phone');
  expect(await told(3)).toEqual(['Notify Phone', 'BTC', 'Outages']);
  await ui.click('button', 'Remove Phone');
  await ui.click('button', 'Remove');
  await ui.announced('Refused: not_found.');
  expect(await told(3)).toEqual(['Phone', 'BTC', 'Outages']);
});

test('what was done is said in its own section', async () => {
  await ui.show('settings', fullState());
  const sectionThatSays = (text: string) =>
    ui.page().evaluate(
      (text) =>
        [...document.querySelectorAll('[role=status]')]
          .find((status) => status.textContent?.startsWith(text))
          ?.closest('section')
          ?.querySelector('h3')?.textContent,
      text,
    );
  await ui.click('button', 'Send a test');
  await ui.announced('A test notification is on its way.');
  expect(await sectionThatSays('A test')).toBe('Devices');
  await ui.click('switch', 'Quiet hours');
  await ui.announced('Saved.');
  expect(await sectionThatSays('Saved.')).toBe('When');
});

test.for(['online', 'visibilitychange'])('what could not be loaded is loaded at %s', async (event) => {
  const failing = Object.fromEntries(
    ['sync', 'preferences.get', 'devices.list', 'topics.list'].map((path) => [path, 'internal']),
  );
  await ui.show('settings', { ...fullState(), failing });
  await ui.announced('Refused: internal.');
  await ui.page().evaluate((event) => {
    for (const path of Object.keys(recorded.failing)) delete recorded.failing[path];
    (event === 'online' ? window : document).dispatchEvent(new Event(event));
  }, event);
  await ui.find('switch', 'Send me notifications');
  await ui.text('Outages');
  await ui.text('This device');
  expect(await ui.texts()).not.toContain('Refused');
});

test('a project that comes back is found without a word of the browser', async () => {
  await ui.show('settings', { failing: { 'preferences.get': 'offline' } });
  await ui.announced('You seem to be offline.');
  await ui.page().evaluate(() => delete recorded.failing['preferences.get']);
  await ui.find('switch', 'Send me notifications');
});

test('while it loads, its sections have their room', async () => {
  const waits = ['preferences.get', 'devices.list', 'topics.list'];
  await ui.show('settings', { ...fullState(), late: waits });
  const headings = () => ui.page().$$eval('.supapush-settings h3', (all) => all.map((h3) => h3.textContent));
  await ui.page().waitForFunction(() => document.querySelectorAll('.supapush-skeleton').length === 3);
  expect(await headings()).toEqual(['Devices', 'When', 'What to notify you about']);
  await ui.text('Loading…');
  await ui.page().waitForFunction(() => recorded.waiting() >= 3);
  await ui.page().evaluate(() => recorded.letGo());
  await ui.text('Outages');
  expect(await ui.page().$$('.supapush-skeleton')).toHaveLength(0);
});

test('a switch that fails goes back, and says why', async () => {
  await ui.show('settings', { ...fullState(), failing: { 'preferences.set': 'offline' } });
  await ui.click('switch', 'Send me notifications');
  await ui.announced('You seem to be offline.');
  expect(await isOn('Send me notifications')).toBe(true);
});

test('signed out, it says to sign in; when loading fails, it says so', async () => {
  await ui.show('settings', { status: 'signed-out' });
  await ui.text('Sign in to choose your notifications.');
  await ui.show('settings', { failing: { 'preferences.get': 'offline' } });
  await ui.announced('You seem to be offline.');
  await ui.page().evaluate(() => delete recorded.failing['preferences.get']);
  await ui.click('button', 'Try again');
  await ui.find('switch', 'Send me notifications');
});
