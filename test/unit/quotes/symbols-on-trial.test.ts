import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PlannedSource, SourceReport } from '../../../src/server/database/quote-plan.ts';
import { fetchQuotes } from '../../../src/server/quotes/fetch-quotes.ts';
import { fetchSource } from '../../../src/server/quotes/fetch-source.ts';
import { plannedSource } from '../../support/planned-source.ts';

/** What a source does when it is asked for a symbol that it stumbles over. */
type Stumble = (request: IncomingMessage, response: ServerResponse) => void;
const answers =
  (status: number, body = ''): Stumble =>
  (_, response) =>
    response.writeHead(status).end(body);

let origin: string;
let asked: string[][];
let stumbles: Map<string, Stumble>;
let stop: () => Promise<unknown>;
beforeEach(async () => {
  asked = [];
  stumbles = new Map();
  const http = createServer((request, response) => {
    const symbols = new URL(request.url ?? '', 'http://x').searchParams.get('symbols')?.split(',') ?? [];
    asked.push(symbols);
    const stumble = symbols.map((symbol) => stumbles.get(symbol)).find((one) => one !== undefined);
    if (stumble) return stumble(request, response);
    const data = symbols
      .filter((symbol) => !symbol.startsWith('!'))
      .map((symbol) => ({ symbol, last: 1, time: 1e9 }));
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ data }));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(http.address() as { port: number }).port}`;
  stop = () => {
    http.closeAllConnections();
    return new Promise((resolve) => http.close(resolve));
  };
});
afterEach(() => stop());

const named = (names: string[]): PlannedSource['symbols'] => names.map((name) => [name, name]);
const options = { environment: {}, resolve: undefined };
const planned = (names: string[], changes: Partial<PlannedSource> = {}) =>
  plannedSource(origin, { symbols: named(names), timeoutMs: 300, ...changes });
const tryOut = (names: string[], changes: Partial<PlannedSource> = {}) =>
  fetchSource(planned(names, { trial: true, maxRequests: 10, ...changes }), options);
const given = ({ quotes }: SourceReport) => quotes.map(({ symbol }) => symbol).sort();

test('what was asked for and is in no answer is missing', async () => {
  const report = await fetchSource(planned(['DAX', '!1', 'BTC', '!2'], { batchSize: 2 }), options);
  expect(report).toMatchObject({ missing: expect.arrayContaining(['!1', '!2']), refused: [], error: null });
  expect(report.missing).toHaveLength(2);
  expect(given(report)).toEqual(['BTC', 'DAX']);
});

test('what was not asked for is not missing', async () => {
  const report = await tryOut(['!1', '!2', '!3', '!4', '!5'], { batchSize: 1, maxRequests: 3 });
  expect(report).toMatchObject({ requests: 3, missing: ['!1', '!2', '!3'], error: null });
});

test.each<[string, Stumble, 'refused' | 'missing']>([
  ['400', answers(400), 'refused'],
  ['403', answers(403), 'missing'],
  ['418', answers(418), 'missing'],
  ['500', answers(500), 'missing'],
  ['a redirect', (_, response) => response.writeHead(302, { Location: '/' }).end(), 'missing'],
  ['HTML', answers(200, '<html>'), 'missing'],
  ['nothing, ever', () => undefined, 'missing'],
  ['a broken connection', (request) => request.socket.destroy(), 'missing'],
])('a symbol that is answered with %s takes no other one with it', async (_, stumble, found) => {
  stumbles.set('evil', stumble);
  const report = await tryOut(['A', 'B', 'evil', 'C', 'D', 'E', 'F', 'G']);
  expect(given(report)).toEqual(['A', 'B', 'C', 'D', 'E', 'F', 'G']);
  expect(report).toMatchObject({ [found]: ['evil'], error: null });
});

test('however many there are, no more requests are made than allowed', async () => {
  const names = Array.from({ length: 40 }, (_, n) => `evil${n}`);
  for (const name of names) stumbles.set(name, answers(400));
  const report = await tryOut(['A', ...names]);
  expect(report.requests).toBe(10);
  expect(asked).toHaveLength(10);
});

test('a source that answers none of them is to blame itself', async () => {
  for (const name of ['A', 'B']) stumbles.set(name, answers(500));
  expect(await tryOut(['A', 'B'])).toMatchObject({
    missing: [],
    refused: [],
    error: { code: 'server_error' },
  });
});

test('a source that is asked too often is left in peace at once', async () => {
  stumbles.set('A', answers(429));
  const report = await tryOut(['A', 'B', 'C', 'D'], { batchSize: 1 });
  expect(report.error?.code).toBe('throttled');
  expect(report.requests).toBeLessThanOrEqual(2);
});

test('of what the source gives, a batch that fails is its own failure', async () => {
  stumbles.set('A', answers(500));
  expect(await fetchSource(planned(['A', 'B']), options)).toMatchObject({
    requests: 1,
    error: { code: 'server_error' },
  });
});

describe('symbols on trial of a source that gives others', () => {
  const runs = () => [
    planned(['DAX', 'BTC'], { lease: 'given' }),
    planned(['!1'], { lease: 'trial', trial: true, maxRequests: 10 }),
  ];

  test('are asked for when the others are reported', async () => {
    const events: string[] = [];
    const summary = await fetchQuotes(
      {
        due: async () => runs(),
        report: async ({ lease, missing }) => {
          events.push(`${lease} after ${asked.length} requests, missing ${missing}`);
          return lease === 'given' ? 2 : 0;
        },
      },
      options,
    );
    expect(events).toEqual(['given after 1 requests, missing ', 'trial after 2 requests, missing !1']);
    expect(summary).toEqual({ sources: 1, failed: [], recorded: 2, unreported: [] });
  });

  test('are not asked for when it failed', async () => {
    stumbles.set('DAX', answers(500));
    const reported: string[] = [];
    await fetchQuotes(
      { due: async () => runs(), report: async ({ lease }) => reported.push(lease) },
      options,
    );
    expect(reported).toEqual(['given']);
    expect(asked).toEqual([['DAX', 'BTC']]);
  });
});
