import { afterEach, describe, expect, test, vi } from 'vitest';
import { createFormat, usableLocale } from '../../src/device/react/format.ts';
import { timeZones } from '../../src/device/react/settings/time-zones.ts';
import { clockZone, localTimeZone } from '../../src/device/shared/time-zone.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** A browser whose time zone and clock are these; the offset as JavaScript has it, in minutes behind UTC. */
function browserWith(timeZone: string | undefined, offset: number): void {
  const given = new Intl.DateTimeFormat().resolvedOptions();
  vi.spyOn(Intl.DateTimeFormat.prototype, 'resolvedOptions').mockReturnValue({ ...given, timeZone } as never);
  vi.spyOn(Date.prototype, 'getTimezoneOffset').mockReturnValue(offset);
}

test.for([
  ['Europe/Vienna', -60, 'Europe/Vienna'],
  ['America/Argentina/Buenos_Aires', 180, 'America/Argentina/Buenos_Aires'],
  ['UTC', 0, 'UTC'],
  ['Etc/Unknown', 0, 'UTC'],
  ['+00:00', 0, 'UTC'],
  [undefined, 0, 'UTC'],
  ['', -120, 'Etc/GMT-2'],
  [undefined, -120, 'Etc/GMT-2'],
  ['-05:00', 300, 'Etc/GMT+5'],
  ['+05:30', -330, 'Etc/GMT-5'],
  ['EST5EDT', 240, 'Etc/GMT+4'],
] as const)('a browser in %j, %d minutes behind UTC, is in %s', ([zone, offset, name]) => {
  browserWith(zone, offset);
  expect(localTimeZone()).toBe(name);
});

test('the clock alone says the hour', () => {
  browserWith('Europe/Vienna', -60);
  expect(clockZone()).toBe('Etc/GMT-1');
});

test('a browser without a list of time zones offers those that it has to', () => {
  expect(timeZones(null).length).toBeGreaterThan(300);
  vi.stubGlobal('Intl', { ...Intl, supportedValuesOf: undefined });
  expect(timeZones('Europe/Vienna', null, 'Asia/Tokyo')).toEqual(['Asia/Tokyo', 'Europe/Vienna', 'UTC']);
});

describe.each(['en-US@posix', 'C', 'C.UTF-8', 'POSIX', '', 'not a locale', 'de_AT.UTF-8', undefined])(
  'with the locale %j',
  (locale) => {
    test('formats do not throw', () => {
      const format = createFormat(locale);
      expect(format.number(0.5)).not.toBe('');
      expect(format.percent(2.5)).toContain('%');
      expect(format.minutes(60)).not.toBe('');
      expect(format.count(120)).toContain('+');
      expect(format.ago('2026-11-28T12:00:00Z', Date.parse('2026-11-28T12:03:00Z'))).toContain('3');
      expect(format.moment('2026-11-28T12:00:00Z')).toContain('2026');
    });
  },
);

test.for([
  ['en-US@posix', 'en-US'],
  ['de_AT.UTF-8', 'de-AT'],
  ['DE-at', 'de-AT'],
  ['C', undefined],
  ['', undefined],
  [undefined, undefined],
] as const)('of %j, the language is %j', ([given, tag]) => {
  expect(usableLocale(given)).toBe(tag);
});

test('a moment that JavaScript does not know is shown as it is', () => {
  const format = createFormat('en-GB');
  expect(format.moment('infinity')).toBe('infinity');
  expect(format.ago('infinity', Date.now())).toBe('infinity');
});
