import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer as createViteServer } from 'vite';
import { buildServiceWorker } from '../build/build-package.ts';
import { freeLoopbackPort, isLoopbackPortFree, requireFreePort } from '../local/loopback-port.ts';
import { applyMigrations } from '../local/postgres/migrations.ts';
import type { StackAddress } from '../local/stack.ts';
import { applyExample } from './apply-example.ts';

export interface DemoPage {
  /** `http://localhost:PORT`, where browsers allow service workers and push without a certificate. */
  readonly url: string;
  stop(): Promise<void>;
}

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const DEMO = fileURLToPath(new URL('./page/', import.meta.url));
// Not Vite's own 5173: an app that is developed there would meet this page's service worker and session in the browser.
const USUAL_PORT = 5190;

/**
 * Serves the page of `page/` for a stack, and brings what it needs into the database: the example of a CRM, and functions to
 * play with. Subscriptions and sessions belong to an origin, so it is the same port each time where that is free.
 */
export async function startDemoPage(
  stack: StackAddress,
  options: { port?: number | undefined } = {},
): Promise<DemoPage> {
  const { port: asked } = options;
  if (asked !== undefined) await requireFreePort(asked);
  const port = asked ?? ((await isLoopbackPortFree(USUAL_PORT)) ? USUAL_PORT : await freeLoopbackPort());
  await applyExample(stack.databaseUrl, 'crm');
  await applyMigrations({ url: stack.databaseUrl, directory: DEMO });

  const worker = await buildWorker();
  const server = createServer();
  const vite = await createViteServer({
    configFile: false,
    root: DEMO,
    logLevel: 'warn',
    appType: 'spa',
    // In front of it stands a server of ours: Vite's own would end the process by itself when told to.
    server: { middlewareMode: true, hmr: { server }, fs: { allow: [PROJECT] } },
    define: {
      'import.meta.env.SUPABASE_URL': JSON.stringify(stack.url),
      'import.meta.env.SUPABASE_PUBLISHABLE_KEY': JSON.stringify(stack.publishableKey),
    },
    plugins: [
      {
        name: 'service-worker',
        configureServer: ({ middlewares }) => {
          middlewares.use('/sw.js', (_request, response) => {
            response
              .writeHead(200, { 'Content-Type': 'text/javascript', 'Cache-Control': 'no-cache' })
              .end(worker);
          });
        },
      },
    ],
  });
  server.on('request', vite.middlewares);
  await listen(server, port);
  return {
    url: `http://localhost:${port}`,
    async stop() {
      server.closeAllConnections();
      await Promise.all([vite.close(), new Promise((resolve) => server.close(resolve))]);
    },
  };
}

/** The very script that the package brings along. */
async function buildWorker(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'supapush-page-'));
  try {
    await buildServiceWorker(PROJECT, directory);
    return await readFile(join(directory, 'sw.js'), 'utf8');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
}
