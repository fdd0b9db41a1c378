import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { plus } from '../../support/queue.ts';
import {
  askedFor,
  clearQuotes,
  defineSource,
  planQuotes,
  reportQuotes,
  runSources,
  sourceState,
  watchedByAnother,
  watchSymbols,
} from '../../support/quotes.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const NOW = new Date('2026-11-20T16:30:00Z');
const MINUTE = 60;
beforeEach(async () => {
  await clearQuotes(db().sql);
  await db().sql`update push.settings set quote_trial_requests = 10`;
});

const run = (seconds: number, exist: readonly string[], sources?: string[]) =>
  runSources(db().sql, plus(NOW, seconds), exist, sources);
const made = (account: number) => Array.from({ length: 100 }, (_, n) => `!${account}-${n}`);

test('fifty symbols are tried at a time because of one user, and what others watch beside them', async () => {
  await defineSource(db().sql, 'main');
  await watchSymbols(db().sql, ['DAX']);
  await run(0, ['DAX']);
  await watchedByAnother(db().sql, made(1));
  await watchedByAnother(db().sql, ['BTC', '!1-0', '!1-1']);
  const [given, trial] = await run(MINUTE, ['DAX', 'BTC']);
  expect(askedFor(given)).toEqual(['DAX']);
  const trials = askedFor(trial);
  expect(trials).toEqual(expect.arrayContaining(['BTC', '!1-0', '!1-1']));
  expect(trials.length).toBeGreaterThanOrEqual(51);
  expect(trials.length).toBeLessThanOrEqual(53);
  expect(askedFor((await run(2 * MINUTE, ['DAX', 'BTC']))[0])).toEqual(['BTC', 'DAX']);
});

test('five accounts with a hundred made-up symbols each cost a source ten requests a minute at most, and others no moment', async () => {
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
  for (const account of [1, 2, 3, 4, 5]) await watchedByAnother(db().sql, made(account));

  const exist = ['DAX', 'BTC', 'ETH', 'SOL', 'ADA'];
  const requests: number[] = [];
  for (let minute = 1; minute <= 2 * 60; minute += 1) {
    if (minute === 10) await watchedByAnother(db().sql, ['SOL', 'ADA']);
    const [given, trial] = await run(minute * MINUTE, exist);
    expect(given?.trial).toBe(false);
    // A user who comes later has the first of two values a minute after, the second after two, and then every minute.
    const real = minute <= 10 ? ['BTC', 'DAX', 'ETH'] : exist;
    if (minute !== 11) expect(askedFor(given).sort()).toEqual([...real].sort());
    else expect(given?.symbols.length).toBeGreaterThanOrEqual(4);
    requests.push(trial?.symbols.length ?? 0);
  }
  console.log(`500 made-up symbols: ${requests.reduce((sum, n) => sum + n, 0)} requests in two hours`);
  expect(Math.max(...requests)).toBe(10);
});

test('each user’s first symbol is tried before any user’s second', async () => {
  await db().sql`update push.settings set quote_trial_requests = 1`;
  await defineSource(db().sql, 'main', { batch_size: 6 });
  await watchSymbols(db().sql, ['DAX']);
  await run(0, ['DAX']);
  for (const account of [1, 2, 3, 4, 5]) await watchedByAnother(db().sql, made(account));
  await watchedByAnother(db().sql, ['BTC', 'ETH']);
  const [, trial] = await run(MINUTE, ['DAX', 'BTC', 'ETH']);
  const users = new Set(askedFor(trial).map((symbol) => symbol.split('-')[0]));
  expect(users.size).toBe(6);
  expect([...users].filter((name) => name === 'BTC' || name === 'ETH')).toHaveLength(1);
});

test('a symbol that one user watches a hundred times is one like any other', async () => {
  await defineSource(db().sql, 'main');
  await watchSymbols(db().sql, ['DAX']);
  await run(0, ['DAX']);
  await watchedByAnother(
    db().sql,
    Array.from({ length: 100 }, () => '!same'),
  );
  await watchedByAnother(db().sql, ['BTC']);
  const [, trial] = await run(MINUTE, ['DAX', 'BTC']);
  expect(askedFor(trial).sort()).toEqual(['!same', 'BTC']);
});

test('a symbol is not tried for an alert that is switched off', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['DAX', '!off']);
  await sql`update public.push_alerts set enabled = false where symbol = '!off'`;
  expect(askedFor(...(await run(0, ['DAX'])))).toEqual(['DAX']);
});

test('how a trial goes says nothing about the source', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['DAX']);
  await run(0, ['DAX']);
  await watchedByAnother(db().sql, made(1));
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

test('a trial that hangs holds up nothing else, and is the only one at a time', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['DAX']);
  await run(0, ['DAX']);
  await watchedByAnother(db().sql, made(1));
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

test('a source that throttles a trial is not tried again as long as it asks for, and asked for what it gives all the same', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['DAX']);
  await run(0, ['DAX']);
  await watchedByAnother(db().sql, ['!1']);
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
  for (const minute of [2, 3, 4, 5])
    expect(askedFor(...(await run(minute * MINUTE, ['DAX'])))).toEqual(['DAX']);
  expect(askedFor(...(await run(6 * MINUTE, ['DAX'])))).toEqual(['DAX', '!1']);
});

test('trials do not make a fallback fail that is needed later', async () => {
  const { sql } = db();
  await defineSource(sql, 'main', { precedence: 1 });
  await defineSource(sql, 'fallback', { precedence: 2, fallback_after: '3 minutes' });
  await watchSymbols(sql, ['DAX']);
  await run(0, []);
  await run(4 * MINUTE, ['DAX'], ['fallback']);
  await watchedByAnother(db().sql, made(1));
  let seconds = 5 * MINUTE;
  for (; seconds < 30 * MINUTE; seconds += MINUTE) await run(seconds, ['DAX'], ['main', 'fallback']);
  expect(await sourceState(sql, 'fallback', plus(NOW, seconds))).toMatchObject({
    state: 'ok',
    failures: 0,
  });
  // The source above gives nothing any more: three minutes later the fallback does.
  for (const end = seconds + 4 * MINUTE; seconds <= end; seconds += MINUTE)
    await run(seconds, ['DAX'], ['fallback']);
  const planned = await run(seconds, ['DAX'], ['fallback']);
  expect(askedFor(...planned.filter(({ source }) => source === 'fallback'))).toContain('DAX');
});
