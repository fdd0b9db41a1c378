import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { QuoteFault, QuoteServer } from '../../../tools/local/quote-server/quote-server.ts';
import { eventually } from '../../support/eventually.ts';
import {
  clearQuotes,
  defineSource,
  recordedQuotes,
  type SourceOptions,
  type SourceState,
  sourceState,
  watchSymbols,
} from '../../support/quotes.ts';
import { useStack } from '../../support/stack.ts';

// Only these tests ring, until one of them lets the database do it.
const stack = useStack({
  workers: { cron: false },
  functions: ['push-quotes'],
  quoteServer: true,
  secrets: { PUSH_QUOTES_KEY: 'the-key-of-the-source' },
});

let sql: postgres.Sql;
let server: QuoteServer;
let secret: string;
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  server = stack().quotes as QuoteServer;
  const [row] =
    await sql`select decrypted_secret from vault.decrypted_secrets where name = 'push_bell_secret'`;
  secret = row?.decrypted_secret;
});
afterAll(() => sql?.end());
beforeEach(async () => {
  await clearQuotes(sql);
  for (const path of ['/json', '/bad/json', '/csv']) server.script(path, []);
  server.quote('DAX', 23500.5);
  server.quote('BTC', 92000);
  await watchSymbols(sql, ['DAX', 'BTC']);
});

const url = () => `${stack().url}/functions/v1/push-quotes`;
const ring = (headers: Record<string, string> = { 'x-push-bell': secret }) =>
  fetch(url(), { method: 'POST', headers });

const define = (name: string, path: string, options: SourceOptions = {}) =>
  defineSource(sql, name, {
    url: `${server.origin}${path}?symbols={symbols}`,
    timeout: '1 second',
    every: '1 second',
    ...options,
  });

/** Rings, and waits until the source has been reported. */
async function runOf(name: string): Promise<SourceState> {
  await sql`update push.quote_sources set next_attempt_at = '-infinity', last_attempt_at = null`;
  expect((await ring()).status).toBe(202);
  await eventually(
    async () =>
      (
        await sql`select from push.quote_sources where name = ${name} and last_attempt_at is not null and lease is null`
      ).length,
    (count) => count === 1,
  );
  return await sourceState(sql, name);
}

test('GET is the health probe, open to everybody; other methods are refused', async () => {
  const answer = await fetch(url());
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ function: 'push-quotes', status: 'ok' });
  expect((await fetch(url(), { method: 'PUT' })).status).toBe(405);
});

test('a ring without the secret of the bell fetches nothing', async () => {
  await define('main', '/json');
  const before = server.received.length;
  for (const headers of [{}, { 'x-push-bell': `${secret}x` }, { apikey: stack().secretKey }]) {
    const answer = await ring(headers as Record<string, string>);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ code: 'bell_refused' });
  }
  expect(server.received.length).toBe(before);
  const [row] = await sql`select last_attempt_at from push.quote_sources`;
  expect(row?.last_attempt_at).toBeNull();
});

test('a ring fetches what is watched, and nothing else, with the secret of the source', async () => {
  await watchSymbols(sql, ['DAX']);
  await define('main', '/json', { headers: { 'X-Key': '{secret:PUSH_QUOTES_KEY}' } });
  expect(await runOf('main')).toMatchObject({ state: 'ok', last_run: { requests: 1, recorded: 1 } });
  expect(await recordedQuotes(sql)).toEqual({ DAX: 23500.5 });
  expect(server.received.at(-1)).toMatchObject({
    symbols: ['DAX'],
    headers: { 'x-key': 'the-key-of-the-source' },
  });
});

test('CSV is a source like JSON', async () => {
  await define('main', '/csv', { adapter: 'csv', value_at: 'Last', symbol_at: 'Symbol', time_at: 'Time' });
  expect(await runOf('main')).toMatchObject({ state: 'ok' });
  expect(await recordedQuotes(sql)).toEqual({ BTC: 92000, DAX: 23500.5 });
});

test('two rings at once ask a source once', async () => {
  await define('main', '/json', { every: '1 hour' });
  const before = server.received.length;
  await Promise.all([ring(), ring(), ring(), ring()]);
  await eventually(
    () => recordedQuotes(sql),
    (quotes) => quotes.DAX === 23500.5,
  );
  expect(server.received.length - before).toBe(1);
});

describe('a source that fails tells why in health, keeps the last quotes, and takes nothing from another', () => {
  test.each<[string, QuoteFault, string]>([
    ['hangs', { kind: 'hang' }, 'timed_out'],
    ['trickles', { kind: 'trickle', milliseconds: 50 }, 'timed_out'],
    ['answers 500', { kind: 'status', status: 500 }, 'server_error'],
    ['answers HTML', { kind: 'html' }, 'answer_malformed'],
    ['answers 50 MB', { kind: 'huge', bytes: 50e6 }, 'answer_too_large'],
    ['answers wrong JSON', { kind: 'wrong-json' }, 'answer_malformed'],
    [
      'answers a bad value',
      { kind: 'body', body: '{"data":[{"symbol":"DAX","last":0,"time":1}]}' },
      'values_rejected',
    ],
    ['redirects', { kind: 'redirect', location: 'http://127.0.0.1:1/' }, 'redirected'],
    ['resets', { kind: 'reset' }, 'network_error'],
  ])('%s', async (_, fault, code) => {
    const pattern = { symbol_pattern: 'DAX' };
    await define('bad', '/bad/json', {
      ...pattern,
      timeout: fault.kind === 'huge' ? '10 seconds' : '1 second',
    });
    expect(await runOf('bad')).toMatchObject({ state: 'ok' });
    await define('good', '/json', { symbol_pattern: 'BTC' });
    server.quote('DAX', 1);
    server.script('/bad/json', { ...fault, times: Number.POSITIVE_INFINITY });

    const good = await runOf('good');
    expect(good).toMatchObject({ state: 'ok', failures: 0, last_run: { recorded: 1 } });
    const bad = await eventually(
      () => sourceState(sql, 'bad'),
      ({ failures }) => failures === 1,
    );
    expect(bad).toMatchObject({ state: 'retrying', last_error_code: code });
    expect(await recordedQuotes(sql)).toEqual({ BTC: 92000, DAX: 23500.5 });

    for (const failures of [2, 3]) expect(await runOf('bad')).toMatchObject({ failures });
    const health = await fetch(`${stack().url}/functions/v1/push-health`, {
      headers: { apikey: stack().secretKey },
    });
    const { reasons } = (await health.json()) as { reasons: { code: string; message: string }[] };
    expect(health.status).toBe(503);
    expect(reasons).toContainEqual({
      code: 'quote_source_failing',
      message: `The source bad returns no quotes, so its last ones are kept. ${bad.last_error}`,
    });
  });
});

test('a hanging source does not hold up the quotes of another', async () => {
  await define('bad', '/bad/json', { symbol_pattern: 'DAX', timeout: '20 seconds' });
  await define('good', '/json', { symbol_pattern: 'BTC' });
  server.script('/bad/json', { kind: 'hang' });
  expect(await runOf('good')).toMatchObject({ state: 'ok' });
  const [bad] = await sql`select lease from push.quote_sources where name = 'bad'`;
  expect(bad?.lease).not.toBeNull();
});

test('an address of this machine is asked only where the local stack allowed it', async () => {
  await define('main', '/json');
  const [row] = await sql`select local_quote_server from push.settings`;
  expect(row?.local_quote_server).toBe(server.origin);
  await sql`update push.settings set local_quote_server = null`;
  try {
    const before = server.received.length;
    expect(await runOf('main')).toMatchObject({ last_error_code: 'address_refused' });
    expect(server.received.length).toBe(before);
  } finally {
    await sql`update push.settings set local_quote_server = ${server.origin}`;
  }
});

test('a name is looked up before it is asked', async () => {
  await defineSource(sql, 'main', {
    url: 'https://no-such-name.invalid/q?s={symbols}',
    timeout: '3 seconds',
  });
  expect(await runOf('main')).toMatchObject({
    last_error_code: 'network_error',
    last_error: expect.stringMatching(/^The name in its URL /),
  });
});

test('a secret that is missing is named, and none is ever told', async () => {
  await define('main', '/json', { headers: { Key: '{secret:PUSH_QUOTES_OTHER}' } });
  const { last_error_code, last_error } = await runOf('main');
  expect(last_error_code).toBe('secret_missing');
  expect(last_error).toContain('PUSH_QUOTES_OTHER');
  expect(stack.log().join('\n')).not.toContain('the-key-of-the-source');
});

test('the database rings by itself', async () => {
  await define('main', '/json');
  const [row] = await sql`select push.ring_for_quotes() as rung`;
  expect(row?.rung).toBe(true);
  await eventually(
    () => recordedQuotes(sql),
    (quotes) => quotes.DAX === 23500.5,
  );
});
