import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PlannedSource } from '../../../src/server/database/quote-plan.ts';
import { fetchSource } from '../../../src/server/quotes/fetch-source.ts';
import {
  type QuoteFault,
  type QuoteServer,
  startQuoteServer,
} from '../../../tools/local/quote-server/quote-server.ts';
import { plannedSource } from '../../support/planned-source.ts';

let server: QuoteServer;
beforeAll(async () => {
  server = await startQuoteServer();
});
afterAll(() => server?.stop());
beforeEach(() => {
  server.script('/json', []);
  server.quote('DAX', 23500.5);
  server.quote('BTC', 92000);
});

const ask = (changes: Partial<PlannedSource> = {}) =>
  fetchSource(plannedSource(server.origin, { timeoutMs: 400, ...changes }), {
    environment: { PUSH_QUOTES_KEY: 'very-secret-key' },
    resolve: undefined,
  });

describe('a source that', () => {
  test.each<[string, QuoteFault, string]>([
    ['hangs', { kind: 'hang' }, 'timed_out'],
    ['begins and trickles', { kind: 'trickle', milliseconds: 20 }, 'timed_out'],
    ['resets the connection', { kind: 'reset' }, 'network_error'],
    ['answers 500', { kind: 'status', status: 500 }, 'server_error'],
    ['answers 401', { kind: 'status', status: 401 }, 'credentials_refused'],
    ['answers 403', { kind: 'status', status: 403 }, 'credentials_refused'],
    ['answers 429', { kind: 'status', status: 429 }, 'throttled'],
    ['answers 204', { kind: 'status', status: 204 }, 'answer_malformed'],
    ['answers 418', { kind: 'status', status: 418 }, 'unexpected_status'],
    ['answers HTML', { kind: 'html' }, 'answer_malformed'],
    ['answers other JSON', { kind: 'wrong-json' }, 'answer_malformed'],
    ['answers half of it', { kind: 'body', body: '{"data":[{"symbol":"DAX","last":1' }, 'answer_malformed'],
    ['redirects', { kind: 'redirect', location: 'http://127.0.0.1:1/' }, 'redirected'],
    ['sends 50 MB', { kind: 'huge', bytes: 50e6 }, 'answer_too_large'],
  ])('%s gives no quotes and a reason', async (_, fault, code) => {
    server.script('/json', { ...fault, times: Number.POSITIVE_INFINITY });
    const { quotes, error } = await ask({ timeoutMs: fault.kind === 'huge' ? 5_000 : 400 });
    expect(quotes).toEqual([]);
    expect(error).toMatchObject({ code, message: expect.stringMatching(/^It|^There/) });
  });
});

test('50 MB are not read: the connection ends soon after the limit', async () => {
  server.script('/json', { kind: 'huge', bytes: 50e6 });
  const before = server.bytesSent;
  await ask({ timeoutMs: 5_000, maxBytes: 100_000 });
  await expect.poll(() => server.bytesSent - before).toBeGreaterThan(0);
  // What the sockets' buffers took is not read either.
  expect(server.bytesSent - before).toBeLessThan(25e6);
});

test('a redirect is not followed', async () => {
  const other = await startQuoteServer();
  try {
    server.script('/json', { kind: 'redirect', location: `${other.origin}/json?symbols=DAX` });
    expect((await ask()).error?.code).toBe('redirected');
    expect(other.received).toEqual([]);
  } finally {
    await other.stop();
  }
});

test('one batch that fails takes nothing from the others, and is told', async () => {
  server.script('/json', { kind: 'status', status: 500 });
  const report = await ask({ batchSize: 1 });
  expect(report.quotes).toHaveLength(1);
  expect(report.error?.code).toBe('server_error');
});

test('a source that keeps failing is left in peace after a few requests', async () => {
  server.script('/json', { kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
  const symbols = Array.from({ length: 20 }, (_, n): [string, string] => [`S${n}`, `S${n}`]);
  expect((await ask({ symbols, batchSize: 1 })).requests).toBeLessThanOrEqual(3);
});

test('Retry-After is passed on', async () => {
  server.script('/json', { kind: 'status', status: 429, headers: { 'Retry-After': '120' } });
  expect((await ask()).error).toMatchObject({ code: 'throttled', retry_after: 120 });
});

test('no error repeats a secret, or the URL', async () => {
  await server.stop();
  const { error } = await ask({
    url: `${server.origin}/json?symbols={symbols}&key={secret:PUSH_QUOTES_KEY}`,
  });
  expect(error?.code).toBe('network_error');
  expect(JSON.stringify(error)).not.toMatch(/very-secret|symbols=/);
  server = await startQuoteServer();
});

test('where the run has no time left, what came is reported', async () => {
  server.script('/json', [{ kind: 'hang' }, { kind: 'hang' }]);
  const { error, requests } = await ask({ timeoutMs: 5_000, budgetMs: 300, batchSize: 1 });
  expect(error?.code).toBe('timed_out');
  expect(requests).toBe(2);
});
