import { beforeEach, describe, expect, test } from 'vitest';
import { clearAlerts, makeAlert, readAlert, recordQuotes, toldByAlerts } from '../../support/alerts.ts';
import { asService } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearAlerts(db().sql));

type Prices = [open: number | null, high: number, low: number, close: number];
const NEW_YORK = 'America/New_York';

/** Tells of a day of trading, at that moment, as a server does. */
async function session(
  date: string,
  [open, high, low, close]: Prices,
  at: string,
  timezone = NEW_YORK,
  symbol = 'SPX',
) {
  await asService(
    db().sql,
    (t) =>
      t`select public.push_record_session(${symbol}, ${date}, ${open}, ${high}, ${low}, ${close}, ${timezone}, ${new Date(at)})`,
  );
}

const tend = async (at: string) => await db().sql`select push.tick_alerts(10000, ${new Date(at)})`;

async function levels(symbol = 'SPX'): Promise<Record<string, number>> {
  const rows = await db()
    .sql`select level, value from public.push_levels where symbol = ${symbol} order by level`;
  return Object.fromEntries(rows.map(({ level, value }) => [level, value]));
}
const high = async () => (await levels()).yesterday_high;

test('a session gives its high, low and close, the pivot point and what pivots make of that', async () => {
  await session('2040-06-04', [105, 110, 100, 109], '2040-06-05T12:00:00Z');
  expect(await levels()).toEqual({
    yesterday_high: 110,
    yesterday_low: 100,
    yesterday_close: 109,
    pivot_point: 106.33,
    resistance_1: 112.66,
    resistance_2: 116.33,
    support_1: 102.66,
    support_2: 96.33,
  });
  const [row] = await db().sql`
    select session_date::text, timezone, updated_at from public.push_levels where level = 'pivot_point'`;
  expect(row).toEqual({
    session_date: '2040-06-04',
    timezone: NEW_YORK,
    updated_at: new Date('2040-06-05T12:00:00Z'),
  });
});

test('what is reckoned of prices has two places more than they, and none of the noise of binary fractions', async () => {
  await session('2040-06-04', [null, 0.3, 0.1, 0.2], '2040-06-05T12:00:00Z');
  expect(await levels()).toMatchObject({
    pivot_point: 0.2,
    resistance_1: 0.3,
    support_1: 0.1,
    resistance_2: 0.4,
    support_2: 0,
  });
  await session('2040-06-05', [null, 18500.35, 18321.1, 18444.9], '2040-06-06T12:00:00Z');
  expect(await levels()).toMatchObject({
    pivot_point: 18422.1167,
    resistance_1: 18523.1334,
    support_2: 18242.8667,
  });
});

describe.each([
  ['New York', NEW_YORK, '2040-06-04', '2040-06-05T03:59:59Z', '2040-06-05T04:00:00Z'],
  ['Tokyo', 'Asia/Tokyo', '2040-06-04', '2040-06-04T14:59:59Z', '2040-06-04T15:00:00Z'],
  ['New York in winter', NEW_YORK, '2040-01-05', '2040-01-06T04:59:59Z', '2040-01-06T05:00:00Z'],
  [
    'New York, on the day its clocks go forward',
    NEW_YORK,
    '2040-03-11',
    '2040-03-12T03:59:59Z',
    '2040-03-12T04:00:00Z',
  ],
  [
    'New York, on the day its clocks go back',
    NEW_YORK,
    '2040-11-04',
    '2040-11-05T04:59:59Z',
    '2040-11-05T05:00:00Z',
  ],
  [
    'Cairo, where midnight is left out in spring',
    'Africa/Cairo',
    '2040-04-26',
    '2040-04-26T21:59:59Z',
    '2040-04-26T22:00:00Z',
  ],
])('in %s', (_, timezone, date, before, midnight) => {
  test('a session is yesterday from the midnight after it on, by the clock there', async () => {
    await session(date, [null, 110, 100, 109], `${date}T14:00:00Z`, timezone);
    expect(await levels()).toEqual({});
    await tend(before);
    expect(await levels()).toEqual({});
    await tend(midnight);
    expect(await high()).toBe(110);
  });
});

test('one that is told after that midnight counts at once', async () => {
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-05T04:00:00Z');
  expect(await high()).toBe(110);
});

test('over a weekend yesterday is Friday, until the midnight after Monday', async () => {
  await session('2040-06-08', [null, 110, 100, 109], '2040-06-08T21:00:00Z');
  for (const day of ['09', '10', '11']) {
    await tend(`2040-06-${day}T12:00:00Z`);
    expect(await high()).toBe(110);
  }
  await session('2040-06-11', [null, 120, 100, 109], '2040-06-11T21:00:00Z');
  expect(await high()).toBe(110);
  await tend('2040-06-12T04:00:00Z');
  expect(await high()).toBe(120);
});

test('a session that goes on is told again and again, and the last word counts', async () => {
  for (const [hour, top] of [
    [15, 105],
    [17, 110],
    [20, 112],
  ]) {
    await session('2040-06-04', [null, top as number, 100, 101], `2040-06-04T${hour}:00:00Z`);
  }
  await tend('2040-06-05T04:00:00Z');
  expect(await high()).toBe(112);
});

test('one that is corrected while it is yesterday moves its levels', async () => {
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-05T12:00:00Z');
  await session('2040-06-04', [null, 111, 100, 109], '2040-06-05T13:00:00Z');
  expect(await high()).toBe(111);
});

test('one that is told, or corrected, after a later one has taken its place moves nothing', async () => {
  await session('2040-06-05', [null, 120, 100, 109], '2040-06-06T12:00:00Z');
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-06T13:00:00Z');
  expect(await high()).toBe(120);
  await session('2040-06-04', [null, 130, 100, 109], '2040-06-06T14:00:00Z');
  expect(await high()).toBe(120);
  const [waiting] = await db().sql`select count(*)::int as n from push.sessions where applied_at is null`;
  expect(waiting).toEqual({ n: 0 });
});

test('of several that come at once the latest that is over counts', async () => {
  for (const [date, top] of [
    ['2040-06-04', 110],
    ['2040-06-06', 130],
    ['2040-06-05', 120],
  ] as const) {
    await session(date, [null, top, 100, 109], '2040-06-06T02:00:00Z');
  }
  expect(await high()).toBe(110);
  await session('2040-06-07', [null, 140, 100, 109], '2040-06-07T02:00:00Z');
  expect(await high()).toBe(120);
  await tend('2040-06-07T04:00:00Z');
  expect(await high()).toBe(130);
});

test('symbols have sessions of their own', async () => {
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-04T20:00:00Z');
  await session('2040-06-04', [null, 40_000, 39_000, 39_500], '2040-06-04T20:00:00Z', 'Asia/Tokyo', 'N225');
  expect([await levels(), (await levels('N225')).yesterday_high]).toEqual([{}, 40_000]);
});

test("an alert at yesterday's high begins anew at midnight without firing, and fires at the new one", async () => {
  const { sql } = db();
  const quote = async (at: string, value: number) =>
    (await recordQuotes(sql, [{ symbol: 'SPX', value }], new Date(at))).fired;
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-05T12:00:00Z');
  const alert = await makeAlert(sql, {
    symbol: 'SPX',
    condition: 'level',
    level: 'yesterday_high',
    level_condition: 'above',
  });
  expect([await quote('2040-06-05T14:00:00Z', 105), await quote('2040-06-05T14:01:00Z', 111)]).toEqual([
    0, 1,
  ]);
  await session('2040-06-05', [105, 115, 104, 112], '2040-06-05T20:00:00Z');
  await quote('2040-06-06T03:50:00Z', 112);
  // The high rises over the value, and then falls under it.
  await tend('2040-06-06T04:00:00Z');
  expect(await readAlert(sql, alert)).toMatchObject({
    level_price: 115,
    last_side: 'below',
    armed: true,
    times_fired: 1,
  });
  await session('2040-06-05', [105, 111.5, 104, 111], '2040-06-06T04:05:00Z');
  expect(await readAlert(sql, alert)).toMatchObject({
    level_price: 111.5,
    last_side: 'above',
    armed: false,
    times_fired: 1,
  });
  await session('2040-06-05', [105, 115, 104, 112], '2040-06-06T04:06:00Z');
  expect(await quote('2040-06-06T04:07:00Z', 115)).toBe(1);
  expect((await toldByAlerts(sql)).map(({ params }) => params.level_price)).toEqual([110, 115]);
});

test('an alert does not begin by a value of last night', async () => {
  const { sql } = db();
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-05T12:00:00Z');
  const alert = await makeAlert(sql, { symbol: 'SPX', condition: 'level', level: 'yesterday_high' });
  await recordQuotes(sql, [{ symbol: 'SPX', value: 105 }], new Date('2040-06-05T20:00:00Z'));
  await session('2040-06-05', [null, 107, 100, 105], '2040-06-05T20:05:00Z');
  await tend('2040-06-06T04:00:00Z');
  expect(await readAlert(sql, alert)).toMatchObject({ level_price: 107, last_side: null, times_fired: 0 });
  const { fired } = await recordQuotes(
    sql,
    [{ symbol: 'SPX', value: 120 }],
    new Date('2040-06-06T13:30:00Z'),
  );
  expect(fired).toBe(0);
  expect(await readAlert(sql, alert)).toMatchObject({ last_side: 'above' });
});

test.each<[string, string, string, Prices, string, string]>([
  ['a close above its high', 'session_invalid', '2040-06-04', [null, 110, 100, 111], NEW_YORK, 'SPX'],
  ['an open below its low', 'session_invalid', '2040-06-04', [99, 110, 100, 105], NEW_YORK, 'SPX'],
  ['a high below its low', 'session_invalid', '2040-06-04', [null, 100, 110, 105], NEW_YORK, 'SPX'],
  ['NaN', 'session_invalid', '2040-06-04', [null, Number.NaN, 100, 105], NEW_YORK, 'SPX'],
  ['infinity', 'session_invalid', '2040-06-04', [null, Number.POSITIVE_INFINITY, 100, 105], NEW_YORK, 'SPX'],
  ['no close', 'session_invalid', '2040-06-04', [null, 110, 100, null as unknown as number], NEW_YORK, 'SPX'],
  ['a day that is far from over', 'session_invalid', '2040-06-09', [null, 110, 100, 105], NEW_YORK, 'SPX'],
  ['a zone that is none', 'timezone_unknown', '2040-06-04', [null, 110, 100, 105], 'Wall Street', 'SPX'],
  ['no symbol', 'symbol_malformed', '2040-06-04', [null, 110, 100, 105], NEW_YORK, 'S P X'],
])('%s is no session', async (_, code, date, prices, timezone, symbol) => {
  const told = session(date, prices, '2040-06-05T12:00:00Z', timezone, symbol);
  expect(await refusalOf(told)).toMatchObject({ sqlstate: 'PT400', code });
  expect(await levels()).toEqual({});
});

test('sessions are kept for a month after they have been yesterday', async () => {
  await session('2040-06-04', [null, 110, 100, 109], '2040-06-05T12:00:00Z');
  const count = async () => (await db().sql`select count(*)::int as n from push.sessions`)[0]?.n;
  await tend('2040-07-05T11:59:59Z');
  expect(await count()).toBe(1);
  await tend('2040-07-05T12:00:00Z');
  expect(await count()).toBe(0);
  expect(await high()).toBe(110);
});
