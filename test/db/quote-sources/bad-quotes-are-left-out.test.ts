import { beforeEach, describe, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { plus } from '../../support/queue.ts';
import {
  clearQuotes,
  defineSource,
  planQuotes,
  type Report,
  recordedQuotes,
  reportQuotes,
  sourceState,
  watchSymbols,
} from '../../support/quotes.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const NOW = new Date('2026-11-20T16:30:00Z');
beforeEach(async () => {
  await clearQuotes(db().sql);
  await watchSymbols(db().sql, ['DAX', 'BTC']);
});

/** Plans and reports at once. */
async function give(seconds: number, report: Partial<Report>, source = 'main') {
  const now = plus(NOW, seconds);
  const planned = (await planQuotes(db().sql, now)).find((each) => each.source === source);
  if (!planned) throw new Error(`${source} is not due after ${seconds} s`);
  return await reportQuotes(db().sql, now, { source, lease: planned.lease, ...report });
}

const failure = { error: { code: 'server_error', message: 'It answered 500.' } };

test('quotes are recorded with their source, and health shows the run', async () => {
  await defineSource(db().sql, 'main');
  const answer = await give(0, {
    quotes: [
      { symbol: 'DAX', value: 1.5, quoted_at: NOW },
      { symbol: 'BTC', value: 2 },
    ],
  });
  expect(answer).toMatchObject({ accepted: true, recorded: 2, rejected: 0 });
  expect(await recordedQuotes(db().sql)).toEqual({ DAX: 1.5, BTC: 2 });
  expect(await sourceState(db().sql, 'main', NOW)).toMatchObject({
    state: 'ok',
    failures: 0,
    symbols: 2,
    last_run: { requests: 1, quotes: 2, recorded: 2, rejected: 0 },
  });
});

describe('a bad value is left out, and the rest is taken', () => {
  test.each<[string, number | string | null, Date | undefined]>([
    ['zero', 0, undefined],
    ['negative', -1, undefined],
    ['nothing', null, undefined],
    ['NaN', 'NaN', undefined],
    ['infinite', 'Infinity', undefined],
    ['of the future', 5, plus(NOW, 61)],
  ])('%s', async (_, value, quoted_at) => {
    await defineSource(db().sql, 'main');
    const bad = { symbol: 'DAX', value, ...(quoted_at && { quoted_at }) };
    const answer = await give(0, { quotes: [bad, { symbol: 'BTC', value: 2 }] });
    expect(answer).toMatchObject({ recorded: 1, rejected: 1 });
    expect(await recordedQuotes(db().sql)).toEqual({ BTC: 2 });
    const { last_run, state } = await sourceState(db().sql, 'main', NOW);
    expect(state).toBe('ok');
    expect(last_run?.rejected_example).toMatch(/^DAX is /);
  });

  test('a source of temperatures may give zero and less, but no NaN', async () => {
    await defineSource(db().sql, 'main', { value_above: null });
    await give(0, {
      quotes: [
        { symbol: 'DAX', value: -7 },
        { symbol: 'BTC', value: 'NaN' },
      ],
    });
    expect(await recordedQuotes(db().sql)).toEqual({ DAX: -7 });
  });

  test('where all are bad, the source fails with an example, and the last quotes are kept', async () => {
    await defineSource(db().sql, 'main');
    await give(0, { quotes: [{ symbol: 'DAX', value: 7 }] });
    await give(60, { quotes: [{ symbol: 'DAX', value: 0 }] });
    expect(await recordedQuotes(db().sql)).toEqual({ DAX: 7 });
    expect(await sourceState(db().sql, 'main', plus(NOW, 60))).toMatchObject({
      state: 'retrying',
      last_error_code: 'values_rejected',
      last_error: 'No value can be used: DAX is 0, not more than 0.',
    });
  });
});

test('a symbol that was not asked for is not recorded', async () => {
  await defineSource(db().sql, 'main', { symbol_pattern: 'DAX' });
  await give(0, {
    quotes: [
      { symbol: 'BTC', value: 1 },
      { symbol: 'DAX', value: 1 },
    ],
  });
  expect(await recordedQuotes(db().sql)).toEqual({ DAX: 1 });
});

test('a quote of a fallback is left out where the source above gave one meanwhile', async () => {
  const { sql } = db();
  await defineSource(sql, 'main', { precedence: 1 });
  await defineSource(sql, 'fallback', { precedence: 2, fallback_after: '3 minutes' });
  await give(0, failure);
  const now = plus(NOW, 200);
  const plan = await planQuotes(sql, now);
  const lease = (name: string) => plan.find(({ source }) => source === name)?.lease ?? '';
  await reportQuotes(sql, now, {
    source: 'main',
    lease: lease('main'),
    quotes: [{ symbol: 'DAX', value: 10 }],
  });
  const late = await reportQuotes(sql, plus(now, 5), {
    source: 'fallback',
    lease: lease('fallback'),
    quotes: [
      { symbol: 'DAX', value: 11 },
      { symbol: 'BTC', value: 5 },
    ],
  });
  expect(late).toMatchObject({ unneeded: 1, quotes: 2, recorded: 1 });
  expect(await recordedQuotes(sql)).toEqual({ DAX: 10, BTC: 5 });
});

test('a report after the end of its lease changes nothing', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  const [first] = await planQuotes(sql, NOW);
  const [second] = await planQuotes(sql, plus(NOW, 100));
  const quotes = [{ symbol: 'DAX', value: 1 }];
  const late = await reportQuotes(sql, plus(NOW, 101), { source: 'main', lease: first?.lease ?? '', quotes });
  expect(late).toEqual({ accepted: false });
  expect(await recordedQuotes(sql)).toEqual({});
  const right = await reportQuotes(sql, plus(NOW, 102), {
    source: 'main',
    lease: second?.lease ?? '',
    quotes,
  });
  expect(right).toMatchObject({ accepted: true, recorded: 1 });
});

describe('a source that fails', () => {
  beforeEach(() => defineSource(db().sql, 'main', { every: '60 seconds' }));
  const waits = async (seconds: number) => {
    const { next_attempt_at } = await sourceState(db().sql, 'main');
    return (new Date(next_attempt_at ?? 0).getTime() - plus(NOW, seconds).getTime()) / 1000;
  };

  test('is asked again later each time, up to a quarter of an hour, and at once like before when it works', async () => {
    let at = 0;
    const pauses: number[] = [];
    for (let n = 0; n < 7; n++) {
      await give(at, failure);
      pauses.push(await waits(at));
      at += pauses.at(-1) ?? 0;
    }
    expect(pauses).toEqual([60, 120, 240, 480, 900, 900, 900]);
    await give(at, { quotes: [{ symbol: 'DAX', value: 1 }] });
    expect(await waits(at)).toBe(55);
  });

  test('raises an alarm of its own after three failures, which ends with a success', async () => {
    const { sql } = db();
    await give(0, failure);
    await give(60, failure);
    expect(await openAlarms(sql)).toEqual([]);
    await give(200, failure);
    expect(await openAlarms(sql)).toEqual(['quote_source_failing']);
    expect(await sourceState(sql, 'main', plus(NOW, 200))).toMatchObject({
      state: 'failing',
      failures: 3,
      last_error_code: 'server_error',
      last_error: 'It answered 500.',
    });
    await give(900, { quotes: [{ symbol: 'DAX', value: 1 }] });
    expect(await openAlarms(sql)).toEqual([]);
  });

  test.each(['credentials_refused', 'secret_missing', 'address_refused'])(
    'alarms at once where waiting does not help: %s',
    async (code) => {
      await give(0, { error: { code, message: 'No.' } });
      expect(await openAlarms(db().sql)).toEqual(['quote_source_failing']);
    },
  );

  test('waits as long as Retry-After says, an hour at most', async () => {
    const error = { code: 'throttled', message: 'It answered 429.' };
    await give(0, { error: { ...error, retry_after: 300 } });
    expect(await waits(0)).toBe(300);
    await give(300, { error: { ...error, retry_after: 1e6 } });
    expect(await waits(300)).toBe(3600);
  });

  test('in part is no failure, but told', async () => {
    await give(0, { ...failure, quotes: [{ symbol: 'DAX', value: 1 }] });
    expect(await sourceState(db().sql, 'main', NOW)).toMatchObject({
      state: 'ok',
      failures: 0,
      last_error_code: 'server_error',
    });
  });

  test('takes no other source with it', async () => {
    const { sql } = db();
    await defineSource(sql, 'other', { every: '60 seconds', precedence: 100 });
    for (const at of [0, 60, 200]) {
      const plan = await planQuotes(sql, plus(NOW, at));
      for (const { source, lease } of plan) {
        const report = source === 'main' ? failure : { quotes: [{ symbol: 'DAX', value: 4 }] };
        await reportQuotes(sql, plus(NOW, at), { source, lease, ...report });
      }
    }
    expect(await sourceState(sql, 'main', plus(NOW, 200))).toMatchObject({ state: 'failing' });
    expect(await sourceState(sql, 'other', plus(NOW, 200))).toMatchObject({ state: 'ok', failures: 0 });
    expect(await recordedQuotes(sql)).toEqual({ DAX: 4 });
  });

  test('with nothing of what it was asked for says so', async () => {
    await give(0, {});
    expect(await sourceState(db().sql, 'main', NOW)).toMatchObject({ last_error_code: 'no_values' });
  });

  test('is forgotten with its alarm', async () => {
    await give(0, { error: { code: 'secret_missing', message: 'No.' } });
    await db().sql`select push.drop_quote_source('main')`;
    expect(await openAlarms(db().sql)).toEqual([]);
  });
});

test('a symbol that the source refuses is put aside for an hour, then longer', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  const refuse = { quotes: [{ symbol: 'DAX', value: 1 }], refused: ['BTC'] };
  const asked = async (seconds: number) =>
    (await planQuotes(sql, plus(NOW, seconds)))[0]?.symbols.map(([ours]) => ours).sort();
  await give(0, refuse);
  expect(await sourceState(sql, 'main', plus(NOW, 1))).toMatchObject({ state: 'ok', refused_symbols: 1 });
  expect(await asked(60)).toEqual(['DAX']);
  await sql`update push.quote_sources set lease = null, leased_until = null`;
  await give(3601, refuse);
  await sql`update push.quote_sources set next_attempt_at = '-infinity'`;
  expect(await asked(3601 + 3601)).toEqual(['DAX']);
});

test('what cannot be recorded is an error of the source, which is asked again', async () => {
  await defineSource(db().sql, 'main');
  await give(0, { quotes: [{ symbol: 'DAX', value: 'seven' }] });
  expect(await sourceState(db().sql, 'main', NOW)).toMatchObject({
    last_error_code: 'not_recorded',
    failures: 1,
  });
});
