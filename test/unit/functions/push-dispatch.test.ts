import { describe, expect, test } from 'vitest';
import webpush from 'web-push';
import { createPushDispatch } from '../../../src/server/functions/push-dispatch.ts';

const keys = webpush.generateVAPIDKeys();
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const SECRET_KEY = 'sb_secret_that_is_this_project_s';
// A port of loopback where nothing answers.
const NOWHERE = 'http://127.0.0.1:1';
const GOOD = {
  SUPABASE_URL: NOWHERE,
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
  VAPID_PUBLIC_KEY: keys.publicKey,
  VAPID_PRIVATE_KEY: keys.privateKey,
  VAPID_SUBJECT: 'mailto:push@example.com',
  PUSH_BELL_SECRET: BELL_SECRET,
};
const DISPATCHER = '6e1a7a55-6a5b-4f0e-9d1c-0d6d0a4f3c01';

/** The function on a platform that remembers what it was told. */
function functionWith(environment: Record<string, string | undefined> = GOOD) {
  const work: Promise<unknown>[] = [];
  const log: Record<string, unknown>[] = [];
  const handle = createPushDispatch({
    environment,
    limited: false,
    waitUntil: (promise) => void work.push(promise),
    log: (entry) => void log.push(entry),
  });
  const ring = (body: BodyInit | null = JSON.stringify({ dispatcher: DISPATCHER }), secret = BELL_SECRET) =>
    handle(
      new Request('http://localhost/push-dispatch', {
        method: 'POST',
        body,
        headers: { 'x-push-bell': secret, 'content-type': 'application/json' },
        duplex: 'half',
      } as RequestInit),
    );
  const probe = (method = 'GET') => handle(new Request('http://localhost/push-dispatch', { method }));
  return { work, log, ring, probe };
}

/** A body that names no length and counts how much of it was read. */
function chunks(count: number, size: number) {
  let read = 0;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        if (read === count) return controller.close();
        read++;
        controller.enqueue(new Uint8Array(size).fill(0x20));
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, read: () => read };
}

describe('the bell', () => {
  test('is answered with 202 before the work is done, and the platform is told of the work', async () => {
    const { ring, work } = functionWith();
    const answer = await ring();
    expect(answer.status).toBe(202);
    expect(await answer.json()).toEqual({ dispatcher: DISPATCHER });
    expect(work).toHaveLength(1);
    await work[0];
  });

  test('never rejects: a database that does not answer becomes one line in the log, without a key', async () => {
    const { ring, work, log } = functionWith();
    await ring();
    await expect(work[0]).resolves.toBeUndefined();
    expect(log).toEqual([
      {
        level: 'error',
        event: 'dispatch_failed',
        dispatcher: DISPATCHER,
        code: 'queue_unreachable',
        message: expect.stringContaining('push_claim'),
      },
    ]);
    for (const secret of [SECRET_KEY, BELL_SECRET, keys.privateKey])
      expect(JSON.stringify(log)).not.toContain(secret);
  });

  test.each([
    ['without a secret', ''],
    ['with another secret', 'another-bell-secret-of-32-characters-and-more'],
    ['with a secret that is too short by one', BELL_SECRET.slice(0, -1)],
    ['with a secret that is too long by one', `${BELL_SECRET}s`],
    ['with a secret in other case', BELL_SECRET.toUpperCase()],
    ['with the public key for a secret', keys.publicKey],
    ['with the project’s secret key for a secret', SECRET_KEY],
    ['with the secret twice', `${BELL_SECRET}, ${BELL_SECRET}`],
  ])('%s is refused, and nothing is done', async (_, secret) => {
    const { ring, work, log } = functionWith();
    const answer = await ring(undefined, secret);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({ message: expect.any(String), code: 'bell_refused' });
    expect(work).toEqual([]);
    expect(log).toEqual([]);
  });

  test('with a wrong secret does not even get its body read', async () => {
    const { ring } = functionWith();
    const { stream, read } = chunks(100, 1024);
    expect((await ring(stream, 'wrong')).status).toBe(401);
    expect(read()).toBe(0);
  });

  test.each([
    ['nothing', null],
    ['an empty text', ''],
    ['no JSON', 'dispatcher'],
    ['JSON cut short', '{"dispatcher":"6e1a7a55-6a5b-4f0e-9d1c'],
    ['null', 'null'],
    ['a list', '[]'],
    ['no dispatcher', '{}'],
    ['a number', '{"dispatcher":7}'],
    ['no UUID', '{"dispatcher":"seven"}'],
    ['a UUID and more', `{"dispatcher":"${DISPATCHER}'--"}`],
    ['bytes that are no text', new Uint8Array([0xff, 0xfe, 0x00])],
  ])('with %s for a body is refused', async (_, body) => {
    const { ring, work } = functionWith();
    const answer = await ring(body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ message: expect.any(String), code: 'body_malformed' });
    expect(work).toEqual([]);
  });

  test('takes a body of 1024 bytes and no more', async () => {
    const padded = (bytes: number) => JSON.stringify({ dispatcher: DISPATCHER }).padEnd(bytes);
    const { ring, work } = functionWith();
    expect((await ring(padded(1024))).status).toBe(202);
    await work[0];
    const answer = await ring(padded(1025));
    expect(answer.status).toBe(413);
    expect(await answer.json()).toEqual({ message: expect.any(String), code: 'body_too_large' });
  });

  test('stops to read a body without end', async () => {
    const { ring } = functionWith();
    const { stream, read } = chunks(Number.POSITIVE_INFINITY, 256);
    expect((await ring(stream)).status).toBe(413);
    expect(read()).toBe(5);
  });
});

test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])('%s is not supported', async (method) => {
  const { probe } = functionWith();
  const answer = await probe(method);
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe('GET, POST');
  expect(answer.headers.has('access-control-allow-origin')).toBe(false);
});

describe('the health probe', () => {
  test('is 200 when all is configured', async () => {
    const answer = await functionWith().probe();
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ function: 'push-dispatch', status: 'ok' });
  });

  test('is 200 with older key pairs that belong together', async () => {
    const older = webpush.generateVAPIDKeys();
    const answer = await functionWith({ ...GOOD, VAPID_PREVIOUS_KEYS: JSON.stringify([older]) }).probe();
    expect(answer.status).toBe(200);
  });

  test.each<[string, Record<string, string | undefined>, string, string[]]>([
    [
      'is missing everything',
      {},
      'not_configured',
      Object.keys(GOOD).filter((name) => name !== 'SUPABASE_SECRET_KEYS'),
    ],
    ['is missing one', { ...GOOD, PUSH_BELL_SECRET: undefined }, 'not_configured', ['PUSH_BELL_SECRET']],
    [
      'is malformed',
      { ...GOOD, SUPABASE_SECRET_KEYS: `"${SECRET_KEY}"` },
      'not_configured',
      ['SUPABASE_SECRET_KEYS'],
    ],
    [
      'has keys of two pairs',
      { ...GOOD, VAPID_PUBLIC_KEY: webpush.generateVAPIDKeys().publicKey },
      'vapid_keys_invalid',
      ['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY'],
    ],
    [
      'has a private key that is none',
      { ...GOOD, VAPID_PRIVATE_KEY: `${keys.privateKey}!` },
      'vapid_keys_invalid',
      ['VAPID_PRIVATE_KEY'],
    ],
    [
      'has an older pair that is none',
      {
        ...GOOD,
        VAPID_PREVIOUS_KEYS: JSON.stringify([
          { publicKey: webpush.generateVAPIDKeys().publicKey, privateKey: keys.privateKey },
        ]),
      },
      'vapid_keys_invalid',
      ['VAPID_PREVIOUS_KEYS[0].publicKey and VAPID_PREVIOUS_KEYS[0].privateKey do not belong together'],
    ],
  ])('is 503 when the environment %s, and so is the bell', async (_, environment, code, names) => {
    const { probe, ring, work, log } = functionWith(environment);
    for (const answer of [await probe(), await ring()]) {
      expect(answer.status).toBe(503);
      const text = await answer.text();
      expect(JSON.parse(text)).toEqual({ message: expect.any(String), code });
      for (const name of names) expect(text).toContain(name);
      for (const secret of [SECRET_KEY, BELL_SECRET, keys.privateKey]) expect(text).not.toContain(secret);
    }
    expect(work).toEqual([]);
    // Rung twice and logged once: any caller may ring as often as they like.
    expect(log).toEqual([
      { level: 'error', event: 'request_failed', function: 'push-dispatch', code, count: 1 },
    ]);
  });
});
