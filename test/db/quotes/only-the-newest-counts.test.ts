import { beforeEach, expect, test } from 'vitest';
import {
  clearAlerts,
  MORNING,
  makeAlert,
  type Quote,
  readAlert,
  recordQuotes,
} from '../../support/alerts.ts';
import { plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const NOTHING = { duplicate: 0, out_of_order: 0, stale: 0, invalid: 0 };
beforeEach(() => clearAlerts(db().sql));

const at = (seconds: number) => plus(MORNING, seconds);
const dax = (value: number, seconds = 0): Quote => ({ symbol: 'DAX', value, quoted_at: at(seconds) });
const record = (seconds: number, ...quotes: unknown[]) => recordQuotes(db().sql, quotes, at(seconds));

async function latest(symbol = 'DAX') {
  const [row] = await db()
    .sql`select value, quoted_at, source from public.push_quotes where symbol = ${symbol}`;
  return row;
}

const history = async (symbol = 'DAX') =>
  (await db().sql`select value from push.quote_history where symbol = ${symbol} order by quoted_at`).map(
    ({ value }) => value,
  );

test('a newer quote replaces the one before, and both are in the history', async () => {
  expect(await record(0, { ...dax(99), source: 'exchange' })).toEqual({
    recorded: 1,
    ignored: NOTHING,
    fired: 0,
  });
  expect(await latest()).toEqual({ value: 99, quoted_at: at(0), source: 'exchange' });
  expect(await record(60, dax(101, 60))).toEqual({ recorded: 1, ignored: NOTHING, fired: 0 });
  expect(await latest()).toEqual({ value: 101, quoted_at: at(60), source: null });
  expect(await history()).toEqual([99, 101]);
});

test('a quote without a moment is of now', async () => {
  await record(0, { symbol: 'DAX', value: 99 }, { symbol: 'BTC', value: 1, quoted_at: null });
  expect([await latest(), await latest('BTC')]).toMatchObject([{ quoted_at: at(0) }, { quoted_at: at(0) }]);
});

test('the same quote again is a duplicate, however often and beside whatever', async () => {
  await record(0, dax(99));
  expect(await record(60, dax(99), dax(99), dax(101, 60), dax(101, 60))).toEqual({
    recorded: 1,
    ignored: { ...NOTHING, duplicate: 3 },
    fired: 0,
  });
  expect(await history()).toEqual([99, 101]);
});

test('of two values for one moment the first stays', async () => {
  await record(0, dax(99));
  expect(await record(60, dax(500))).toEqual({
    recorded: 0,
    ignored: { ...NOTHING, out_of_order: 1 },
    fired: 0,
  });
  expect(await record(60, dax(100, 60), dax(500, 60))).toMatchObject({
    recorded: 1,
    ignored: { out_of_order: 1 },
  });
  expect(await latest()).toMatchObject({ value: 100 });
  expect(await history()).toEqual([99, 100]);
});

test('one that comes after a newer one is in the history alone, and fires nothing', async () => {
  const alert = await makeAlert(db().sql);
  await record(60, dax(99, 60));
  expect(await record(120, dax(500, 30))).toEqual({
    recorded: 0,
    ignored: { ...NOTHING, out_of_order: 1 },
    fired: 0,
  });
  expect(await latest()).toMatchObject({ value: 99, quoted_at: at(60) });
  expect(await history()).toEqual([500, 99]);
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 0, armed: true });
});

test('several of one symbol are looked at one after the other by their time, in whatever order they stand', async () => {
  const alert = await makeAlert(db().sql, { cooldown: '0' });
  expect(await record(300, dax(101, 180), dax(99, 0), dax(102, 60), dax(98, 120))).toEqual({
    recorded: 4,
    ignored: NOTHING,
    fired: 2,
  });
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 2 });
  expect(await latest()).toMatchObject({ value: 101 });
  expect(await history()).toEqual([99, 102, 98, 101]);
});

test('a stale one is kept, and no alert looks at it', async () => {
  const alert = await makeAlert(db().sql);
  await record(0, dax(99));
  expect(await record(3600, dax(101, 1800))).toEqual({
    recorded: 0,
    ignored: { ...NOTHING, stale: 1 },
    fired: 0,
  });
  expect(await latest()).toMatchObject({ value: 101, quoted_at: at(1800) });
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 0, last_side: 'below' });
  // A second younger, and it is looked at.
  expect(await record(3600, dax(102, 1801))).toMatchObject({ recorded: 1, fired: 1 });
});

test('one of the future is refused, or all that is true would look old until then', async () => {
  expect(await record(0, dax(99, 61), dax(101, 60))).toEqual({
    recorded: 1,
    ignored: { ...NOTHING, invalid: 1 },
    fired: 0,
  });
  expect(await latest()).toMatchObject({ value: 101 });
});

test('an empty batch is nothing, and what is no array is refused', async () => {
  expect(await record(0)).toEqual({ recorded: 0, ignored: NOTHING, fired: 0 });
  for (const quotes of [null, {}, 'DAX', 5]) {
    expect(await refusalOf(recordQuotes(db().sql, quotes, at(0)))).toMatchObject({
      sqlstate: 'PT400',
      code: 'quotes_malformed',
    });
  }
});

test('symbols differ by every letter, and are found whatever the language of the database', async () => {
  await record(0, { symbol: 'dax', value: 1 }, { symbol: 'DAX', value: 2 }, { symbol: 'ÄÖÜ/€', value: 3 });
  expect([await latest('dax'), await latest(), await latest('ÄÖÜ/€')]).toMatchObject([
    { value: 1 },
    { value: 2 },
    { value: 3 },
  ]);
});
