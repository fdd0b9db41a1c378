import { beforeEach, describe, expect, test } from 'vitest';
import { makeAlert } from '../../support/alerts.ts';
import { openAlarms } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { plus } from '../../support/queue.ts';
import {
  clearQuotes,
  defineSource,
  type PlannedRow,
  planQuotes,
  type Report,
  reportQuotes,
  sourceState,
  watchSymbols,
} from '../../support/quotes.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const NOW = new Date('2026-11-20T16:30:00Z');
const MINUTE = 60;
const DAY = 86_400;
beforeEach(async () => {
  await clearQuotes(db().sql);
  await db().sql`update push.settings set quote_trials_per_user = 20, quote_trial_requests = 10`;
});

const symbolsOf = ({ symbols }: PlannedRow) => symbols.map(([ours]) => ours);

/** One run of push-alerts at sources that answer everything, with these symbols alone; what each run asked for. */
async function run(
  seconds: number,
  exist: readonly string[],
  sources: string[] = ['main'],
): Promise<PlannedRow[]> {
  const now = plus(NOW, seconds);
  const planned = await planQuotes(db().sql, now);
  for (const one of planned) {
    const asked = symbolsOf(one);
    const given = sources.includes(one.source) ? asked.filter((symbol) => exist.includes(symbol)) : [];
    await reportQuotes(db().sql, now, {
      source: one.source,
      lease: one.lease,
      quotes: given.map((symbol) => ({ symbol, value: 1 })),
      missing: asked.filter((symbol) => !given.includes(symbol)),
    });
  }
  return planned;
}
const asked = (planned: PlannedRow[]) => planned.flatMap(symbolsOf);

/** Another user who watches these. */
async function watchedBySomebody(symbols: string[]): Promise<void> {
  const { id } = await createUser(db().sql);
  await db().sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold)
    select ${id}, s.symbol, 'above', 1e99 from unnest(${symbols}::text[]) as s (symbol)`;
}

test('a symbol that is in no answer is asked for after twice as long each time, six hours at most, and every time once it is', async () => {
  const EVERY = 10 * MINUTE;
  await defineSource(db().sql, 'main', { every: '10 minutes' });
  await watchSymbols(db().sql, ['DAX', 'NONE']);
  const at: number[] = [];
  let seconds = 0;
  for (; seconds <= DAY; seconds += EVERY)
    if (asked(await run(seconds, ['DAX'])).includes('NONE')) at.push(seconds / MINUTE);
  const waits = at.slice(1).map((minute, index) => minute - (at[index] as number));
  expect(waits).toEqual([20, 40, 80, 160, 320, 360, 360]);
  expect(await sourceState(db().sql, 'main', plus(NOW, seconds))).toMatchObject({
    state: 'ok',
    failures: 0,
    missing_symbols: 1,
    refused_symbols: 0,
  });

  while (!asked(await run(seconds, ['DAX', 'NONE'])).includes('NONE')) seconds += EVERY;
  for (let n = 1; n <= 5; n += 1)
    expect(asked(await run(seconds + n * EVERY, ['DAX', 'NONE'])).sort()).toEqual(['DAX', 'NONE']);
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
  expect(asked(await run(MINUTE, ['DAX']))).toEqual(['DAX']);
  expect(asked(await run(2 * MINUTE, ['DAX'])).sort()).toEqual(['DAX', 'NONE']);
});

test('one that the source gave keeps its rhythm for 30 days without a value, and then waits like the others', async () => {
  await defineSource(db().sql, 'main');
  await watchSymbols(db().sql, ['DAX', 'BTC']);
  await run(0, ['DAX', 'BTC']);
  for (let n = 1; n <= 60; n += 1)
    expect(asked(await run(n * MINUTE, ['DAX'])).sort()).toEqual(['BTC', 'DAX']);
  expect(asked(await run(30 * DAY, ['DAX'])).sort()).toEqual(['BTC', 'DAX']);
  expect(asked(await run(31 * DAY, ['DAX'])).sort()).toEqual(['BTC', 'DAX']);
  expect(asked(await run(31 * DAY + MINUTE, ['DAX']))).toEqual(['DAX']);
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

describe('what users only believe to exist', () => {
  const made = (account: number) => Array.from({ length: 100 }, (_, n) => `!${account}-${n}`);

  test('is asked for so much at a time because of one user, and what others watch beside it', async () => {
    await defineSource(db().sql, 'main');
    await watchSymbols(db().sql, ['DAX']);
    await run(0, ['DAX']);
    await watchedBySomebody(made(1));
    await watchedBySomebody(['BTC', '!1-0', '!1-1']);
    const [given, trial] = await run(MINUTE, ['DAX', 'BTC']);
    expect(symbolsOf(given as PlannedRow)).toEqual(['DAX']);
    const trials = symbolsOf(trial as PlannedRow);
    expect(trials).toEqual(expect.arrayContaining(['BTC', '!1-0', '!1-1']));
    expect(trials.length).toBeGreaterThanOrEqual(21);
    expect(trials.length).toBeLessThanOrEqual(23);
    expect(symbolsOf((await run(2 * MINUTE, ['DAX', 'BTC']))[0] as PlannedRow)).toEqual(['BTC', 'DAX']);
  });

  test('of five accounts with a hundred symbols each costs a source next to nothing, and the symbols of others no moment', async () => {
    const { sql } = db();
    // One symbol for each request, the dearest there is.
    await defineSource(sql, 'main', {
      url: 'https://api.example.com/{symbol}',
      symbol_at: null,
      value_at: 'last',
      time_at: null,
    });
    await watchSymbols(sql, ['DAX', 'BTC', 'ETH']);
    await run(0, ['DAX', 'BTC', 'ETH']);
    for (const account of [1, 2, 3, 4, 5]) await watchedBySomebody(made(account));

    const exist = ['DAX', 'BTC', 'ETH', 'SOL', 'ADA'];
    const requests: number[] = [];
    for (let minute = 1; minute <= 2 * 60; minute += 1) {
      if (minute === 10) await watchedBySomebody(['SOL', 'ADA']);
      const planned = await run(minute * MINUTE, exist);
      const [given, trial] = planned as [PlannedRow, PlannedRow | undefined];
      expect(given.trial).toBe(false);
      // A user who comes later has the first of two values a minute after, the second after two, and then every minute.
      const real = minute <= 10 ? ['BTC', 'DAX', 'ETH'] : exist;
      if (minute !== 11) expect(symbolsOf(given).sort()).toEqual([...real].sort());
      else expect(given.symbols.length).toBeGreaterThanOrEqual(4);
      requests.push(trial?.symbols.length ?? 0);
    }
    console.log(
      `500 symbols that nobody has: ${requests.reduce((sum, n) => sum + n, 0)} requests in two hours`,
    );
    expect(Math.max(...requests)).toBe(10);
  });

  test('is asked for in turn: each user’s first before the second of anybody', async () => {
    await db().sql`update push.settings set quote_trial_requests = 1`;
    await defineSource(db().sql, 'main', { batch_size: 6 });
    await watchSymbols(db().sql, ['DAX']);
    await run(0, ['DAX']);
    for (const account of [1, 2, 3, 4, 5]) await watchedBySomebody(made(account));
    await watchedBySomebody(['BTC', 'ETH']);
    const [, trial] = await run(MINUTE, ['DAX', 'BTC', 'ETH']);
    const users = new Set(symbolsOf(trial as PlannedRow).map((symbol) => symbol.split('-')[0]));
    expect(users.size).toBe(6);
    expect([...users].filter((name) => name === 'BTC' || name === 'ETH')).toHaveLength(1);
  });

  test('and watched a hundred times by the same user gives no other turn', async () => {
    await defineSource(db().sql, 'main');
    await watchSymbols(db().sql, ['DAX']);
    await run(0, ['DAX']);
    await watchedBySomebody(Array.from({ length: 100 }, () => '!same'));
    await watchedBySomebody(['BTC']);
    const [, trial] = await run(MINUTE, ['DAX', 'BTC']);
    expect(symbolsOf(trial as PlannedRow).sort()).toEqual(['!same', 'BTC']);
  });

  test('is not asked for where its only alert is over or switched off', async () => {
    const { sql } = db();
    await defineSource(sql, 'main');
    await watchSymbols(sql, ['DAX', '!off']);
    await sql`update public.push_alerts set enabled = false where symbol = '!off'`;
    expect(asked(await run(0, ['DAX']))).toEqual(['DAX']);
  });

  test('says nothing about the source, however it goes', async () => {
    const { sql } = db();
    await defineSource(sql, 'main');
    await watchSymbols(sql, ['DAX']);
    await run(0, ['DAX']);
    await watchedBySomebody(made(1));
    for (let minute = 1; minute <= 10; minute += 1) {
      const now = plus(NOW, minute * MINUTE);
      const [given, trial] = await planQuotes(sql, now);
      await reportQuotes(sql, now, {
        source: 'main',
        lease: given?.lease ?? '',
        quotes: [{ symbol: 'DAX', value: 1 }],
      });
      if (!trial) continue;
      await reportQuotes(sql, now, {
        source: 'main',
        lease: trial.lease,
        error: { code: 'credentials_refused', message: 'It answered 403.' },
      });
    }
    expect(await sourceState(sql, 'main', plus(NOW, 11 * MINUTE))).toMatchObject({
      state: 'ok',
      failures: 0,
      last_error_code: null,
    });
    expect(await openAlarms(sql)).toEqual([]);
  });

  test('does not hold up the others while its run hangs, and is asked for once at a time', async () => {
    const { sql } = db();
    await defineSource(sql, 'main');
    await watchSymbols(sql, ['DAX']);
    await run(0, ['DAX']);
    await watchedBySomebody(made(1));
    const runs: string[] = [];
    for (let minute = 1; minute <= 4; minute += 1) {
      const now = plus(NOW, minute * MINUTE);
      for (const { trial, lease } of await planQuotes(sql, now)) {
        runs.push(trial ? 'trial' : 'given');
        if (!trial)
          await reportQuotes(sql, now, { source: 'main', lease, quotes: [{ symbol: 'DAX', value: 1 }] });
      }
    }
    // What did not come back is given up after three minutes.
    expect(runs).toEqual(['given', 'trial', 'given', 'given', 'given', 'trial']);
  });

  test('of a source that throttles waits as long as that asks for, and what it gives does not', async () => {
    const { sql } = db();
    await defineSource(sql, 'main');
    await watchSymbols(sql, ['DAX']);
    await run(0, ['DAX']);
    await watchedBySomebody(['!1']);
    const now = plus(NOW, MINUTE);
    const [given, trial] = await planQuotes(sql, now);
    await reportQuotes(sql, now, {
      source: 'main',
      lease: given?.lease ?? '',
      quotes: [{ symbol: 'DAX', value: 1 }],
    });
    await reportQuotes(sql, now, {
      source: 'main',
      lease: trial?.lease ?? '',
      error: { code: 'throttled', message: 'It answered 429.', retry_after: 300 },
    });
    for (const minute of [2, 3, 4, 5]) expect(asked(await run(minute * MINUTE, ['DAX']))).toEqual(['DAX']);
    expect(asked(await run(6 * MINUTE, ['DAX']))).toEqual(['DAX', '!1']);
  });

  test('does not make a fallback fail that nobody needs at the moment', async () => {
    const { sql } = db();
    await defineSource(sql, 'main', { precedence: 1 });
    await defineSource(sql, 'fallback', { precedence: 2, fallback_after: '3 minutes' });
    await watchSymbols(sql, ['DAX']);
    await run(0, []);
    await run(4 * MINUTE, ['DAX'], ['fallback']);
    await watchedBySomebody(made(1));
    let seconds = 5 * MINUTE;
    for (; seconds < 30 * MINUTE; seconds += MINUTE) await run(seconds, ['DAX'], ['main', 'fallback']);
    expect(await sourceState(sql, 'fallback', plus(NOW, seconds))).toMatchObject({
      state: 'ok',
      failures: 0,
    });
    // The source above gives nothing any more: three minutes later the fallback does.
    for (const end = seconds + 4 * MINUTE; seconds <= end; seconds += MINUTE)
      await run(seconds, ['DAX'], ['fallback']);
    expect(
      asked((await run(seconds, ['DAX'], ['fallback'])).filter(({ source }) => source === 'fallback')),
    ).toContain('DAX');
  });
});

test('a source that has never given anything is told to the operator, and asked again as soon as somebody watches something else', async () => {
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
  expect(asked(await run(8 * MINUTE, ['DAX']))).toContain('DAX');
  expect(await openAlarms(sql)).toEqual([]);
});
