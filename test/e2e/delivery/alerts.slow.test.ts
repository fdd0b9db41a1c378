import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { QuoteFault, QuoteServer } from '../../../tools/local/quote-server/quote-server.ts';
import { makeAlert, readAlert } from '../../support/alerts.ts';
import { eventually } from '../../support/eventually.ts';
import { clearQuotes, defineSource, recordedQuotes, sourceState } from '../../support/quotes.ts';
import { createRecipients, type Recipient } from '../../support/recipients.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ quoteServer: true });

let sql: postgres.Sql;
let server: QuoteServer;
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  server = stack().quotes as QuoteServer;
  // One failure raises an alarm, and the backoff is short.
  await sql`update push.settings set quote_failures = 1, quote_backoff_max = '1 second'`;
});
afterAll(() => sql?.end());

// The DAX comes from one source, BTC from another; pg_cron rings every second.
let onDax: Recipient;
let onBtc: Recipient;
let daxAlerts: string[];
beforeEach(async () => {
  await clearQuotes(sql);
  for (const path of ['/json', '/bad/json']) server.script(path, []);
  server.quote('DAX', 23_500.5);
  server.quote('BTC', 92_000);
  [onDax, onBtc] = (await createRecipients(sql, stack().pushService, 2)) as [Recipient, Recipient];
  daxAlerts = [
    await makeAlert(sql, { symbol: 'DAX', condition: 'above', threshold: 24_000 }, onDax.userId),
    await makeAlert(sql, { symbol: 'DAX', condition: 'below', threshold: 23_000 }, onDax.userId),
  ];
  const btcAlert = await makeAlert(
    sql,
    { symbol: 'BTC', threshold: 93_000, setup: 'Breakout' },
    onBtc.userId,
  );
  await define('bad', '/bad/json', 'DAX');
  await define('good', '/json', 'BTC');
  await sql`select push.schedule_quotes('1 seconds')`;
  await eventually(
    () => Promise.all([...daxAlerts, btcAlert].map((id) => readAlert(sql, id))),
    (alerts) => alerts.every(({ armed }) => armed),
  );
});

const define = (name: string, path: string, symbol: string) =>
  defineSource(sql, name, {
    url: `${server.origin}${path}?symbols={symbols}`,
    symbol_pattern: symbol,
    every: '1 second',
    timeout: '1 second',
  });

/** What the device shows next. */
async function shownOn({ device }: Recipient): Promise<Record<string, unknown>> {
  const message = await device.next({ timeoutMs: 30_000 });
  return (message.json as { notification: Record<string, unknown> }).notification;
}

/** What push-health gives for reasons. */
async function unhealthyBecause(): Promise<{ code: string; message: string }[]> {
  const answer = await fetch(`${stack().url}/functions/v1/push-health`, {
    headers: { apikey: stack().secretKey },
  });
  return ((await answer.json()) as { reasons?: { code: string; message: string }[] }).reasons ?? [];
}

test('a quote of a source crosses a threshold, and the device of who waits for that decrypts it, once', async () => {
  server.quote('BTC', 93_250.5);
  expect(await shownOn(onBtc)).toMatchObject({
    title: '🔴 BTC - Above 93000',
    body: 'Breakout · level 93000 · now 93250.5',
    data: { symbol: 'BTC', level_type: 'crosses_above', level_price: 93_000, current_price: 93_250.5 },
  });
  const forBtc = ({ symbols }: { symbols: string[] }) => symbols.includes('BTC');
  // Asked again, it says the same.
  const count = server.received.filter(forBtc).length + 2;
  await server.waitFor(forBtc, { count, timeoutMs: 30_000 });
  expect(onBtc.device.messages).toHaveLength(1);
  expect(onDax.device.messages).toHaveLength(0);
});

describe('while one source fails, the alert of another rings, and no value of it does', () => {
  type Bad = { value: number | string };
  test.each<[string, QuoteFault | Bad, string]>([
    ['hangs', { kind: 'hang' }, 'timed_out'],
    ['answers 500', { kind: 'status', status: 500 }, 'server_error'],
    ['answers HTML', { kind: 'html' }, 'answer_malformed'],
    ['answers 50 MB', { kind: 'huge', bytes: 50e6 }, 'answer_too_large'],
    ['answers wrong JSON', { kind: 'wrong-json' }, 'answer_malformed'],
    ['answers a zero', { value: 0 }, 'values_rejected'],
    ['answers less than nothing', { value: -23_500 }, 'values_rejected'],
    ['answers no number', { value: 'NaN' }, 'values_rejected'],
  ])('%s', async (_, fault, code) => {
    // Each of them would fire, were it read.
    if ('kind' in fault) server.script('/bad/json', { ...fault, times: Number.POSITIVE_INFINITY });
    server.quote('DAX', 'kind' in fault ? 1 : fault.value);
    server.quote('BTC', 93_500);
    expect(await shownOn(onBtc)).toMatchObject({ title: '🔴 BTC - Above 93000' });

    const bad = await eventually(
      () => sourceState(sql, 'bad'),
      ({ failures }) => failures > 0,
    );
    expect(bad).toMatchObject({ state: 'failing', last_error_code: code });
    expect(await unhealthyBecause()).toContainEqual({
      code: 'quote_source_failing',
      message: `The source bad returns no quotes, so its last ones are kept. ${bad.last_error}`,
    });
    expect(await sourceState(sql, 'good')).toMatchObject({ state: 'ok', failures: 0 });
    expect(await recordedQuotes(sql)).toEqual({ BTC: 93_500, DAX: 23_500.5 });
    for (const id of daxAlerts)
      expect(await readAlert(sql, id)).toMatchObject({ armed: true, times_fired: 0 });
    expect(onDax.device.messages).toHaveLength(0);

    // Back, it rings as if nothing had been.
    server.quote('DAX', 22_950);
    server.script('/bad/json', []);
    expect(await shownOn(onDax)).toMatchObject({ title: '🔴 DAX - Below 23000' });
    await eventually(unhealthyBecause, (reasons) => reasons.length === 0);
    expect([onDax.device.messages.length, onBtc.device.messages.length]).toEqual([1, 1]);
  });
});
