import { request } from 'node:http';
import { afterAll, describe, expect, it } from 'vitest';
import { useStack } from '../../support/stack.ts';
import { makeProject, type TempProject } from './temp-project.ts';

const MEGABYTES = 8 * 1024 * 1024;
const TIMES = 20;

// Answers before it has read anything, in the midst of reading, and when it has read all.
const HASTY = `
Deno.serve(async (request) => {
  const action = new URL(request.url).pathname.split('/')[2];
  if (action === 'unread') return Response.json({ code: 'body_too_large' }, { status: 413 });
  const reader = request.body.getReader();
  let read = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    read += part.value.length;
    if (action === 'cut' && read > 1000) {
      await reader.cancel();
      return Response.json({ code: 'body_too_large' }, { status: 413 });
    }
  }
  return Response.json({ read });
});
`;

let project: TempProject;
const stack = useStack(async () => {
  project = await makeProject({
    'config.toml': '[functions.hasty]\nverify_jwt = false\n',
    'functions/hasty/index.ts': HASTY,
    'functions/guarded/index.ts': `Deno.serve(() => new Response('in'));`,
  });
  return { projectDirectory: project.directory, workers: { net: false, cron: false } };
});
afterAll(() => project.remove());

/** Sends a large body, as fast as it is taken, and gives what was answered: by a client that writes to the end. */
function send(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${stack().url}${path}`,
      // A connection of its own: one that was kept may be closed for its idleness as it is used again.
      { method: 'POST', agent: false, headers: { 'content-type': 'application/json', ...headers } },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(Buffer.alloc(MEGABYTES, ' '));
  });
}

const sendOften = (path: string, headers?: Record<string, string>) =>
  Promise.all(Array.from({ length: TIMES }, () => send(path, headers)));

describe('a large body that is refused', () => {
  it.each([
    ['by a function that does not read it', '/functions/v1/hasty/unread', 413, 'body_too_large'],
    ['by a function that stops reading', '/functions/v1/hasty/cut', 413, 'body_too_large'],
    ['for want of a session', '/functions/v1/guarded', 401, 'UNAUTHORIZED_NO_AUTH_HEADER'],
    ['for there is no such function', '/functions/v1/none', 404, 'NOT_FOUND'],
    ['by the Data API, for want of a key', '/rest/v1/none', 401, ''],
    ['for there is nothing', '/nothing', 404, 'not_found'],
  ])('%s is answered, and its connection not reset', async (_, path, status, code) => {
    for (const answer of await sendOften(path)) {
      expect(answer.status).toBe(status);
      expect(answer.body).toContain(code);
    }
  });
});

it('a large body that is read comes whole', async () => {
  const answers = await sendOften('/functions/v1/hasty/all');
  expect(answers.map(({ body }) => JSON.parse(body))).toEqual(answers.map(() => ({ read: MEGABYTES })));
});

it('a client that asks whether to send its body is told so', async () => {
  const told = new Promise<string>((resolve, reject) => {
    const outgoing = request(
      `${stack().url}/functions/v1/hasty/all`,
      { method: 'POST', headers: { expect: '100-continue', 'content-length': '5' } },
      (answer) => answer.on('data', (part) => resolve(`${part}`)),
    );
    outgoing.on('error', reject);
    outgoing.once('continue', () => outgoing.end('hello'));
    outgoing.flushHeaders();
  });
  expect(JSON.parse(await told)).toEqual({ read: 5 });
});
