import { expect, test } from 'vitest';
import { alertOf, draftOf, faultsOf, newDraft } from '../../src/device/react/alerts/alert-draft.ts';
import { alertFacts, alertGoal, alertState } from '../../src/device/react/alerts/alert-words.ts';
import { intervalMinutes } from '../../src/device/react/alerts/interval-minutes.ts';
import { createFormat } from '../../src/device/react/format.ts';
import { alertStrings } from '../../src/device/react/strings/alert-strings.ts';
import { exampleAlert } from '../browser/pages/example-alert.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const format = createFormat('en-GB');

test.for([
  [{}, 'DAX rises to 18,000'],
  [{ condition: 'crosses', threshold: -0.25 }, 'DAX reaches -0.25'],
  [
    { condition: 'percent_change', threshold: 2.5, windowMinutes: 15, direction: 'up' },
    'DAX rises by 2.5% in 15 minutes',
  ],
  [
    { condition: 'level', level: 'pivot_point', levelCondition: 'below', levelPrice: 17_000 },
    'DAX is below pivot point (17,000)',
  ],
] as const)('%j waits for: %s', ([changes, words]) => {
  expect(alertGoal({ ...exampleAlert, ...changes }, alertStrings, format)).toBe(words);
});

test.for([
  [{}, 'armed', 'Watching'],
  [{ armed: false, lastSide: null }, 'waiting', 'Waiting for the first value'],
  [{ armed: false, lastSide: 'above' }, 'waiting', 'Waiting for the value to move back'],
  [{ enabled: false, disabledReason: 'fired' }, 'off', 'Done'],
  [{ enabled: false, disabledReason: 'expired' }, 'off', 'Expired'],
  [{ enabled: false, disabledReason: null }, 'off', 'Switched off'],
] as const)('%j stands as: %s, %s', ([changes, state, text]) => {
  expect(alertState({ ...exampleAlert, ...changes }, alertStrings)).toEqual({ state, text });
});

test('what has become of it is told, and a clock that is ahead does not tell the future', () => {
  const fired = { ...exampleAlert, timesFired: 1, lastFiredAt: '2026-11-21T12:03:00Z', heldBack: 1 };
  expect(alertFacts(fired, alertStrings, format, NOW)).toEqual(['Triggered now', 'Held back once', 'Once']);
  const often = { ...fired, timesFired: 1200, lastFiredAt: '2026-11-01T12:00:00Z', recurring: true };
  expect(alertFacts(often, alertStrings, format, NOW)).toEqual([
    'Triggered 1,200 times, last 1 Nov 2026',
    'Held back once',
    'Every time',
  ]);
});

test.for([
  ['00:00:00', 0],
  ['01:30:00', 90],
  ['00:00:30', 0.5],
  ['1 day', 1440],
  ['2 days 03:00:00', 3060],
  ['1 mon 00:05:00', 43_205],
  ['100:00:00', 6000],
] as const)('the interval %s has %d minutes', ([interval, minutes]) => {
  expect(intervalMinutes(interval)).toBe(minutes);
});

test('an alert that is opened and saved stays what it was', () => {
  const alert = {
    ...exampleAlert,
    hysteresis: 0.5,
    cooldown: '1 day 00:30:00',
    activeFrom: '08:00:00',
    activeUntil: '17:30:00',
    timezone: 'Asia/Tokyo',
    expiresAt: '2027-01-01T10:00:00.000Z',
    setup: 'Mine',
    recurring: true,
  };
  const draft = draftOf(alert);
  expect(faultsOf(draft, NOW)).toEqual({});
  expect(alertOf(draft)).toMatchObject({
    symbol: 'DAX',
    condition: 'crosses_above',
    threshold: 18_000,
    hysteresis: 0.5,
    hysteresisUnit: 'absolute',
    cooldown: '1470 minutes',
    activeFrom: '08:00',
    activeUntil: '17:30',
    timezone: 'Asia/Tokyo',
    expiresAt: '2027-01-01T10:00:00.000Z',
    setup: 'Mine',
    recurring: true,
  });
});

test('another condition takes back what does not go with it', () => {
  const draft = draftOf({
    ...exampleAlert,
    condition: 'percent_change',
    threshold: 2,
    windowMinutes: 60,
    direction: 'up',
  });
  expect(alertOf({ ...draft, condition: 'level', level: 'yesterday_low' })).toMatchObject({
    threshold: null,
    windowMinutes: 0,
    direction: null,
    level: 'yesterday_low',
    levelCondition: 'crosses',
  });
});

test.for([
  [{ symbol: ' ' }, { symbol: 'symbol_missing' }],
  [{ symbol: 'a b' }, { symbol: 'symbol_malformed' }],
  [{ symbol: 'stock::x' }, { symbol: 'symbol_malformed' }],
  [{ threshold: '' }, { threshold: 'number_missing' }],
  [{ threshold: '1e999' }, { threshold: 'number_missing' }],
  [{ condition: 'percent_change', threshold: '0' }, { threshold: 'percent_too_small' }],
  [{ condition: 'level', level: 'Yesterday High' }, { level: 'level_malformed' }],
  [
    { hysteresis: '-1', cooldown: '-5' },
    { hysteresis: 'negative', cooldown: 'negative' },
  ],
  [{ activeFrom: '08:00' }, { activeUntil: 'hours_incomplete' }],
  [{ activeFrom: '08:00', activeUntil: '08:00' }, { activeUntil: 'hours_incomplete' }],
  [{ expiresAt: '2026-01-01T00:00' }, { expiresAt: 'date_past' }],
  [{ symbol: 'stock:SKU-7', threshold: '-3' }, {}],
] as const)('%j: %j', ([changes, faults]) => {
  expect(faultsOf({ ...newDraft('DAX'), threshold: '1', ...changes }, NOW)).toEqual(faults);
});
