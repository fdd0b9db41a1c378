import { beforeEach, expect, test } from 'vitest';
import { makeAlert } from '../../support/alerts.ts';
import { openAlarms } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { plus } from '../../support/queue.ts';
import {
  askedFor,
  clearQuotes,
  defineSource,
  planQuotes,
  type Report,
  reportQuotes,
  runSources,
  sourceState,
  watchSymbols,
} from '../../support/quotes.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const NOW = new Date('2026-11-20T16:30:00Z');
const MINUTE = 60;
const DAY = 86_400;
beforeEach(() => clearQuotes(db().sql));

const run = (seconds: number, exist: readonly string[], sources?: string[]) =>
  runSources(db().sql, plus(NOW, seconds), exist, sources);

test('a symbol that is in no answer is asked for after twice as long each time, six hours at most, and every time once it is', async () => {
  const EVERY = 10 * MINUTE;
  await defineSource(db().sql, 'main', { every: '10 minutes' });
  await watchSymbols(db().sql, ['DAX', 'NONE']);
  const at: number[] = [];
  let seconds = 0;
  for (; seconds <= DAY; seconds += EVERY)
    if (askedFor(...(await run(seconds, ['DAX']))).includes('NONE')) at.push(seconds / MINUTE);
  const waits = at.slice(1).map((minute, index) => minute - (at[index] as number));
  expect(waits).toEqual([20, 40, 80, 160, 320, 360, 360]);
  expect(await sourceState(db().sql, 'main', plus(NOW, seconds))).toMatchObject({
    state: 'ok',
    failures: 0,
    missing_symbols: 1,
    refused_symbols: 0,
  });

  while (!askedFor(...(await run(seconds, ['DAX', 'NONE']))).includes('NONE')) seconds += EVERY;
  for (let n = 1; n <= 5; n += 1)
    expect(askedFor(...(await run(seconds + n * EVERY, ['DAX', 'NONE']))).sort()).toEqual(['DAX', 'NONE']);
});

test('so does one of which it only says what is no value', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['DAX', 'NONE']);
  const bad: Partial<Report> = {
    quotes: [
      { symbol: 'DAX', value: 1 },
      { symbol: 'NONE', value: 0 },
    ],
  };
  const [first] = await planQuotes(sql, NOW);
  await reportQuotes(sql, NOW, { source: 'main', lease: first?.lease ?? '', ...bad });
  expect(askedFor(...(await run(MINUTE, ['DAX'])))).toEqual(['DAX']);
  expect(askedFor(...(await run(2 * MINUTE, ['DAX']))).sort()).toEqual(['DAX', 'NONE']);
});

test('one that the source gave keeps its rhythm for 30 days without a value, and then waits like the others', async () => {
  await defineSource(db().sql, 'main');
  await watchSymbols(db().sql, ['DAX', 'BTC']);
  await run(0, ['DAX', 'BTC']);
  for (let n = 1; n <= 60; n += 1)
    expect(askedFor(...(await run(n * MINUTE, ['DAX']))).sort()).toEqual(['BTC', 'DAX']);
  expect(askedFor(...(await run(30 * DAY, ['DAX']))).sort()).toEqual(['BTC', 'DAX']);
  expect(askedFor(...(await run(31 * DAY, ['DAX']))).sort()).toEqual(['BTC', 'DAX']);
  expect(askedFor(...(await run(31 * DAY + MINUTE, ['DAX'])))).toEqual(['DAX']);
});

test('one that it gave lately, before everybody stopped watching it, is none on trial', async () => {
  const { sql } = db();
  await defineSource(sql, 'a_name_that_is_rather_long_for_a_source');
  const trials = async (seconds: number) =>
    (await run(seconds, ['DAX', 'BTC'], ['a_name_that_is_rather_long_for_a_source'])).map(
      ({ trial }) => trial,
    );
  await watchSymbols(sql, ['DAX', 'BTC']);
  await run(0, ['DAX', 'BTC'], ['a_name_that_is_rather_long_for_a_source']);
  await watchSymbols(sql, ['DAX']);
  expect(await trials(MINUTE)).toEqual([false]);
  await watchSymbols(sql, ['DAX', 'BTC']);
  expect(await trials(2 * MINUTE)).toEqual([false]);
  await watchSymbols(sql, ['DAX']);
  await run(3 * MINUTE, ['DAX'], ['a_name_that_is_rather_long_for_a_source']);
  await watchSymbols(sql, ['DAX', 'BTC']);
  expect(await trials(31 * DAY)).toEqual([false, true]);
});

test('one that its declaration names is none on trial, nor what it gave before it was declared anew', async () => {
  const { sql } = db();
  const declare = () => defineSource(sql, 'main', { symbols: { DAX: '^GDAXI' }, symbol_pattern: '.*' });
  await declare();
  await watchSymbols(sql, ['DAX', 'BTC', 'NONE']);
  const split = async (seconds: number) =>
    (await run(seconds, ['DAX', 'BTC'])).map((one) => [one.trial, askedFor(one).sort()]);
  expect(await split(0)).toEqual([
    [false, ['DAX']],
    [true, ['BTC', 'NONE']],
  ]);
  await declare();
  expect(await split(MINUTE)).toEqual([
    [false, ['BTC', 'DAX']],
    [true, ['NONE']],
  ]);
  // Reported under leases of their own: both count.
  expect(await split(2 * MINUTE)).toEqual([[false, ['BTC', 'DAX']]]);
});

test('one that the source refused waits from an hour to a day, and a source below need not wait for it', async () => {
  const { sql } = db();
  await defineSource(sql, 'main', { precedence: 1 });
  await defineSource(sql, 'fallback', { precedence: 2, fallback_after: '1 hour' });
  await watchSymbols(sql, ['DAX', 'NONE']);
  const at: number[] = [];
  for (let minute = 0; minute < 4 * 24 * 60; minute += 30) {
    const now = plus(NOW, minute * MINUTE);
    for (const { source, lease, ...one } of await planQuotes(sql, now)) {
      const symbols = one.symbols.map(([ours]) => ours);
      if (source === 'main' && symbols.includes('NONE')) at.push(minute / 60);
      if (source === 'fallback') expect(symbols).toEqual(['NONE']);
      const quotes = symbols.filter((symbol) => symbol === 'DAX').map((symbol) => ({ symbol, value: 1 }));
      await reportQuotes(sql, now, {
        source,
        lease,
        quotes,
        refused: symbols.filter((symbol) => symbol === 'NONE'),
      });
    }
  }
  const waits = at.slice(1).map((hour, index) => Math.round(hour - (at[index] as number)));
  expect(waits.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 24]);
});

test('a source that has never given anything is told to the operator, and asked again as soon as something else is watched', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['!1', '!2']);
  for (let minute = 0; minute < 8; minute += 1) await run(minute * MINUTE, []);
  expect(await sourceState(sql, 'main', plus(NOW, 8 * MINUTE))).toMatchObject({
    state: 'failing',
    last_error_code: 'no_values',
  });
  expect(await openAlarms(sql)).toEqual(['quote_source_failing']);
  const { id } = await createUser(sql);
  await makeAlert(sql, { symbol: 'DAX' }, id);
  expect(askedFor(...(await run(8 * MINUTE, ['DAX'])))).toContain('DAX');
  expect(await openAlarms(sql)).toEqual([]);
});
