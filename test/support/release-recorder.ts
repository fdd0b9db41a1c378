import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server in the place of Edge Functions, which notes what `push-events` is told. */
export interface ReleaseRecorder {
  readonly url: string;
  /** The bodies so far, oldest first. */
  readonly bodies: unknown[];
  /** What it answers. */
  status: number;
  stop(): Promise<void>;
}

/** Starts one on loopback. */
export async function startReleaseRecorder(): Promise<ReleaseRecorder> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (request.method === 'POST' && request.url === '/push-events') recorder.bodies.push(JSON.parse(text));
    response.writeHead(recorder.status, { 'content-type': 'application/json' }).end('{"released":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const recorder: ReleaseRecorder = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies: [],
    status: 200,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return recorder;
}
