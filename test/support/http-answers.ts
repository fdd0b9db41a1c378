import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What is answered to a path; of a path that is not there: 404. */
export type Answers = Record<
  string,
  { status?: number; type?: string; body: string | object; headers?: Record<string, string> }
>;

/** Serves these on a free port until the test ends; the origin. Answers may be changed meanwhile. */
export async function serveAnswers(answers: Answers): Promise<string> {
  const server = createServer((request, response) => {
    const answer = answers[(request.url ?? '').split('?')[0] ?? ''];
    const {
      status = 200,
      body,
      type = 'application/json',
      headers = {},
    } = answer ?? {
      status: 404,
      body: { code: 'NOT_FOUND', message: 'Requested function was not found' },
    };
    response.writeHead(status, { 'Content-Type': type, ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
