import { request } from 'node:http';
import { expect, test } from 'vitest';
import webpush from 'web-push';
import { createReceiptTokens } from '../../../src/server/channels/receipt-tokens.ts';
import { createPushEvents } from '../../../src/server/functions/push-events.ts';
import { eventsUrl, tell } from '../../support/push-events.ts';
import { useStack } from '../../support/stack.ts';
import { createSubscription } from '../../support/subscriptions.ts';

const stack = useStack({ workers: { net: false, cron: false }, functions: ['push-events'] });

test('a worker without options learns the public VAPID key', async () => {
  const answer = await fetch(eventsUrl(stack()));
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  expect(await answer.json()).toEqual({
    function: 'push-events',
    status: 'ok',
    vapid_public_key: stack().vapidPublicKey,
  });
});

test('a preflight allows what a worker sends, from every origin', async () => {
  const answer = await fetch(eventsUrl(stack()), {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example.com',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  });
  expect(answer.status).toBe(204);
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  expect(answer.headers.get('access-control-allow-methods')).toContain('POST');
  expect(answer.headers.get('access-control-allow-headers')).toContain('content-type');
  // With `*` a browser sends no credentials, and none are wanted.
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
});

test.each(['PUT', 'DELETE', 'PATCH', 'HEAD'])('%s is refused', async (method) => {
  const answer = await fetch(eventsUrl(stack()), { method });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe('GET, POST, OPTIONS');
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
});

test.each([
  ['a text', 'text/plain', '{"receipts": []}', 415, 'content_type_unsupported'],
  ['a form', 'application/x-www-form-urlencoded', 'receipts=', 415, 'content_type_unsupported'],
  ['JSON by another name', 'application/jsonp', '{"receipts": []}', 415, 'content_type_unsupported'],
  ['no JSON', 'application/json', '{"receipts": [', 400, 'body_malformed'],
  ['nothing', 'application/json', '', 400, 'body_malformed'],
  ['null', 'application/json', 'null', 400, 'body_malformed'],
  ['a list', 'application/json', '[]', 400, 'body_malformed'],
  ['an object of something else', 'application/json', '{"receipt": []}', 400, 'body_malformed'],
  ['brackets without end', 'application/json', '['.repeat(32_000), 400, 'body_malformed'],
  ['too much', 'application/json', `{"receipts": ["${'x'.repeat(32_768)}"]}`, 413, 'body_too_large'],
])('%s is refused, and the page may read why', async (_what, type, body, status, code) => {
  const answer = await tell(stack(), body, {
    headers: { 'content-type': type, origin: 'https://app.example.com' },
  });
  expect([answer.status, answer.body.code]).toEqual([status, code]);
  expect(answer.body.message).toEqual(expect.any(String));
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
});

test('JSON may name its charset', async () => {
  const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
  expect(await tell(stack(), { receipts: [] }, { headers })).toMatchObject({ status: 200 });
});

/** Sends a body in chunks until there is an answer, or it ends; how many bytes left, and the status. */
function sendUntilAnswered(
  headers: Record<string, string>,
  limit: number,
): Promise<{ status: number; sent: number }> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let status: number | undefined;
    const outgoing = request(eventsUrl(stack()), { method: 'POST', headers }, (answer) => {
      status = answer.statusCode ?? 0;
      answer.resume();
      resolve({ status, sent });
      outgoing.destroy();
    });
    outgoing.on('error', (error) => {
      if (status === undefined) reject(error);
    });
    const chunk = Buffer.alloc(4096, 'x');
    const send = (): void => {
      if (status !== undefined || outgoing.destroyed) return;
      if (sent >= limit) return void outgoing.end();
      sent += chunk.length;
      outgoing.write(chunk, () => setImmediate(send));
    };
    send();
  });
}

test('a body in chunks, whose length is not known beforehand, is cut off', async () => {
  const limit = 256 * 1024 * 1024;
  const { status, sent } = await sendUntilAnswered({ 'content-type': 'application/json' }, limit);
  expect(status).toBe(413);
  expect(sent).toBeLessThan(limit / 4);
});

test('a body that says that it is too long is refused before it comes', async () => {
  const answered = new Promise<number>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': '1000000' };
    const outgoing = request(eventsUrl(stack()), { method: 'POST', headers }, (answer) => {
      resolve(answer.statusCode ?? 0);
      outgoing.destroy();
    });
    outgoing.on('error', reject);
    outgoing.write('{');
  });
  expect(await answered).toBe(413);
});

const keys = webpush.generateVAPIDKeys();
const environment = {
  // A port of loopback where nothing answers.
  SUPABASE_URL: 'http://127.0.0.1:9',
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: 'sb_secret_that_is_this_project_s' }),
  VAPID_PUBLIC_KEY: keys.publicKey,
  VAPID_PRIVATE_KEY: keys.privateKey,
  VAPID_SUBJECT: 'mailto:push@example.com',
  PUSH_BELL_SECRET: 'a-bell-secret-of-more-than-32-characters',
};

function post(body: unknown): Request {
  const headers = { 'content-type': 'application/json' };
  return new Request('http://localhost/push-events', { method: 'POST', headers, body: JSON.stringify(body) });
}

test('a database that does not answer is a 503 that names and logs nothing of what was sent', async () => {
  const log: unknown[] = [];
  const handler = createPushEvents({ environment, log: (entry) => log.push(entry) });
  const tokens = await createReceiptTokens([keys], environment.SUPABASE_URL);
  const device = createSubscription();
  for (const body of [
    { receipts: [{ receipt: await tokens.sign(1), event: 'clicked' }] },
    { resubscribe: { old: device, new: createSubscription() } },
    { release: device },
  ]) {
    const answer = await handler(post(body));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.json()).toEqual({
      code: 'queue_unreachable',
      message: 'The database did not answer. Try again in a few seconds.',
    });
  }
  const line = {
    level: 'error',
    event: 'request_failed',
    function: 'push-events',
    code: 'queue_unreachable',
  };
  expect(log).toEqual([
    { ...line, cause: 'push_record_receipts status 0', count: 1 },
    { ...line, cause: 'push_proven_devices status 0', count: 1 },
  ]);
});

test('the database is not asked about what no device of ours has sent', async () => {
  const handler = createPushEvents({ environment, log: () => {} });
  const answer = await handler(post({ receipts: [{ receipt: `1.${'x'.repeat(22)}`, event: 'clicked' }] }));
  expect([answer.status, await answer.json()]).toEqual([200, { accepted: 0, repeated: 0, refused: 1 }]);
});

test('a project that is not configured says only that', async () => {
  const other = webpush.generateVAPIDKeys().privateKey;
  for (const broken of [
    {},
    { ...environment, VAPID_PRIVATE_KEY: other },
    { ...environment, VAPID_SUBJECT: 'nobody' },
  ]) {
    const handler = createPushEvents({ environment: broken, log: () => {} });
    for (const sent of [new Request('http://localhost/push-events'), post({ receipts: [] })]) {
      const answer = await handler(sent);
      expect(answer.status).toBe(503);
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(await answer.json()).toEqual({
        code: 'not_configured',
        message: 'The function is not configured.',
      });
    }
  }
});
