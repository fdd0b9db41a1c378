import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll } from 'vitest';

/** What the Data API says to an RPC: its result, or an error with its status. */
export type Said = { data: unknown } | { error: { code?: string; details?: string }; status: number };
/** To these parameters. A promise keeps the caller waiting. */
export type Rpc = (parameters: Record<string, unknown>) => Said | Promise<Said>;

/** A Data API that says to each RPC what a test wants. */
export interface DataApi {
  url(): string;
  /** RPCs without an entry answer `null`. */
  say(rpcs: Record<string, Said | Rpc>): void;
}

export function useDataApi(): DataApi {
  let said: Record<string, Said | Rpc> = {};
  const server = createServer(async (request, response) => {
    const parameters = (await json(request)) as Record<string, unknown>;
    const rpc = said[request.url?.split('/').at(-1) ?? ''] ?? { data: null };
    const answer = typeof rpc === 'function' ? await rpc(parameters) : rpc;
    const [status, body] =
      'data' in answer ? [200, answer.data] : [answer.status, { message: '', ...answer.error }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    say: (rpcs) => {
      said = rpcs;
    },
  };
}
