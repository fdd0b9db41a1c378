import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StatusServer, serveStatus } from '../../../src/cli/worker/status-server.ts';
import { createWorkerState } from '../../../src/server/worker/worker-metrics.ts';

let server: StatusServer;

beforeAll(async () => {
  const about = { name: 'a worker', version: '0.1.0' };
  server = await serveStatus(createWorkerState(0), about, { host: '127.0.0.1', port: 0 });
});

afterAll(() => server.close());

/** The status line that this request is answered with. The target goes out as it is. */
async function ask(target: string): Promise<string | undefined> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.end(`GET ${target} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n`);
  return (await text(socket)).split('\r\n')[0];
}

// An error in the listener would end the process, and this test with it.
test.each(['//', '///', 'http://', 'http://[', '/%', '/?//'])(
  '%s is not found, and ends nothing',
  async (target) => {
    expect(await ask(target)).toBe('HTTP/1.1 404 Not Found');
    expect(await ask('/metrics?name=x')).toBe('HTTP/1.1 200 OK');
  },
);
