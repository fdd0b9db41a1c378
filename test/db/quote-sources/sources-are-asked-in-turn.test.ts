import { beforeEach, describe, expect, test } from 'vitest';
import { BELL_SECRET, connectBell, openAlarms, PROJECT_URL } from '../../support/bell.ts';
import { plus } from '../../support/queue.ts';
import {
  askedFor,
  clearQuotes,
  defineSource,
  type PlannedRow,
  planQuotes,
  reportQuotes,
  watchSymbols,
} from '../../support/quotes.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const NOW = new Date('2026-11-20T16:30:00Z');
beforeEach(async () => {
  await clearQuotes(db().sql);
  await watchSymbols(db().sql, ['DAX', 'BTC']);
});

const plan = (seconds = 0) => planQuotes(db().sql, plus(NOW, seconds));
/** Who is asked for what, on trial or not. */
function bySource(planned: PlannedRow[]): Record<string, string[]> {
  const asked: Record<string, string[]> = {};
  for (const one of planned) asked[one.source] = [...(asked[one.source] ?? []), ...askedFor(one)];
  return asked;
}
const asked = async (seconds = 0) => bySource(await plan(seconds));

/** Asks everybody, who give these quotes. */
async function run(seconds: number, given: Record<string, string[]>): Promise<Record<string, string[]>> {
  const now = plus(NOW, seconds);
  const due = await plan(seconds);
  for (const { source, lease } of due) {
    const quotes = (given[source] ?? []).map((symbol) => ({ symbol, value: 1 }));
    await reportQuotes(db().sql, now, { source, lease, quotes });
  }
  return bySource(due);
}

test('a source is asked for what is watched, under its own names', async () => {
  await defineSource(db().sql, 'main', { symbols: { DAX: '^GDAXI' }, symbol_pattern: '[A-Z]{3}' });
  await watchSymbols(db().sql, ['DAX', 'BTC', 'cpu:web-1', 'BTCUSD', '..', '.']);
  const symbols = (await plan()).flatMap((one) => one.symbols);
  expect(symbols.sort()).toEqual([
    ['BTC', 'BTC'],
    ['DAX', '^GDAXI'],
  ]);
});

test.each<[string, { symbols?: Record<string, string>; symbol_pattern?: string }, string[]]>([
  ['nothing is said', {}, ['BTC', 'DAX', 'crypto:BTC']],
  ['some are mapped', { symbols: { DAX: 'x' } }, ['DAX']],
  ['there is a pattern', { symbol_pattern: 'crypto:.*' }, ['crypto:BTC']],
  ['there are both', { symbols: { DAX: 'x' }, symbol_pattern: 'B.*|x' }, ['BTC', 'DAX']],
])('where %s, it serves what is meant', async (_, options, symbols) => {
  await watchSymbols(db().sql, ['DAX', 'BTC', 'crypto:BTC']);
  await defineSource(db().sql, 'main', options);
  expect((await asked()).main?.sort()).toEqual(symbols);
});

test('no source is asked for a symbol that no user watches', async () => {
  await defineSource(db().sql, 'main');
  await watchSymbols(db().sql, []);
  expect(await asked()).toEqual({});
  await watchSymbols(db().sql, ['DAX']);
  expect(await asked()).toEqual({ main: ['DAX'] });
});

test('a source is asked again after its interval, and not before', async () => {
  await defineSource(db().sql, 'main', { every: '60 seconds' });
  expect(await run(0, { main: ['DAX'] })).toHaveProperty('main');
  expect(await asked(50)).toEqual({});
  // The job that rings is never on the second.
  expect(await asked(58)).toHaveProperty('main');
});

test('two runs never ask the same source; one that died gives it back', async () => {
  await defineSource(db().sql, 'main');
  const plans = await Promise.all([plan(), plan(), plan(), plan()]);
  expect(plans.flat()).toHaveLength(1);
  expect(await asked(80)).toEqual({});
  expect(await asked(91)).toHaveProperty('main');
  // A second time in a row, it is given time.
  expect(await asked(185)).toEqual({});
  expect(await asked(400)).toHaveProperty('main');
});

test('symbols that wait longest come first', async () => {
  await defineSource(db().sql, 'main');
  await run(0, { main: ['BTC', 'DAX'] });
  await run(60, { main: ['BTC'] });
  expect((await asked(120)).main).toEqual(['DAX', 'BTC']);
});

test('what users only believe to exist is a run of its own, in another order each time', async () => {
  await defineSource(db().sql, 'main');
  await run(0, { main: ['BTC', 'DAX'] });
  const madeUp = Array.from({ length: 15 }, (_, n) => `!${n}`);
  await watchSymbols(db().sql, ['DAX', 'BTC', ...madeUp]);
  const trials: (string[] | undefined)[] = [];
  for (const seconds of [60, 120]) {
    const [given, trial, ...others] = await plan(seconds);
    expect(others).toEqual([]);
    expect(given).toMatchObject({ trial: false, max_requests: null });
    expect(given?.symbols.map(([ours]) => ours)).toEqual(['BTC', 'DAX']);
    expect(trial).toMatchObject({ source: 'main', trial: true, max_requests: 10 });
    expect(trial?.lease).not.toBe(given?.lease);
    trials.push(trial?.symbols.map(([ours]) => ours));
    const now = plus(NOW, seconds);
    const quotes = ['BTC', 'DAX'].map((symbol) => ({ symbol, value: 1 }));
    await reportQuotes(db().sql, now, { source: 'main', lease: given?.lease ?? '', quotes });
    await reportQuotes(db().sql, now, { source: 'main', lease: trial?.lease ?? '' });
  }
  const [first, second] = trials;
  expect(first).not.toEqual(second);
  expect(second?.sort()).toEqual(madeUp.sort());
});

describe('a fallback', () => {
  beforeEach(async () => {
    await defineSource(db().sql, 'fallback', { precedence: 2, fallback_after: '3 minutes' });
    await defineSource(db().sql, 'main', { precedence: 1 });
  });

  test('is not asked while the source above it gives quotes', async () => {
    for (let minute = 0; minute < 10; minute++) {
      const { main, fallback } = await run(minute * 60, { main: ['DAX', 'BTC'] });
      expect([main?.sort(), fallback]).toEqual([['BTC', 'DAX'], undefined]);
    }
  });

  test('is asked for the symbols that the source above did not give for some time', async () => {
    for (const minute of [0, 1, 2])
      expect(await run(minute * 60, { main: ['DAX'] })).not.toHaveProperty('fallback');
    expect(await run(181, { main: ['DAX'] })).toMatchObject({ fallback: ['BTC'] });
  });

  test('is asked for all where the source above does not answer, until it does', async () => {
    for (const minute of [0, 1, 2]) expect(await run(minute * 60, {})).not.toHaveProperty('fallback');
    expect((await run(200, { fallback: ['DAX', 'BTC'] })).fallback?.sort()).toEqual(['BTC', 'DAX']);
    expect(await run(800, { main: ['DAX', 'BTC'] })).toHaveProperty('fallback');
    expect(await run(860, { main: ['DAX', 'BTC'] })).toEqual({ main: ['BTC', 'DAX'] });
  });

  test('is asked at once for what the source above refused', async () => {
    const [main] = await plan(0);
    await reportQuotes(db().sql, NOW, {
      source: 'main',
      lease: main?.lease ?? '',
      quotes: [{ symbol: 'DAX', value: 1 }],
      refused: ['BTC'],
    });
    expect(await asked(1)).toEqual({ fallback: ['BTC'] });
  });
});

describe('the bell', () => {
  const rings = async () => {
    const rows = await db().sql<{ headers: Record<string, string> }[]>`
      select headers from net.http_request_queue where url = ${`${PROJECT_URL}/functions/v1/push-quotes`}`;
    return rows.map(({ headers }) => headers['x-push-bell']);
  };
  const ring = async (seconds: number) =>
    (await db().sql`select push.ring_for_quotes(${plus(NOW, seconds)}) as rung`)[0]?.rung as boolean;
  beforeEach(async () => {
    await db().sql`delete from net.http_request_queue`;
    await connectBell(db().sql);
  });

  test('is rung where a source is due and a symbol watched, and only then', async () => {
    const { sql } = db();
    expect(await ring(0)).toBe(false);
    await defineSource(sql, 'main');
    await watchSymbols(sql, []);
    expect(await ring(0)).toBe(false);
    await watchSymbols(sql, ['DAX']);
    expect(await ring(0)).toBe(true);
    expect(await rings()).toEqual([BELL_SECRET]);
    await plan(1);
    expect(await ring(2)).toBe(false);
  });

  test('that is not answered three times raises an alarm, until a function comes', async () => {
    await defineSource(db().sql, 'main');
    for (const minute of [0, 1, 2]) await ring(minute * 60);
    expect(await openAlarms(db().sql)).toEqual([]);
    await ring(180);
    expect(await openAlarms(db().sql)).toEqual(['quotes_not_fetched']);
    await plan(200);
    expect(await openAlarms(db().sql)).toEqual([]);
  });

  test('that is not connected raises an alarm', async () => {
    const { sql } = db();
    await defineSource(sql, 'main');
    await sql`delete from vault.secrets`;
    expect(await ring(0)).toBe(false);
    expect(await openAlarms(sql)).toEqual(['bell_not_connected']);
  });
});
