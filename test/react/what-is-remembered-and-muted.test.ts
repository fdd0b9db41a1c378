import { expect, test } from 'vitest';
import { wasDeclined } from '../../src/device/react/prompt/not-now.ts';
import { mutedBy, otherMutes, symbolsToMute } from '../../src/device/react/settings/muted-categories.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY = 24 * 60 * 60 * 1000;

test.for([
  ['nothing', null, false],
  ['a moment ago', String(NOW), true],
  ['almost two weeks ago', String(NOW - 14 * DAY + 1), true],
  ['two weeks ago', String(NOW - 14 * DAY), false],
  ['in the future, by a clock that was wrong', String(NOW + DAY), false],
  ['in no number', 'yes', false],
] as const)('"not now" said %s', ([, said, declined]) => {
  expect(wasDeclined(said, 14, NOW)).toBe(declined);
});

test('a category is muted by itself and by those above it', () => {
  expect(mutedBy(['alerts'], 'alerts')).toBe('alerts');
  expect(mutedBy(['alerts'], 'alerts:DAX')).toBe('alerts');
  expect(mutedBy(['alerts:DAX'], 'alerts')).toBeNull();
  expect(mutedBy(['alert'], 'alerts')).toBeNull();
});

test('symbols come from alerts and from mutes, and all else that is muted has its own list', () => {
  const muted = ['alerts:stock:SKU-7', 'crm', 'old'];
  expect(symbolsToMute(muted, [{ symbol: 'DAX' }, { symbol: 'BTC' }, { symbol: 'DAX' }])).toEqual([
    'BTC',
    'DAX',
    'stock:SKU-7',
  ]);
  expect(otherMutes(muted, [{ key: 'crm' }])).toEqual(['old']);
});
