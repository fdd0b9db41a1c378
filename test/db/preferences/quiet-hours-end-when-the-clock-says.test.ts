import { beforeAll, describe, expect, test } from 'vitest';
import { type QuietHours, quietUntil } from '../../support/quiet-hours.ts';
import { generator } from '../../support/random-numbers.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const HOUR = 3_600_000;

/** What the database says of these moments, each in a row as `quietUntil` says it. */
async function ask(hours: QuietHours, moments: Date[]): Promise<(Date | number | null)[]> {
  const { sql } = db();
  const instants = moments.map((moment) => moment.toISOString());
  const rows = await sql<{ seconds: number | null }[]>`
    select extract(epoch from push.quiet_until(p.preferences, m.moment))::float8 as seconds
    from (select jsonb_populate_record(null::public.push_preferences, ${sql.json(hours as never)}) as preferences) as p
    cross join unnest(${instants}::text[]::timestamptz[]) with ordinality as m (moment, place)
    order by m.place`;
  return rows.map(({ seconds }) =>
    seconds === null || seconds === Number.POSITIVE_INFINITY ? seconds : new Date(seconds * 1000),
  );
}

async function askOnce(hours: QuietHours, moment: string): Promise<string | null> {
  const [until] = await ask(hours, [new Date(moment)]);
  return until instanceof Date ? until.toISOString().replace('.000Z', 'Z') : String(until ?? '') || null;
}

const night = (timezone: string): QuietHours => ({ timezone, quiet_from: '22:00', quiet_until: '07:00' });

// Moments in UTC. Twelve zones and both changes of the clocks where there are any; all across midnight.
test.each([
  ['UTC', '2026-06-01T21:59:59Z', null],
  ['UTC', '2026-06-01T22:00:00Z', '2026-06-02T07:00:00Z'],
  ['UTC', '2026-06-02T06:59:59Z', '2026-06-02T07:00:00Z'],
  ['UTC', '2026-06-02T07:00:00Z', null],
  ['Asia/Kathmandu', '2026-06-01T16:14:59Z', null],
  ['Asia/Kathmandu', '2026-06-01T16:15:00Z', '2026-06-02T01:15:00Z'],
  ['Asia/Kolkata', '2026-06-01T16:30:00Z', '2026-06-02T01:30:00Z'],
  ['Asia/Tokyo', '2026-06-01T13:00:00Z', '2026-06-01T22:00:00Z'],
  ['Pacific/Apia', '2026-06-01T08:59:00Z', null],
  ['Pacific/Apia', '2026-06-01T09:00:00Z', '2026-06-01T18:00:00Z'],
  ['Pacific/Kiritimati', '2026-06-01T08:00:00Z', '2026-06-01T17:00:00Z'],
  ['Pacific/Marquesas', '2026-06-01T07:30:00Z', '2026-06-01T16:30:00Z'],
  ['Africa/Nairobi', '2026-06-01T19:00:00Z', '2026-06-02T04:00:00Z'],
  ['America/Sao_Paulo', '2026-06-01T01:00:00Z', '2026-06-01T10:00:00Z'],
  // Spring: the night is an hour shorter. Autumn: an hour longer.
  ['Europe/Vienna', '2026-03-28T21:00:00Z', '2026-03-29T05:00:00Z'],
  ['Europe/Vienna', '2026-10-24T20:00:00Z', '2026-10-25T06:00:00Z'],
  ['America/New_York', '2026-03-08T03:00:00Z', '2026-03-08T11:00:00Z'],
  ['America/New_York', '2026-11-01T02:00:00Z', '2026-11-01T12:00:00Z'],
  ['America/St_Johns', '2026-03-08T01:30:00Z', '2026-03-08T09:30:00Z'],
  ['America/St_Johns', '2026-11-01T00:30:00Z', '2026-11-01T10:30:00Z'],
  // Half an hour.
  ['Australia/Lord_Howe', '2026-10-03T11:30:00Z', '2026-10-03T20:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T11:00:00Z', '2026-04-04T20:30:00Z'],
  ['Pacific/Auckland', '2026-09-26T10:00:00Z', '2026-09-26T18:00:00Z'],
  ['Pacific/Chatham', '2026-04-04T08:15:00Z', '2026-04-04T18:15:00Z'],
  ['America/Santiago', '2026-09-06T02:00:00Z', '2026-09-06T10:00:00Z'],
] as const)('%s: at %s quiet until %s', async (timezone, moment, until) => {
  expect(await askOnce(night(timezone), moment)).toBe(until);
});

describe('where the clock is set, in doubt it is quiet', () => {
  const vienna = (quiet_from: string, quiet_until: string) => ({
    timezone: 'Europe/Vienna',
    quiet_from,
    quiet_until,
  });

  test('a beginning that is skipped is the moment of the jump', async () => {
    expect(await askOnce(vienna('02:30', '06:00'), '2026-03-29T00:59:59Z')).toBe(null);
    expect(await askOnce(vienna('02:30', '06:00'), '2026-03-29T01:00:00Z')).toBe('2026-03-29T04:00:00Z');
  });

  test('an end that is skipped comes as late as without the jump', async () => {
    expect(await askOnce(vienna('22:00', '02:30'), '2026-03-28T22:00:00Z')).toBe('2026-03-29T01:30:00Z');
  });

  test('a beginning that comes twice counts the first time, and all the way from there', async () => {
    expect(await askOnce(vienna('02:30', '06:00'), '2026-10-25T00:29:59Z')).toBe(null);
    for (const moment of ['2026-10-25T00:30:00Z', '2026-10-25T01:15:00Z', '2026-10-25T01:30:00Z'])
      expect(await askOnce(vienna('02:30', '06:00'), moment)).toBe('2026-10-25T05:00:00Z');
  });

  test('an end that comes twice counts the second time', async () => {
    for (const moment of ['2026-10-25T00:45:00Z', '2026-10-25T01:29:59Z'])
      expect(await askOnce(vienna('22:00', '02:30'), moment)).toBe('2026-10-25T01:30:00Z');
    expect(await askOnce(vienna('22:00', '02:30'), '2026-10-25T01:30:00Z')).toBe(null);
  });

  test('a day that a country left out is no quiet one', async () => {
    // Samoa went from 29 to 31 December 2011.
    expect(await askOnce(night('Pacific/Apia'), '2011-12-30T09:30:00Z')).toBe('2011-12-30T17:00:00Z');
    expect(await askOnce(night('Pacific/Apia'), '2011-12-30T17:00:00Z')).toBe(null);
  });
});

describe('by weekday', () => {
  // 2026-06-06 is a Saturday.
  const weekend: QuietHours = {
    ...night('UTC'),
    quiet_by_weekday: { 6: { from: '23:00', until: '10:00' }, 7: null },
  };

  test('hours are those of the day on which they begin', async () => {
    expect(await askOnce(weekend, '2026-06-06T06:30:00Z')).toBe('2026-06-06T07:00:00Z');
    expect(await askOnce(weekend, '2026-06-06T22:30:00Z')).toBe(null);
    expect(await askOnce(weekend, '2026-06-06T23:30:00Z')).toBe('2026-06-07T10:00:00Z');
    expect(await askOnce(weekend, '2026-06-07T09:30:00Z')).toBe('2026-06-07T10:00:00Z');
  });

  test('null is none', async () => {
    expect(await askOnce(weekend, '2026-06-07T23:00:00Z')).toBe(null);
    expect(await askOnce(weekend, '2026-06-08T03:00:00Z')).toBe(null);
    expect(await askOnce(weekend, '2026-06-08T22:00:00Z')).toBe('2026-06-09T07:00:00Z');
  });

  test('they need no hours for the other days', async () => {
    const sundays: QuietHours = {
      timezone: 'UTC',
      quiet_by_weekday: { 7: { from: '00:00', until: '24:00' } },
    };
    expect(await askOnce(sundays, '2026-06-06T23:59:59Z')).toBe(null);
    expect(await askOnce(sundays, '2026-06-07T00:00:00Z')).toBe('2026-06-08T00:00:00Z');
    expect(await askOnce(sundays, '2026-06-08T00:00:00Z')).toBe(null);
  });

  test('periods that adjoin or overlap are one quiet time', async () => {
    const long: QuietHours = {
      ...night('UTC'),
      quiet_by_weekday: {
        5: { from: '20:00', until: '00:00' },
        6: { from: '00:00', until: '24:00' },
        7: { from: '00:00', until: '23:00' },
      },
    };
    expect(await askOnce(long, '2026-06-05T20:00:00Z')).toBe('2026-06-07T23:00:00Z');
    const overlapping: QuietHours = {
      ...night('UTC'),
      quiet_by_weekday: { 6: { from: '05:00', until: '12:00' } },
    };
    expect(await askOnce(overlapping, '2026-06-05T22:00:00Z')).toBe('2026-06-06T12:00:00Z');
  });

  test('quiet hours around the clock never end', async () => {
    const always: QuietHours = { timezone: 'Europe/Vienna', quiet_from: '00:00', quiet_until: '24:00' };
    expect(await askOnce(always, '2026-06-05T20:00:00Z')).toBe('Infinity');
    // All days but one: that one ends it.
    const [sunday] = await ask({ ...always, quiet_by_weekday: { 7: null } }, [
      new Date('2026-06-08T00:00:00+02:00'),
    ]);
    expect(sunday).toEqual(new Date('2026-06-14T00:00:00+02:00'));
  });
});

test('a user who said nothing of quiet hours has none', async () => {
  expect(await ask({ timezone: 'Europe/Vienna', quiet_by_weekday: {} }, [new Date()])).toEqual([null]);
});

test('a zone that this Postgres no longer knows counts as UTC, and stops no message', async () => {
  expect(await askOnce(night('Europe/Atlantis'), '2026-06-01T23:00:00Z')).toBe('2026-06-02T07:00:00Z');
});

const ZONES = [
  'UTC',
  'Africa/Cairo',
  'Africa/Casablanca',
  'America/Havana',
  'America/Los_Angeles',
  'America/Santiago',
  'America/St_Johns',
  'Asia/Beirut',
  'Asia/Kathmandu',
  'Asia/Tehran',
  'Atlantic/Azores',
  'Australia/Adelaide',
  'Australia/Lord_Howe',
  'Europe/Dublin',
  'Europe/Vienna',
  'Pacific/Apia',
  'Pacific/Chatham',
];

describe.each(ZONES)('%s', (timezone) => {
  let changes: number[];
  beforeAll(async () => {
    // The hours in which its clocks were set between 2012 and 2025, as this Postgres knows it.
    const rows = await db().sql<{ moment: Date }[]>`
      select h.moment
      from generate_series('2012-01-01+00'::timestamptz, '2025-12-31+00', '1 hour') as h (moment)
      where (h.moment + interval '1 hour') at time zone ${timezone} - h.moment at time zone ${timezone} <> interval '1 hour'`;
    changes = rows.map(({ moment }) => moment.getTime());
  });

  test('agrees with Intl at random moments, half of them around a change of the clocks', async () => {
    const random = generator(20261121);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const time = () =>
      `${String(Math.floor(random() * (random() < 0.5 ? 24 : 4))).padStart(2, '0')}:${pick(['00', '15', '30', '45'])}`;
    const period = () => {
      const from = time();
      let until = time();
      while (until === from) until = time();
      return { from, until: until === '00:00' ? pick(['00:00', '24:00']) : until };
    };
    for (let round = 0; round < 15; round += 1) {
      const base = period();
      const days = Array.from({ length: Math.floor(random() * 4) }, () =>
        pick(['1', '2', '3', '4', '5', '6', '7']),
      );
      const hours: QuietHours = {
        timezone,
        ...(random() < 0.9 ? { quiet_from: base.from, quiet_until: base.until } : {}),
        quiet_by_weekday: Object.fromEntries(days.map((day) => [day, random() < 0.3 ? null : period()])),
      };
      const moments = Array.from({ length: 40 }, (_, index) => {
        const near =
          index % 2 === 0 && changes.length > 0 ? pick(changes) + (random() - 0.5) * 12 * HOUR : undefined;
        return new Date(Math.floor((near ?? Date.UTC(2012, 0, 1 + random() * 5000)) / 1000) * 1000);
      });
      const found = await ask(hours, moments);
      const expected = moments.map((moment) => quietUntil(hours, moment));
      expect({ hours, found }).toEqual({ hours, found: expected });
    }
  });
});
