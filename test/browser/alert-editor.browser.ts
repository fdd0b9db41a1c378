import { expect, test } from 'vitest';
import { fullState } from './support/component-states.ts';
import { useComponents } from './support/use-components.ts';

const ui = useComponents();

test('each alert says what it waits for, and how it stands', async () => {
  await ui.show('alerts', fullState());
  await ui.text('DAX rises to 18,000');
  const shown = (await ui
    .page()
    .$$eval('.supapush-alert-text', (all) =>
      all.map((entry) =>
        [...entry.querySelectorAll('span:not(.supapush-facts)')].map((part) => part.textContent),
      ),
    )) as string[][];
  expect(shown).toEqual([
    ['DAX rises to 18,000', 'All-time high', 'Watching', 'Not triggered yet', 'Every time'],
    [
      'BTC moves by 2.5% in 1 hour',
      'Waiting for the value to move back',
      'Triggered 4 times, last 3 hours ago',
      'Held back 2 times',
      'Every time',
    ],
    ['DAX reaches yesterday high', 'Waiting for the first value', 'Not triggered yet', 'Once'],
    ['DAX is below 15,500.25', 'Done', 'Triggered yesterday', 'Once'],
  ]);
});

test('an alert is made by keyboard alone', async () => {
  await ui.show('alerts', { quotes: { DAX: 17_912.5 } });
  await ui.text('No alerts yet.');
  await (await ui.find('button', 'New alert')).focus();
  await ui.press('Enter');
  await ui.focused('Symbol');
  await ui.announced('DAX is at 17,912.5 (now)');
  await ui.press('Tab', 'Tab');
  await ui.focused('Value');
  await ui.page().keyboard.type('18000.5');
  await ui.press('Enter');
  await ui.announced('Alert “DAX” saved.');
  await ui.focused('New alert');
  await ui.text('DAX rises to 18,000.5');
  expect(await ui.calls(1)).toEqual([
    [
      'alerts.create',
      {
        symbol: 'DAX',
        condition: 'crosses_above',
        threshold: 18_000.5,
        windowMinutes: 0,
        direction: null,
        level: null,
        levelCondition: null,
        recurring: false,
        hysteresis: 0,
        hysteresisUnit: 'percent',
        cooldown: '0 minutes',
        activeFrom: null,
        activeUntil: null,
        expiresAt: null,
        setup: null,
      },
    ],
  ]);
});

test('a change in percent has a window and a direction, and the rest under More', async () => {
  await ui.show('alerts', {});
  await ui.click('button', 'New alert');
  await ui.fill('combobox', 'Symbol', 'BTC');
  await (await ui.find('combobox', 'Notify me when it')).select('percent_change');
  await ui.fill('spinbutton', 'Percent', '2.5');
  await (await ui.find('combobox', 'Within')).select('1440');
  await (await ui.find('combobox', 'Direction')).select('down');
  await (await ui.find('combobox', 'How often')).select('recurring');
  await ui.page().click('summary');
  await ui.fill('spinbutton', 'Minutes between notifications', '90');
  await ui.fill('spinbutton', 'Hysteresis', '0.5');
  await ui.fill('textbox', 'Name', 'Crash');
  await ui.click('button', 'Save alert');
  await ui.text('BTC falls by 2.5% in 24 hours');
  expect((await ui.calls(1))[0]?.[1]).toMatchObject({
    symbol: 'BTC',
    condition: 'percent_change',
    threshold: 2.5,
    windowMinutes: 1440,
    direction: 'down',
    recurring: true,
    cooldown: '90 minutes',
    hysteresis: 0.5,
    hysteresisUnit: 'percent',
    setup: 'Crash',
  });
});

test('a level is named, and when it counts', async () => {
  await ui.show('alerts', {});
  await ui.click('button', 'New alert');
  await (await ui.find('combobox', 'Notify me when it')).select('level');
  await ui.fill('combobox', 'Level', 'yesterday_high');
  await (await ui.find('combobox', 'When it')).select('crosses_below');
  await ui.click('button', 'Save alert');
  await ui.announced('saved');
  expect((await ui.calls(1))[0]?.[1]).toMatchObject({
    condition: 'level',
    threshold: null,
    level: 'yesterday_high',
    levelCondition: 'crosses_below',
  });
});

test('faults show when it is saved, the first gets the focus, and nothing is sent', async () => {
  await ui.show('alerts', {});
  await ui.click('button', 'New alert');
  await ui.fill('combobox', 'Symbol', 'two words');
  await ui.click('button', 'Save alert');
  await ui.focused('Symbol');
  await ui.text('A symbol can have up to 64 characters, without spaces or braces.');
  await ui.text('Enter a number.');
  await ui.fill('combobox', 'Symbol', 'DAX');
  await ui.fill('spinbutton', 'Value', '1');
  await ui.page().click('summary');
  await ui.fill('spinbutton', 'Minutes between notifications', '-1');
  await ui.page().click('summary');
  await ui.click('button', 'Save alert');
  // It is opened again for its fault.
  await ui.focused('Minutes between notifications');
  await ui.text('Enter 0 or more.');
  expect(await ui.calls(0)).toEqual([]);
});

test('what the project refuses stays in the form, with the reason', async () => {
  await ui.show('alerts', { failing: { 'alerts.create': 'too_many_alerts' } });
  await ui.click('button', 'New alert');
  await ui.fill('spinbutton', 'Value', '5');
  await ui.click('button', 'Save alert');
  await ui.announced('You have reached the maximum number of alerts.');
  await ui.find('form', 'New alert');
});

test('an alert is changed in its place, and Escape leaves it as it was', async () => {
  await ui.show('alerts', fullState());
  await ui.click('button', 'Edit alert “BTC moves by 2.5% in 1 hour”');
  await ui.focused('Symbol');
  await ui.press('Escape');
  await ui.focused('Edit alert “BTC moves by 2.5% in 1 hour”');
  await ui.press('Enter');
  await ui.fill('spinbutton', 'Percent', '3');
  await ui.click('button', 'Save alert');
  await ui.text('BTC moves by 3% in 1 hour');
  await ui.focused('Edit alert “BTC moves by 3% in 1 hour”');
  expect((await ui.calls(1))[0]).toMatchObject(['alerts.update', 'fired', { symbol: 'BTC', threshold: 3 }]);
});

test('an alert is switched off, started anew and deleted', async () => {
  await ui.show('alerts', fullState());
  await ui.click('switch', 'Alert on: DAX rises to 18,000');
  await ui.text('Switched off');
  await ui.click('switch', 'Alert on: DAX is below 15,500.25');
  await ui.click('button', 'Delete alert “DAX rises to 18,000”');
  await ui.text('Delete “DAX rises to 18,000”?');
  await ui.press('Enter');
  await ui.announced('Alert “DAX rises to 18,000” deleted.');
  await ui.focused('Alerts');
  expect(await ui.calls(3)).toEqual([
    ['alerts.update', 'armed', { enabled: false }],
    ['alerts.update', 'done', { enabled: true }],
    ['alerts.delete', 'armed'],
  ]);
});

test('how alerts stand is looked at again when a message comes', async () => {
  await ui.show('alerts', fullState());
  await ui.text('Watching');
  await ui.page().evaluate(() => {
    recorded.failing['alerts.list'] = 'offline';
    recorded.arrive({} as never);
  });
  await ui.announced('You seem to be offline.');
  // What was loaded stays.
  await ui.text('Watching');
});

test('an alert that could not be switched or deleted says so itself', async () => {
  await ui.show('alerts', {
    ...fullState(),
    failing: { 'alerts.update': 'offline', 'alerts.delete': 'not_found' },
  });
  const beside = () =>
    ui
      .page()
      .$$eval('.supapush-error', (all) =>
        all.map(
          (error) => error.closest('.supapush-alert')?.querySelector('.supapush-alert-goal')?.textContent,
        ),
      );
  await ui.click('switch', 'Alert on: DAX rises to 18,000');
  await ui.announced('You seem to be offline.');
  expect(await beside()).toEqual(['DAX rises to 18,000']);
  await ui.click('button', 'Delete alert “DAX is below 15,500.25”');
  await ui.click('button', 'Delete');
  await ui.announced('Refused: not_found.');
  expect(await beside()).toEqual(['DAX is below 15,500.25']);
});

test('what was saved is said beside the alert', async () => {
  await ui.show('alerts', fullState());
  await ui.click('button', 'Edit alert “BTC moves by 2.5% in 1 hour”');
  await ui.click('button', 'Save alert');
  await ui.announced('Alert “BTC” saved.');
  const shown = await ui
    .page()
    .$$eval('.supapush-status', (all) =>
      all.map((note) => [note.closest('.supapush-alert')?.getAttribute('data-state'), note.textContent]),
    );
  expect(shown).toEqual([['waiting', expect.stringContaining('Alert “BTC” saved.')]]);
});

test('signed out, it says to sign in', async () => {
  await ui.show('alerts', { status: 'signed-out' });
  await ui.text('Sign in to create alerts.');
  expect(await ui.has('button', 'New alert')).toBe(false);
});
