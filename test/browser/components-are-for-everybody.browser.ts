import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { beforeAll, expect, test } from 'vitest';
import type { RecordedState } from './pages/recorded-client.ts';
import { fullState } from './support/component-states.ts';
import { type Component, useComponents } from './support/use-components.ts';

const ui = useComponents();

declare global {
  var axe: typeof import('axe-core');
}

beforeAll(async () => {
  const path = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  await ui.page().evaluate(await readFile(path, 'utf8'));
});

/** Every state that looks different, and how one gets there. */
const STATES: [name: string, component: Component, state: RecordedState, reach?: () => Promise<unknown>][] = [
  ['the prompt', 'prompt', { status: 'default' }],
  [
    'the prompt after it was refused',
    'prompt',
    { status: 'default', failing: { subscribe: 'offline' } },
    () => ui.click('button', 'Turn on notifications').then(() => ui.announced('offline')),
  ],
  [
    'the prompt when all is done',
    'prompt',
    { status: 'default' },
    () => ui.click('button', 'Turn on notifications').then(() => ui.text('Notifications are on')),
  ],
  ['the prompt where notifications are blocked', 'prompt', { status: 'denied' }],
  ['the prompt on an iPhone', 'prompt', { status: 'needs-install' }],
  ['the prompt without push', 'prompt', { status: 'unsupported' }],
  ['the settings', 'settings', fullState, () => ui.text('Outages')],
  ['the settings with a question', 'settings', fullState, () => ui.click('button', 'Remove Phone')],
  ['the settings of nobody', 'settings', { status: 'signed-out' }],
  [
    'the settings that failed',
    'settings',
    { failing: { 'preferences.get': 'offline' } },
    () => ui.announced('offline'),
  ],
  ['the bell', 'inbox', fullState, () => ui.find('button', 'Inbox, 2 unread')],
  [
    'the inbox',
    'inbox',
    fullState,
    () => ui.click('button', 'Inbox, 2 unread').then(() => ui.text('Show older')),
  ],
  ['the empty inbox', 'inbox', {}, () => ui.click('button', 'Inbox').then(() => ui.text('Nothing here'))],
  ['the alerts', 'alerts', fullState, () => ui.text('Watching')],
  ['no alerts', 'alerts', {}, () => ui.text('No alerts yet')],
  [
    'the form of an alert',
    'alerts',
    fullState,
    () => ui.click('button', 'New alert').then(() => ui.page().click('summary')),
  ],
  [
    'the form of an alert with faults',
    'alerts',
    fullState,
    () =>
      ui
        .click('button', 'New alert')
        .then(() => ui.click('button', 'Save alert'))
        .then(() => ui.text('Enter a number.')),
  ],
];

test.for(STATES)('%s has no violations, light and dark', async ([, component, state, reach]) => {
  for (const theme of ['light', 'dark'] as const) {
    await ui.show(component, state, theme);
    await reach?.();
    expect(await violations(), theme).toEqual([]);
  }
});

test.for(STATES)('%s fits a phone of 320 pixels', async ([, component, state, reach]) => {
  await ui.page().setViewport({ width: 320, height: 640 });
  try {
    await ui.show(component, state);
    await reach?.();
    expect(await ui.page().evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  } finally {
    await ui.page().setViewport({ width: 1000, height: 800 });
  }
});

test('without a theme of the page, dark follows the system', async () => {
  const ground = (): Promise<string> =>
    ui.page().evaluate(async () => {
      show('prompt', { state: { status: 'denied' } });
      while (!document.querySelector('.supapush')) await new Promise(requestAnimationFrame);
      return getComputedStyle(document.querySelector('.supapush') as Element).backgroundColor;
    });
  const page = ui.page();
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
  expect(await ground()).toBe('rgb(21, 24, 29)');
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  expect(await ground()).toBe('rgb(255, 255, 255)');
  await page.emulateMediaFeatures([]);
});

test('nothing moves for who asked for less motion', async () => {
  await ui.page().emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
  await ui.show('inbox', fullState);
  await ui.click('button', 'Inbox, 2 unread');
  const moving = await ui.page().evaluate(() => document.getAnimations().length);
  await ui.page().emulateMediaFeatures([]);
  expect(moving).toBe(0);
});

test('every string is replaceable, and numbers and dates follow the locale', async () => {
  await ui.page().evaluate((state) => {
    const strings = {
      alerts: {
        title: 'Alarme',
        add: 'Neuer Alarm',
        armed: 'Wacht',
        goal: ({ symbol, value }: { symbol: string; value: string }) => `${symbol} bei ${value}`,
      },
    };
    show('alerts', { state, strings, locale: 'de-DE' });
  }, fullState);
  await ui.find('region', 'Alarme');
  await ui.text('Neuer Alarm');
  await ui.text('DAX bei 15.500,25');
  await ui.text('Wacht');
  // What was not replaced stays.
  await ui.text('Waits for a first value');
  await ui.text('vor 3 Stunden');
});

async function violations(): Promise<string[]> {
  const { violations }: AxeResults = await ui.page().evaluate(async () => {
    // Colours on their way to another are none that stay.
    for (const animation of document.getAnimations()) animation.finish();
    return await axe.run(document, { resultTypes: ['violations'] });
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}
