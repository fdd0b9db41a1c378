import type { ServerResponse } from 'node:http';

/** What the quote server answers in place of quotes, `times` (1) times; `Infinity` until it is scripted anew. */
export type QuoteFault = { readonly times?: number } & (
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | { /** A web page with status 200, as a proxy or a login in between answers. */ readonly kind: 'html' }
  | { /** JSON of another shape. */ readonly kind: 'wrong-json' }
  | {
      /** So many bytes of valid JSON, as fast as they are taken. */ readonly kind: 'huge';
      readonly bytes: number;
    }
  | {
      /** An answer that begins and comes byte by byte, `milliseconds` apart. */ readonly kind: 'trickle';
      readonly milliseconds: number;
    }
  | { /** No answer until the server stops. */ readonly kind: 'hang' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'body'; readonly body: string; readonly contentType?: string }
);

/** Gives a scripted answer. `onSent` hears how many bytes of a huge one were written. */
export function giveQuoteFault(
  fault: QuoteFault,
  response: ServerResponse,
  onSent: (bytes: number) => void,
): void {
  const json = { 'Content-Type': 'application/json' };
  switch (fault.kind) {
    case 'status':
      response.writeHead(fault.status, { 'Content-Type': 'text/plain', ...fault.headers }).end('Scripted.');
      return;
    case 'html':
      response.writeHead(200, { 'Content-Type': 'text/html' });
      response.end('<!doctype html>\n<title>Sign in</title>\n<p>123.45</p>\n');
      return;
    case 'wrong-json':
      response.writeHead(200, json).end('{"status":"ok","result":{"quotes":"none"}}');
      return;
    case 'huge':
      response.writeHead(200, json);
      writeMuch(response, fault.bytes, onSent);
      return;
    case 'trickle': {
      response.writeHead(200, json).flushHeaders();
      const timer = setInterval(() => response.write(' '), fault.milliseconds);
      response.once('close', () => clearInterval(timer));
      return;
    }
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'redirect':
      response.writeHead(302, { Location: fault.location }).end();
      return;
    case 'body':
      response.writeHead(200, { 'Content-Type': fault.contentType ?? 'application/json' }).end(fault.body);
      return;
  }
}

const PIECE = Buffer.from('"x",'.repeat(16_384));

function writeMuch(response: ServerResponse, bytes: number, onSent: (bytes: number) => void): void {
  let sent = 0;
  response.write('[');
  const write = (): void => {
    while (sent < bytes) {
      sent += PIECE.length;
      if (!response.write(PIECE)) {
        response.once('drain', write);
        return;
      }
    }
    response.end('"x"]');
  };
  response.once('close', () => onSent(sent));
  write();
}
