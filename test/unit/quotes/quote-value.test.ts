import { describe, expect, test } from 'vitest';
import { readQuoteTime, readQuoteValue } from '../../../src/server/quotes/quote-value.ts';

test.each<[unknown, number]>([
  [23500.5, 23500.5],
  [0, 0],
  [-3.2, -3.2],
  ['23500.5', 23500.5],
  [' 7 ', 7],
  ['-0.5', -0.5],
  ['.5', 0.5],
  ['1e-3', 0.001],
])('%j is the number %d', (raw, value) => {
  expect(readQuoteValue(raw)).toBe(value);
});

test.each([
  null,
  undefined,
  true,
  '',
  ' ',
  'N/A',
  'NaN',
  'Infinity',
  '1e999',
  '0x10',
  '1,234.5',
  '12%',
  '1 2',
  '--1',
  Number.NaN,
  Number.POSITIVE_INFINITY,
  [7],
  { value: 7 },
])('%j is no number', (raw) => {
  expect(readQuoteValue(raw)).toBeUndefined();
});

describe('a time is read from', () => {
  const moment = '2026-11-20T16:30:00.000Z';
  test.each<[unknown, string, string]>([
    [1795192200, 'UTC', moment],
    ['1795192200', 'UTC', moment],
    [1795192200000, 'UTC', moment],
    [1795192200000000, 'UTC', moment],
    [1795192200000000000, 'UTC', moment],
    ['2026-11-20T16:30:00Z', 'Europe/Berlin', moment],
    ['2026-11-20 17:30:00+01:00', 'UTC', moment],
    ['2026-11-20T17:30:00.000+0100', 'UTC', moment],
    ['2026-11-20 17:30', 'Europe/Berlin', moment],
    ['2026-11-20 11:30:00', 'America/New_York', moment],
    ['2026-07-20 12:30:00', 'America/New_York', '2026-07-20T16:30:00.000Z'],
    ['2026-11-20', 'Asia/Tokyo', '2026-11-19T15:00:00.000Z'],
    // The nights in which clocks change: after the change, and before.
    ['2026-03-29 03:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z'],
    ['2026-03-29 01:30', 'Europe/Berlin', '2026-03-29T00:30:00.000Z'],
    ['2026-10-25 03:30', 'Europe/Berlin', '2026-10-25T02:30:00.000Z'],
    ['2026-10-25 01:30', 'Europe/Berlin', '2026-10-24T23:30:00.000Z'],
  ])('%j in %s', (raw, timezone, expected) => {
    expect(readQuoteTime(raw, timezone)?.toISOString()).toBe(expected);
  });

  test.each([
    null,
    '',
    'N/D',
    '17:30',
    '2026-02-30',
    '2026-13-01',
    '20.11.2026',
    '2026-11-20T25:00Z',
    -5,
    0,
    1e300,
    1e21,
  ])('not from %j', (raw) => {
    expect(readQuoteTime(raw, 'UTC')).toBeUndefined();
  });

  test.each([
    ['0001-01-01T00:00:00', 'Europe/Berlin'],
    ['0001-01-01T00:00:00+01:00', 'UTC'],
    ['9999-12-31T23:59:59-01:00', 'UTC'],
  ])('not from %s in %s, a year that Postgres does not read', (raw, timezone) => {
    expect(readQuoteTime(raw, timezone)).toBeUndefined();
  });
});
