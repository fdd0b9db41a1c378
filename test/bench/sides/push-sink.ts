import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';

/**
 * A push service in a process of its own that takes everything and only counts: what is measured is the sender.
 *
 * HTTPS with HTTP/2 (and HTTP/1.1 for senders that speak nothing newer) where a key is given, otherwise plain HTTP/1.1,
 * the only thing the database allows on loopback. Speaks to its parent by messages: it says `{ port }`, answers `count`
 * with what arrived, and forgets that on `reset`.
 */
export interface SinkCount {
  /** Requests with an encrypted body and an Authorization header; anything else is refused and not counted. */
  requests: number;
  /** Different endpoints among them. */
  endpoints: number;
  /** Milliseconds since 1970, with fractions; 0 before the first. */
  lastArrival: number;
}

const [key, certificate] = process.argv.slice(2);
let requests = 0;
let lastArrival = 0;
const endpoints = new Set<string>();

function take(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
  });
  request.on('end', () => {
    if (size <= 86 || request.headers.authorization === undefined) {
      response.statusCode = 400;
      response.end();
      return;
    }
    requests += 1;
    endpoints.add(request.url ?? '');
    lastArrival = performance.timeOrigin + performance.now();
    response.statusCode = 201;
    response.setHeader('content-length', '0');
    response.end();
  });
}

const server =
  key === undefined || certificate === undefined
    ? createServer({ keepAliveTimeout: 120_000 }, take)
    : createSecureServer(
        { key: readFileSync(key), cert: readFileSync(certificate), allowHTTP1: true },
        // The same few properties of requests and responses as in HTTP/1.1.
        take,
      );
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

process.on('message', (message) => {
  if (message === 'reset') {
    requests = 0;
    endpoints.clear();
  }
  process.send?.({ requests, endpoints: endpoints.size, lastArrival } satisfies SinkCount);
});
// Without its parent, no process asks any more.
process.on('disconnect', () => process.exit(0));
