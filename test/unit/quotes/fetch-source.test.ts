import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PlannedSource } from '../../../src/server/database/quote-plan.ts';
import { fetchSource } from '../../../src/server/quotes/fetch-source.ts';
import { type QuoteServer, startQuoteServer } from '../../../tools/local/quote-server/quote-server.ts';
import { plannedSource } from '../../support/planned-source.ts';

const AT = Date.UTC(2026, 10, 20, 16, 30);
const TIME = new Date(AT).toISOString();

let server: QuoteServer;
beforeAll(async () => {
  server = await startQuoteServer();
});
afterAll(() => server?.stop());
beforeEach(() => {
  for (const path of ['/json', '/csv']) server.script(path, []);
  server.quote('DAX', 23500.5, AT);
  server.quote('BTC', 92000, AT);
});

const ask = (changes: Partial<PlannedSource> = {}, environment: Record<string, string | undefined> = {}) =>
  fetchSource(plannedSource(server.origin, changes), { environment, resolve: undefined });

/** The requests that `work` makes. */
async function requestsOf(work: () => Promise<unknown>) {
  const before = server.received.length;
  await work();
  return server.received.slice(before);
}

test('JSON and CSV give the quotes that were asked for, under our names', async () => {
  const quotes = [
    { symbol: 'DAX', value: 23500.5, quoted_at: TIME },
    { symbol: 'BITCOIN', value: 92000, quoted_at: TIME },
  ];
  const symbols: PlannedSource['symbols'] = [
    ['DAX', 'DAX'],
    ['BITCOIN', 'BTC'],
  ];
  expect(await ask({ symbols })).toEqual({
    source: 'main',
    lease: expect.any(String),
    requests: 1,
    quotes,
    missing: [],
    refused: [],
    rejected: [],
    error: null,
  });
  const csv = await ask({
    symbols,
    adapter: 'csv',
    url: `${server.origin}/csv?symbols={symbols}`,
    places: { valueAt: 'Last', symbolAt: 'Symbol', timeAt: 'Time' },
  });
  expect(csv).toMatchObject({ quotes, error: null });
});

test('two of our symbols may be one of the source’s, which is asked for once', async () => {
  const symbols: PlannedSource['symbols'] = [
    ['DAX', 'DAX'],
    ['GER40', 'DAX'],
  ];
  const [request] = await requestsOf(async () => {
    const { quotes } = await ask({ symbols });
    expect(quotes.map(({ symbol }) => symbol)).toEqual(['DAX', 'GER40']);
  });
  expect(request?.symbols).toEqual(['DAX']);
});

test('symbols are asked for in batches', async () => {
  const symbols = Array.from({ length: 7 }, (_, n): [string, string] => [`S${n}`, `S${n}`]);
  for (const [symbol] of symbols) server.quote(symbol, 1, AT);
  const requests = await requestsOf(async () => {
    expect((await ask({ symbols, batchSize: 3 })).quotes).toHaveLength(7);
  });
  expect(requests.map(({ symbols: asked }) => asked.length).sort()).toEqual([1, 3, 3]);
});

test('a symbol cannot change what is asked but itself', async () => {
  const names = ['A,B', 'A&key=1', '../../x', 'A#b', 'ä ö', '%2e%2e', '{symbols}', '$&', '/@evil.example/'];
  for (const name of names) {
    server.quote(name, 5, AT);
    const url = `${server.origin}/json/{symbol}`;
    const places = { valueAt: 'last', symbolAt: null, timeAt: null };
    const [request] = await requestsOf(() => ask({ symbols: [['X', name]], batchSize: 1, url, places }));
    expect(request, name).toMatchObject({ path: '/json', symbols: [name] });
  }
});

test('secrets go into headers and the query; a missing one is named, and nothing is asked', async () => {
  const changes = {
    url: `${server.origin}/json?symbols={symbols}&key={secret:PUSH_QUOTES_KEY}`,
    headers: { Authorization: 'Bearer {secret:PUSH_QUOTES_TOKEN}' },
  };
  const environment = { PUSH_QUOTES_KEY: 'k&y', PUSH_QUOTES_TOKEN: 'token', PUSH_BELL_SECRET: 'bell' };
  const [request] = await requestsOf(async () => {
    expect((await ask(changes, environment)).error).toBeNull();
  });
  expect(request?.headers.authorization).toBe('Bearer token');

  const none = await requestsOf(async () => {
    const { error, requests } = await ask(changes, { PUSH_QUOTES_KEY: 'k' });
    expect(error).toMatchObject({
      code: 'secret_missing',
      message: expect.stringContaining('PUSH_QUOTES_TOKEN'),
    });
    expect(requests).toBe(0);
  });
  expect(none).toEqual([]);
  const other = await ask({ headers: { Key: '{secret:PUSH_BELL_SECRET}' } }, environment);
  expect(JSON.stringify(server.received.at(-1)?.headers)).not.toContain('bell"');
  expect(other.error).toBeNull();
});

describe('a value that is none is rejected, and the others are taken', () => {
  test.each([null, 'N/A', '', '1,5'])('%j', async (value) => {
    server.quote('DAX', value, AT);
    const report = await ask();
    expect(report.quotes.map(({ symbol }) => symbol)).toEqual(['BTC']);
    expect(report.rejected).toEqual([{ symbol: 'DAX', message: 'DAX has no number for a value' }]);
    expect(report.error).toBeNull();
  });

  test('a time that cannot be read', async () => {
    server.script('/json', { kind: 'body', body: '{"data":[{"symbol":"DAX","last":1,"time":"soon"}]}' });
    expect(await ask()).toMatchObject({
      quotes: [],
      rejected: [{ symbol: 'DAX', message: 'DAX has no time that can be read' }],
    });
  });
});

describe('symbols that the source does not know', () => {
  const url = () => `${server.origin}/json/{symbol}`;
  const places = { valueAt: 'last', symbolAt: null, timeAt: 'time' };

  test('are told apart from those it gives', async () => {
    const symbols: PlannedSource['symbols'] = [
      ['NONE', 'NONE'],
      ['DAX', 'DAX'],
    ];
    expect(await ask({ url: url(), places, batchSize: 1, symbols })).toMatchObject({
      quotes: [{ symbol: 'DAX' }],
      refused: ['NONE'],
      error: null,
    });
  });

  test('do not take the rest of their batch with them', async () => {
    const symbols = Array.from({ length: 8 }, (_, n): [string, string] => [`S${n}`, `S${n}`]);
    for (const [symbol] of symbols) server.quote(symbol, 1, AT);
    // Refused as long as S5 is among them: a batch of 8, one of 4, one of 2, and S5 alone.
    const bad = startQuoteServerThatRefuses('S5');
    try {
      const { origin, requests } = await bad;
      const report = await fetchSource(plannedSource(origin, { symbols }), {
        environment: {},
        resolve: undefined,
      });
      expect(report.quotes.map(({ symbol }) => symbol).sort()).toEqual([
        'S0',
        'S1',
        'S2',
        'S3',
        'S4',
        'S6',
        'S7',
      ]);
      expect(report).toMatchObject({ refused: ['S5'], error: null });
      expect(requests.length).toBe(7);
    } finally {
      await (await bad).stop();
    }
  });

  test('are not to blame where everything is refused', async () => {
    expect(await ask({ url: `${server.origin}/nowhere?{symbols}` })).toMatchObject({
      refused: [],
      error: { code: 'symbols_refused', message: 'It answered 404.' },
    });
  });
});

/** A source that answers 400 to every request in which one symbol stands. */
async function startQuoteServerThatRefuses(symbol: string) {
  const { createServer } = await import('node:http');
  const requests: string[] = [];
  const http = createServer((request, response) => {
    requests.push(request.url ?? '');
    const asked = new URL(request.url ?? '', 'http://x').searchParams.get('symbols')?.split(',') ?? [];
    response.writeHead(asked.includes(symbol) ? 400 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ data: asked.map((each) => ({ symbol: each, last: 1, time: AT })) }));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as { port: number };
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    stop: () => {
      http.closeAllConnections();
      return new Promise((resolve) => http.close(resolve));
    },
  };
}
