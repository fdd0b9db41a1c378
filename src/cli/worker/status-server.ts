import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  healthAnswer,
  OPEN_METRICS,
  openMetrics,
  type WorkerState,
} from '../../server/worker/worker-metrics.ts';
import { SupapushError } from '../../shared/errors.ts';

/** Where a worker says how it is. */
export interface StatusServer {
  /** `http://127.0.0.1:9464` */
  url: string;
  close(): Promise<void>;
}

/** Serves `/health` and `/metrics`. Throws `usage` where the port cannot be had. */
export async function serveStatus(
  state: WorkerState,
  about: { name: string; version: string },
  { host, port }: { host: string; port: number },
): Promise<StatusServer> {
  const server = createServer((request, response) => {
    // Not as a URL: `//` is none, and what throws here ends the process.
    const [pathname] = (request.url ?? '/').split('?');
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isRead && pathname === '/health') {
      const { status, body } = healthAnswer(state);
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    } else if (isRead && pathname === '/metrics') {
      response.writeHead(200, { 'content-type': OPEN_METRICS }).end(openMetrics(state, about));
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('GET /health or /metrics\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new SupapushError(
          'usage',
          `Health and metrics cannot be served: ${error.message}. Give another --port.`,
          {
            cause: error,
          },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  const { port: given } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${given}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
