import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, type Recipient } from '../../support/recipients.ts';
import { useStack } from '../../support/stack.ts';

// Only these tests ring.
const stack = useStack({ workers: { net: false, cron: false } });

let sql: postgres.Sql;
let secret: string;
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  const [row] =
    await sql`select decrypted_secret from vault.decrypted_secrets where name = 'push_bell_secret'`;
  secret = row?.decrypted_secret;
  expect(secret.length).toBeGreaterThanOrEqual(32);
});
afterAll(() => sql?.end());

function call(init: RequestInit): Promise<Response> {
  return fetch(`${stack().url}/functions/v1/push-dispatch`, init);
}

function ring(
  headers: Record<string, string> = { 'x-push-bell': secret },
  body: BodyInit = JSON.stringify({ dispatcher: randomUUID() }),
): Promise<Response> {
  const chunked = body instanceof ReadableStream ? { duplex: 'half' } : {};
  return call({ method: 'POST', body, headers, ...chunked } as RequestInit);
}

async function notified(): Promise<Recipient> {
  const [recipient] = await createRecipients(sql, stack().pushService, 1);
  await sql`select push.notify(${recipient.userId}::uuid, 'Hello')`;
  return recipient;
}

const deliveryTo = async ({ subscriptionId }: Recipient) => {
  const [row] = await sql`
    select state, claims from push.deliveries where subscription_id = ${subscriptionId}`;
  return row as { state: string; claims: number };
};

test('GET is the health probe, open to everybody', async () => {
  const answer = await call({});
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ function: 'push-dispatch', status: 'ok' });
});

test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])('%s is not supported', async (method) => {
  const answer = await call({ method });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe('GET, POST');
  if (method !== 'HEAD')
    expect(await answer.json()).toEqual({ message: expect.any(String), code: 'method_not_allowed' });
});

test('a ring with the secret delivers what waits, once; rings without it do nothing', async () => {
  const recipient = await notified();
  const others: [string, Record<string, string>][] = [
    ['none', {}],
    ['an empty one', { 'x-push-bell': '' }],
    ['a wrong one', { 'x-push-bell': 'x'.repeat(secret.length) }],
    ['all but the last character', { 'x-push-bell': secret.slice(0, -1) }],
    ['one character more', { 'x-push-bell': `${secret}x` }],
    ['another last character', { 'x-push-bell': secret.slice(0, -1) + (secret.endsWith('A') ? 'B' : 'A') }],
    ['other case', { 'x-push-bell': secret.toUpperCase() }],
    ['the secret elsewhere', { authorization: `Bearer ${secret}`, apikey: secret }],
    [
      'the project’s secret key',
      {
        'x-push-bell': stack().secretKey,
        apikey: stack().secretKey,
        authorization: `Bearer ${stack().secretKey}`,
      },
    ],
  ];
  for (const [what, headers] of others) {
    const answer = await ring(headers);
    expect(answer.status, what).toBe(401);
    const text = await answer.text();
    expect(JSON.parse(text), what).toEqual({ message: expect.any(String), code: 'bell_refused' });
    expect(text).not.toContain(secret);
  }
  expect(
    await sql`select from push.dispatchers where lease_until > started_at + interval '10 seconds'`,
  ).toEqual([]);
  expect(await deliveryTo(recipient)).toEqual({ state: 'queued', claims: 0 });

  const answer = await ring();
  expect(answer.status).toBe(202);
  await recipient.device.next();
  const delivery = await eventually(
    () => deliveryTo(recipient),
    ({ state }) => state === 'sent',
  );
  expect(delivery.claims).toBe(1);
  expect(recipient.device.messages).toHaveLength(1);
});

test('a ring is answered while the push service has not answered yet', async () => {
  const recipient = await notified();
  stack().pushService.script(recipient.device.endpoint, { kind: 'hang' });
  const answer = await ring();
  expect(answer.status).toBe(202);
  expect(await answer.json()).toEqual({ dispatcher: expect.any(String) });
  await stack().pushService.waitFor(
    ({ url, status }) => url === recipient.device.endpoint && status === null,
  );
  expect(await deliveryTo(recipient)).toEqual({ state: 'sending', claims: 1 });
});

describe('a ring with the secret and a body of', () => {
  const json = (bytes: number) => JSON.stringify({ dispatcher: randomUUID() }).padEnd(bytes);
  /** Sent in pieces, without a length. */
  const inPieces = (text: string) => new Blob([text]).stream();

  test.each<[string, () => BodyInit, number, string | undefined]>([
    ['1024 bytes is heard', () => json(1024), 202, undefined],
    ['1024 bytes in pieces is heard', () => inPieces(json(1024)), 202, undefined],
    ['1025 bytes is too large', () => json(1025), 413, 'body_too_large'],
    ['1025 bytes in pieces is too large', () => inPieces(json(1025)), 413, 'body_too_large'],
    ['16 kB in pieces is too large', () => inPieces(json(16_384)), 413, 'body_too_large'],
    ['no bytes is refused', () => '', 400, 'body_malformed'],
    ['no JSON is refused', () => 'dispatcher', 400, 'body_malformed'],
    ['no UUID is refused', () => '{"dispatcher":"1; drop table push.deliveries"}', 400, 'body_malformed'],
    [
      'another form is refused',
      () => new URLSearchParams({ dispatcher: randomUUID() }),
      400,
      'body_malformed',
    ],
  ])('%s', async (_, body, status, code) => {
    const answer = await ring({ 'x-push-bell': secret }, body());
    expect(answer.status).toBe(status);
    const said = await answer.json();
    if (code !== undefined) expect(said).toEqual({ message: expect.any(String), code });
  });
});
