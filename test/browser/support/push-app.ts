import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** An app with a service worker, and in the place of `push-events`, on another origin, a server that writes down what it gets. */
export interface PushApp {
  readonly origin: string;
  readonly eventsUrl: string;
  /** What was posted so far, refused requests included. */
  readonly posted: unknown[];
  /** Whether the events' server answers at all, and with which status. */
  answer: number | 'unreachable';
  /** The public VAPID key it tells. */
  vapidKey: string;
  stop(): Promise<void>;
}

const STORE = fileURLToPath(new URL('../../../src/device/shared/push-store.ts', import.meta.url));

/** Every path without a dot is the app; its pages collect what their service worker tells them. */
const PAGE = `<!doctype html><title>An app</title><script>
  self.heard = [];
  navigator.serviceWorker.addEventListener('message', ({ data }) => heard.push(data));
  navigator.serviceWorker.startMessages();
</script>`;

const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'content-type',
  'Access-Control-Allow-Methods': 'GET, POST',
};

/** Serves an app with these scripts, by their paths. */
export async function startPushApp(scripts: Record<string, string>): Promise<PushApp> {
  const files: Record<string, string> = {
    ...scripts,
    '/push-store.js': stripTypeScriptTypes(await readFile(STORE, 'utf8')),
  };
  const pages = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const script = files[pathname];
    const type = script === undefined ? 'text/html' : 'text/javascript';
    const status = script === undefined && pathname.includes('.') ? 404 : 200;
    response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(script ?? PAGE);
  });
  const events = createServer(async (request, response) => {
    if (app.answer === 'unreachable') return void request.socket.destroy();
    if (request.method === 'POST') app.posted.push(await json(request));
    response
      .writeHead(request.method === 'OPTIONS' ? 200 : app.answer, {
        'Content-Type': 'application/json',
        ...CORS,
      })
      .end(JSON.stringify({ vapid_public_key: app.vapidKey }));
  });
  const servers = [pages, events];
  const [pagesPort, eventsPort] = await Promise.all(servers.map((server) => listen(server)));
  const app: PushApp = {
    origin: `http://localhost:${pagesPort}`,
    eventsUrl: `http://localhost:${eventsPort}/functions/v1/push-events`,
    posted: [],
    answer: 200,
    vapidKey: '',
    async stop() {
      await Promise.all(
        servers.map((server) => {
          server.closeAllConnections();
          return new Promise((resolve) => server.close(resolve));
        }),
      );
    },
  };
  return app;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, 'localhost', () => resolve((server.address() as AddressInfo).port));
  });
}
