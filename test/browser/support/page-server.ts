import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

export interface PageServer {
  /** `http://localhost:PORT`, where browsers allow service workers and push without a certificate. */
  readonly origin: string;
  stop(): Promise<void>;
}

/** What a page asks for as `/config.json`. */
export interface PageConfig {
  supabaseUrl: string;
  publishableKey: string;
  vapidPublicKey: string;
}

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/**
 * Serves a folder of built pages on a free port. Every path that is no file is `document`, as in a single-page app; `?csp=…` is
 * the policy that its page is under.
 */
export async function startPageServer(
  directory: string,
  document: string,
  config: PageConfig,
): Promise<PageServer> {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const policy = searchParams.get('csp');
    if (pathname === '/config.json') {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(config));
      return;
    }
    const file = extname(pathname) in TYPES ? pathname : `/${document}.html`;
    const content = await readFile(join(directory, file)).catch(() => null);
    if (content === null) {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('Not found');
      return;
    }
    response
      .writeHead(200, {
        'Content-Type': TYPES[extname(file)] ?? '',
        'Cache-Control': 'no-store',
        ...(policy && { 'Content-Security-Policy': policy }),
      })
      .end(content);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, 'localhost', resolve);
  });
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
