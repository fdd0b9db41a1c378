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

/** Every state that looks different, and the steps that lead to it. */
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
  ['the settings', 'settings', fullState(), () => ui.text('Outages')],
  ['the settings with a question', 'settings', fullState(), () => ui.click('button', 'Remove Phone')],
  ['the settings when signed out', 'settings', { status: 'signed-out' }],
  [
    'the settings that failed',
    'settings',
    { failing: { 'preferences.get': 'offline' } },
    () => ui.announced('offline'),
  ],
  ['the bell', 'inbox', fullState(), () => ui.find('button', 'Inbox, 2 unread')],
  [
    'the inbox',
    'inbox',
    fullState(),
    () => ui.click('button', 'Inbox, 2 unread').then(() => ui.text('Show older')),
  ],
  ['the empty inbox', 'inbox', {}, () => ui.click('button', 'Inbox').then(() => ui.text('No messages yet'))],
  ['the alerts', 'alerts', fullState(), () => ui.text('Watching')],
  ['no alerts', 'alerts', {}, () => ui.text('No alerts yet')],
  ['settings that load', 'settings', { hanging: ['preferences.get', 'devices.list'] }],
  ['alerts that load', 'alerts', { hanging: ['alerts.list'] }],
  [
    'the inbox that loads',
    'inbox',
    { ...fullState(), hanging: ['inbox.page'] },
    () => ui.click('button', 'Inbox, 2 unread'),
  ],
  [
    'the settings with errors beside what failed',
    'settings',
    { ...fullState(), failing: { 'preferences.setDevice': 'offline', 'devices.remove': 'offline' } },
    () =>
      ui
        .click('switch', 'Notify Phone')
        .then(() => ui.announced('offline'))
        .then(() => ui.click('button', 'Remove Phone'))
        .then(() => ui.click('button', 'Remove')),
  ],
  [
    'alerts with errors beside what failed',
    'alerts',
    { ...fullState(), failing: { 'alerts.update': 'offline' } },
    () => ui.click('switch', 'Alert on: DAX rises to 18,000').then(() => ui.announced('offline')),
  ],
  [
    'the form of an alert',
    'alerts',
    fullState(),
    () => ui.click('button', 'New alert').then(() => ui.page().click('summary')),
  ],
  [
    'the form of an alert with faults',
    'alerts',
    fullState(),
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

test('where the system chooses the colours, what is chosen can be told', async () => {
  const session = await ui.page().createCDPSession();
  await session.send('Emulation.setEmulatedMedia', {
    features: [{ name: 'forced-colors', value: 'active' }],
  });
  try {
    /** The ground of an element, or of what is drawn within it. */
    const ground = (selector: string, pseudo?: string): Promise<string> =>
      ui.page().$eval(
        selector,
        (element, pseudo) => {
          for (const animation of document.getAnimations()) animation.finish();
          return getComputedStyle(element, pseudo).backgroundColor;
        },
        pseudo,
      );
    await ui.show('inbox', fullState());
    await ui.click('button', 'Inbox, 2 unread');
    await ui.text('Bad link');
    expect(await ground('[aria-pressed=true]')).not.toBe(await ground('[aria-pressed=false]'));
    expect(await ground('[data-unread] .supapush-dot', '::after')).not.toBe(
      await ground('.supapush-entry:not([data-unread]) .supapush-dot', '::after'),
    );
    await ui.show('settings', fullState());
    await ui.text('Outages');
    expect(await ground('.supapush-switch:checked')).not.toBe(await ground('.supapush-switch:not(:checked)'));
    for (const state of [':checked', ':not(:checked)']) {
      const knob = await ground(`.supapush-switch${state}`, '::after');
      expect(knob).not.toBe(await ground(`.supapush-switch${state}`));
    }
  } finally {
    await session.send('Emulation.setEmulatedMedia', { features: [] });
    await session.detach();
  }
});

test('what a page says of its own headings, texts and buttons does not reach in', async () => {
  await ui.show('together', { ...fullState(), status: 'denied' });
  await ui.text('Outages');
  await ui.text('Watching');
  const looks = (): Promise<unknown> =>
    ui.page().$$eval('.supapush :is(h2, h3, p, li, button, label, legend, input)', (all) =>
      all.map((element) => {
        const style = getComputedStyle(element);
        const { fontSize, fontWeight, fontStyle, color, margin, padding, textTransform } = style;
        const { letterSpacing, textAlign, backgroundColor, borderColor, boxShadow, width } = style;
        return [
          [element.tagName, fontSize, fontWeight, fontStyle, color, margin, padding, textTransform],
          [letterSpacing, textAlign, backgroundColor, borderColor, boxShadow, width],
        ];
      }),
    );
  const before = await looks();
  const style = await ui.page().addStyleTag({
    content: `h2, h3, p, li, label, legend { font: italic 900 40px serif; color: red; margin: 3em; padding: 1em;
        text-transform: uppercase; letter-spacing: 0.2em; text-align: center; background: yellow }
      button, input { text-transform: uppercase; letter-spacing: 0.2em; width: 100%; margin: 1em; padding: 2em;
        background: lime; border-color: red; box-shadow: 0 0 9px red; font: italic 30px serif; color: red }`,
  });
  const after = await looks();
  await style.evaluate((element) => element.remove());
  expect(after).toEqual(before);
});

test('one below the other without a layout, they are not glued together', async () => {
  await ui.show('together', { ...fullState(), status: 'denied' });
  await ui.text('Outages');
  const gaps = await ui.page().$$eval('.supapush-prompt, .supapush-settings, .supapush-alerts', (all) =>
    all.slice(1).map((card, index) => {
      const above = all[index] as Element;
      return card.getBoundingClientRect().top - above.getBoundingClientRect().bottom;
    }),
  );
  expect(gaps).toEqual([16, 16]);
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

test('nothing moves for a user who asked for less motion', async () => {
  await ui.page().emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
  await ui.show('inbox', fullState());
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
  }, fullState());
  await ui.find('region', 'Alarme');
  await ui.text('Neuer Alarm');
  await ui.text('DAX bei 15.500,25');
  await ui.text('Wacht');
  // What was not replaced stays.
  await ui.text('Waiting for the first value');
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
