import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Hop-by-hop fields (RFC 9110 section 7.6.1): they end at this proxy. */
const HOP_BY_HOP = new Set([
  'connection',
  // Not one of them, but answered by this server and asked anew.
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const CONNECT_TIMEOUT_MS = 20_000;

/** No process took the request, or the one that took it ended before it answered. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code: 'function_unavailable' | 'function_crashed';

  constructor(code: ProxyError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Hands a request to a server on loopback and streams its answer back. Waits up to 20 s for a server that is
 * starting; once a byte was sent, nothing is repeated. Throws `ProxyError` while no answer has begun.
 */
export async function proxyRequest(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: { path: string; port(): Promise<number> },
): Promise<void> {
  const socket = await connectWhenServing(target.port);
  const hasBody =
    incoming.headers['transfer-encoding'] !== undefined ||
    Number(incoming.headers['content-length'] ?? 0) > 0;
  const upstream = httpRequest({
    createConnection: () => socket,
    method: incoming.method,
    path: target.path,
    headers: [
      ...forwarded(incoming.rawHeaders),
      ['x-forwarded-host', incoming.headers.host ?? ''],
      ['x-forwarded-proto', 'http'],
      ['connection', 'close'],
      // The body is sent when the function reads it. A server that answers without reading resets the connection, and
      // the answer would be lost in that.
      ...(hasBody ? [['expect', '100-continue']] : []),
    ].flat(),
  });
  outgoing.once('close', () => upstream.destroy());
  // What the function does not read has to be let in all the same, or its client would be reset.
  outgoing.once('finish', () => incoming.unpipe().resume());
  if (hasBody) upstream.once('continue', () => sendBody(incoming, upstream)).flushHeaders();
  else upstream.end();
  let answer: IncomingMessage;
  try {
    answer = await new Promise<IncomingMessage>((resolve, reject) => {
      upstream.once('response', resolve);
      upstream.on('error', reject);
    });
  } catch (error) {
    throw new ProxyError('function_crashed', 'The function ended before it answered.', { cause: error });
  }
  outgoing.writeHead(
    answer.statusCode ?? 502,
    answer.statusMessage ?? '',
    forwarded(answer.rawHeaders).flat(),
  );
  // A body cut short on one side is cut short on the other; there is no connection left to report it on.
  await pipeline(answer, outgoing).catch(() => outgoing.destroy());
}

/** Lets an answer come in between two writes: a write to a connection that was reset takes what was not yet read along. */
function sendBody(incoming: IncomingMessage, upstream: ClientRequest): void {
  const paced = new Transform({
    transform: (chunk, _, done) => void setImmediate(done, null, chunk),
  });
  incoming.pipe(paced).pipe(upstream);
}

async function connectWhenServing(port: () => Promise<number>): Promise<Socket> {
  const deadline = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const expired = new Promise<never>((_, reject) => {
    deadline.addEventListener('abort', () =>
      reject(new ProxyError('function_unavailable', 'The function did not start in time.')),
    );
  });
  expired.catch(() => undefined);
  while (true) {
    const serving = await Promise.race([port(), expired]);
    try {
      return await connectTo(serving);
    } catch (error) {
      if (deadline.aborted) {
        throw new ProxyError('function_unavailable', 'The function did not start in time.', { cause: error });
      }
      // Killed a moment ago: its end is not yet known here.
      await delay(5);
    }
  }
}

function connectTo(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** Name and value pairs, repeated fields kept, without the hop-by-hop ones and those `Connection` names. */
function forwarded(rawHeaders: string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((field) => field.trim().toLowerCase()));
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP_BY_HOP.has(lower) && !named.includes(lower);
  });
}
