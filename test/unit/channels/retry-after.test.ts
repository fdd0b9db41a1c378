import { describe, expect, test } from 'vitest';
import { readRetryAfter, retryAfterSeconds } from '../../../src/server/channels/retry-after.ts';

const NOW = Date.parse('2026-11-21T12:00:00.400Z');

describe('Retry-After', () => {
  test.each([
    ['nothing', null, null],
    ['seconds', '120', 120],
    ['no wait', '0', 0],
    ['seconds with spaces', ' 120 ', 120],
    ['a great many seconds', '999999999', 999_999_999],
    ['a date, rounded up', 'Sat, 21 Nov 2026 12:01:00 GMT', 60],
    ['a date in the past', 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['this very moment', 'Sat, 21 Nov 2026 12:00:00 GMT', 0],
    ['an empty value', '', null],
    ['a word', 'soon', null],
    ['a word with a number that an engine takes for a year', 'soon 2099', null],
    ['a fraction', '1.5', null],
    ['a negative number', '-5', null],
    ['a unit', '60s', null],
    ['two values', '60, 60', null],
    ['more digits than make sense', '99999999999999', null],
    ['an ISO date, which HTTP does not know', '2027-01-01T00:00:00Z', null],
    ['a weekday and nothing more', 'Monday', null],
    ['not a number', 'NaN', null],
  ])('%s', (_, header, expected) => {
    expect(retryAfterSeconds(header, NOW)).toBe(expected);
  });
});

describe('Retry-After of an answer', () => {
  const DATE = 'Sat, 21 Nov 2026 12:01:00 GMT';
  test.each([
    [
      'that says the time, as a date, is the distance between the two',
      DATE,
      'Sat, 21 Nov 2026 12:00:30 GMT',
      '30',
    ],
    ['of a server that lives a day ahead', DATE, 'Sat, 21 Nov 2026 12:00:00 GMT', '60'],
    ['that says the time, in seconds, is what it says', '120', 'Wed, 21 Oct 2015 07:28:00 GMT', '120'],
    ['that does not say the time is left as it is', DATE, null, DATE],
    ['that says something else in place of the time is left as it is', DATE, 'soon', DATE],
    ['that asks for nothing', null, 'Sat, 21 Nov 2026 12:00:30 GMT', null],
    ['that cannot be understood asks for nothing', 'soon 2099', 'Sat, 21 Nov 2026 12:00:30 GMT', null],
  ])('%s', (_, retryAfter, date, expected) => {
    const headers = new Headers();
    if (retryAfter !== null) headers.set('retry-after', retryAfter);
    if (date !== null) headers.set('date', date);
    expect(readRetryAfter(headers)).toBe(expected);
  });
});
