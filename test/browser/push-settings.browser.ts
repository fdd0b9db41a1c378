import { expect, test } from 'vitest';
import { fullState } from './support/component-states.ts';
import { useComponents } from './support/use-components.ts';

const ui = useComponents();
const isOn = async (name: string): Promise<boolean> =>
  (await ui.find('switch', name)).evaluate((input) => (input as HTMLInputElement).checked);

test('devices are listed, this one is marked, and one is removed once that is confirmed', async () => {
  await ui.show('settings', fullState);
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
  await ui.show('settings', fullState);
  await ui.click('switch', 'Notify Phone');
  await ui.click('switch', 'Notify Phone');
  expect(await ui.calls(2)).toEqual([
    ['preferences.setDevice', 'phone', { enabled: false }],
    ['preferences.setDevice', 'phone', { enabled: null }],
  ]);
});

test('a test is sent, and too many are refused in words', async () => {
  await ui.show('settings', fullState);
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
  await ui.show('settings', fullState);
  const until = await ui.page().waitForSelector('.supapush-quiet-hours .supapush-field:nth-of-type(2) input');
  await until?.type('1000PM');
  await ui.click('button', 'Save');
  await ui.text('Quiet hours need an end that is not their beginning.');
  expect(await ui.page().evaluate(() => document.activeElement?.getAttribute('aria-invalid'))).toBe('true');
  expect(await ui.calls(0)).toEqual([]);
});

test('categories, symbols and other mutes are switched', async () => {
  await ui.show('settings', fullState);
  expect([await isOn('Deals and contacts'), await isOn('DAX'), await isOn('BTC')]).toEqual([
    true,
    true,
    false,
  ]);
  await ui.click('switch', 'Deals and contacts');
  await ui.click('switch', 'BTC');
  await ui.click('button', 'Notify me again of old-thing');
  await ui.fill('textbox', 'Silence another symbol', 'GOLD');
  await ui.press('Enter');
  await ui.find('switch', 'GOLD');
  expect(await ui.calls(4)).toEqual([
    ['preferences.mute', 'crm'],
    ['preferences.unmute', 'alerts:BTC'],
    ['preferences.unmute', 'old-thing'],
    ['preferences.mute', 'alerts:GOLD'],
  ]);
  expect(await ui.has('heading', 'Also silenced')).toBe(false);
});

test('what is muted from above cannot be turned on below', async () => {
  await ui.show('settings', { ...fullState, preferences: { mutedCategories: ['alerts'] } });
  const dax = await ui.find('switch', 'DAX');
  expect(await dax.evaluate((input) => (input as HTMLInputElement).disabled)).toBe(true);
  expect(await isOn('DAX')).toBe(false);
});

test('topics are joined and left', async () => {
  await ui.show('settings', fullState);
  await ui.click('switch', 'Outages');
  await ui.click('switch', 'Product news');
  expect(await ui.calls(2)).toEqual([
    ['topics.join', 'status'],
    ['topics.leave', 'news'],
  ]);
});

test('a switch that fails goes back, and says why', async () => {
  await ui.show('settings', { ...fullState, failing: { 'preferences.set': 'offline' } });
  await ui.click('switch', 'Send me notifications');
  await ui.announced('You seem to be offline.');
  expect(await isOn('Send me notifications')).toBe(true);
});

test('signed out, it says to sign in; while it loads and when that fails, it says so', async () => {
  await ui.show('settings', { status: 'signed-out' });
  await ui.text('Sign in to choose what you are notified of.');
  await ui.show('settings', { hanging: ['preferences.get'] });
  await ui.text('Loading…');
  await ui.show('settings', { failing: { 'preferences.get': 'offline' } });
  await ui.announced('You seem to be offline.');
  await ui.page().evaluate(() => delete recorded.failing['preferences.get']);
  await ui.click('button', 'Try again');
  await ui.find('switch', 'Send me notifications');
});
