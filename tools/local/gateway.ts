import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { readIncomingBody } from './incoming-body.ts';

/** What stands behind the gateway's prefixes. */
export interface GatewayRoutes {
  /** `/rest/v1` and `/auth/v1`. */
  api(request: Request): Promise<Response>;
  /** `/functions/v1`. */
  functions?(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export interface Gateway {
  readonly port: number;
  readonly url: string;
  /** Opens the doors; until then every request is answered 503, so that the address is known first. */
  serve(routes: GatewayRoutes): void;
  stop(): Promise<void>;
}

const METHODS = 'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS';

/** Starts the one HTTP address of a stack on 127.0.0.1. Rejects with `EADDRINUSE` when the port is taken. */
export async function startGateway(
  options: { port?: number; log?: (line: string) => void } = {},
): Promise<Gateway> {
  let routes: GatewayRoutes | undefined;
  const server = createServer((request, response) => {
    route(request, response, routes).catch((error) => {
      options.log?.(`gateway: ${request.method} ${request.url}: ${error?.stack ?? error}`);
      if (response.headersSent) response.destroy();
      else answer(response, 500, 'unexpected_failure', 'The local stack failed; its log says why.');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: options.port ?? 0 }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    serve(opened) {
      routes = opened;
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  routes: GatewayRoutes | undefined,
): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  if (!routes) {
    request.resume();
    return answer(response, 503, 'starting', 'The local stack is still starting.');
  }
  // A function answers its own preflight on the platform, and its own CORS fields are what a browser would see.
  if (within(path, '/functions/v1') && routes.functions) return routes.functions(request, response);
  if (request.method === 'OPTIONS' && request.headers['access-control-request-method']) {
    return answerPreflight(request, response);
  }
  if (within(path, '/rest/v1') || within(path, '/auth/v1')) {
    const body = readIncomingBody(request);
    // Refused before it was read, a large body still has to be let in.
    response.once('finish', body.discard);
    return answerWith(await routes.api(toRequest(request, response, body.stream)), response);
  }
  request.resume();
  answer(response, 404, 'not_found', `Nothing is served at ${path}`);
}

function within(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

function answer(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
  response.end(JSON.stringify({ message, code }));
}

function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(204, {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
    'access-control-max-age': '3600',
    vary: 'Access-Control-Request-Headers',
  });
  response.end();
}

function toRequest(incoming: IncomingMessage, response: ServerResponse, body: BodyInit): Request {
  const abandoned = new AbortController();
  response.once('close', () => abandoned.abort());
  const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD';
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return new Request(new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? '127.0.0.1'}`), {
    method: incoming.method ?? 'GET',
    headers,
    signal: abandoned.signal,
    ...(hasBody && { body, duplex: 'half' }),
  });
}

async function answerWith(answered: Response, response: ServerResponse): Promise<void> {
  const headers: Record<string, string | string[]> = { 'access-control-allow-origin': '*' };
  for (const [name, value] of answered.headers) headers[name] = value;
  const cookies = answered.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  response.writeHead(answered.status, headers);
  if (!answered.body) {
    response.end();
    return;
  }
  await pipeline(Readable.fromWeb(answered.body as ReadableStream), response).catch(() => response.destroy());
}
