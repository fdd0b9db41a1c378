import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ObservedList, type WaitOptions } from '../../../src/testing/push-service/observed-list.ts';
import { giveQuoteFault, type QuoteFault } from './quote-fault.ts';
import type { DayQuote } from './trading-day.ts';

export type { QuoteFault } from './quote-fault.ts';
export type { DayQuote } from './trading-day.ts';

export interface QuoteServerOptions {
  /** A free one unless given. */
  port?: number | undefined;
  /** What is replayed, by time; nothing unless given. */
  day?: readonly DayQuote[];
  /** Seconds of the day that pass in a second; 1 unless given, 0 for a clock that only `seek` moves. */
  speed?: number;
  /** The clock, in milliseconds since 1970. */
  now?: () => number;
}

/** One request to the quote server. */
export interface ReceivedQuoteRequest {
  path: string;
  /** The symbols it asked for. */
  symbols: string[];
  headers: IncomingMessage['headers'];
  scripted: boolean;
}

/**
 * A source of quotes on loopback. `/json?symbols=A,B` answers `{"data": [{"symbol", "last", "time"}]}`, `/json/A` one
 * such object, and `/csv?symbols=A,B` the columns Symbol, Time, Last; a segment before them, as in `/slow/json`, is a
 * place of its own to script. Unknown symbols are left out; `/json/A` is 404 then.
 */
export interface QuoteServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly port: number;
  readonly received: readonly ReceivedQuoteRequest[];
  /** Bytes written of huge answers. */
  readonly bytesSent: number;
  /** Moves the clock of the day to this moment. */
  seek(at: number): void;
  /** Quotes a symbol, whatever the day says; `at` is now unless given. */
  quote(symbol: string, value: number | string | null, at?: number): void;
  /** Scripts the next answers of a path, such as `/json`; an empty list ends the script. */
  script(path: string, faults: QuoteFault | readonly QuoteFault[]): void;
  /** Resolves with the first `count` (1) requests for which `matches` holds, earlier ones included. */
  waitFor(
    matches: (request: ReceivedQuoteRequest) => boolean,
    options?: WaitOptions & { count?: number },
  ): Promise<ReceivedQuoteRequest[]>;
  /** Drops every connection and frees the port. May be called again. */
  stop(): Promise<void>;
}

/** Starts a quote server on loopback, which replays a day and can be scripted to fail in every way sources do. */
export async function startQuoteServer(options: QuoteServerOptions = {}): Promise<QuoteServer> {
  const { port = 0, day = [], speed = 1, now = Date.now } = options;
  const clock = { at: day[0]?.at ?? now(), since: now() };
  const dayTime = (): number => clock.at + (now() - clock.since) * speed;
  const set = new Map<string, { value: number | string | null; at: number }>();
  const scripts = new Map<string, QuoteFault[]>();
  const received = new ObservedList<ReceivedQuoteRequest>('requests at the quote server');
  let bytesSent = 0;
  let stopped: Promise<void> | undefined;

  const current = (symbol: string): { value: number | string | null; at: number } | undefined => {
    const time = dayTime();
    return set.get(symbol) ?? day.findLast((quote) => quote.symbol === symbol && quote.at <= time);
  };

  const takeFault = (path: string): QuoteFault | undefined => {
    const faults = scripts.get(path);
    const fault = faults?.[0];
    if (!faults || !fault) return undefined;
    const left = (fault.times ?? 1) - 1;
    if (left > 0) faults[0] = { ...fault, times: left };
    else faults.shift();
    return fault;
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://quotes');
    const one = /\/json\/([^/]+)$/.exec(url.pathname)?.[1];
    const symbols =
      one === undefined
        ? (url.searchParams.get('symbols') ?? '').split(',').filter(Boolean)
        : [decodeURIComponent(one)];
    const path = one === undefined ? url.pathname : url.pathname.slice(0, -one.length - 1);
    const fault = takeFault(path);
    received.add({ path, symbols, headers: request.headers, scripted: fault !== undefined });
    if (fault) {
      giveQuoteFault(fault, response, (bytes) => {
        bytesSent += bytes;
      });
      return;
    }
    const quotes = symbols.flatMap((symbol) => {
      const found = current(symbol);
      return found ? [{ symbol, last: found.value, time: new Date(found.at).toISOString() }] : [];
    });
    const send = (status: number, contentType: string, body: string): void => {
      response.writeHead(status, { 'Content-Type': contentType }).end(body);
    };
    if (one !== undefined) {
      if (quotes[0]) send(200, 'application/json', JSON.stringify(quotes[0]));
      else send(404, 'application/json', '{"error":"unknown symbol"}');
    } else if (path.endsWith('/json')) {
      send(200, 'application/json', JSON.stringify({ data: quotes }));
    } else if (path.endsWith('/csv')) {
      const lines = quotes.map(({ symbol, last, time }) => `"${symbol}",${time},${last ?? ''}`);
      send(200, 'text/csv', ['Symbol,Time,Last', ...lines, ''].join('\r\n'));
    } else send(404, 'text/plain', 'Ask /json?symbols=A,B or /csv?symbols=A,B.');
  };

  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });

  const { port: ownPort } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${ownPort}`,
    port: ownPort,
    received: received.items,
    get bytesSent() {
      return bytesSent;
    },
    seek(at) {
      clock.at = at;
      clock.since = now();
    },
    quote: (symbol, value, at = now()) => void set.set(symbol, { value, at }),
    script: (path, faults) => void scripts.set(path, 'kind' in faults ? [faults] : [...faults]),
    waitFor: (matches, { count = 1, ...wait } = {}) => received.waitFor(matches, count, wait),
    stop() {
      stopped ??= new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
        received.close();
      });
      return stopped;
    },
  };
}
