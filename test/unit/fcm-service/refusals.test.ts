import { createSign } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type FcmDevice,
  type FcmService,
  startFcmService,
} from '../../../tools/local/fcm-service/fcm-service.ts';
import { createServiceAccountKey } from '../../../tools/local/fcm-service/local-service-account.ts';

const PRIVATE_KEY = createServiceAccountKey();
const START = Date.UTC(2027, 0, 15);
const SECONDS = START / 1000;

let clock: number;
let fcm: FcmService;
let device: FcmDevice;

beforeEach(async () => {
  clock = START;
  fcm = await startFcmService({ privateKey: PRIVATE_KEY, now: () => clock });
  device = fcm.createDevice();
});
afterEach(() => fcm.stop());

const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** An assertion as Google wants it, signed by the account unless told otherwise. */
function assertionOf({ header = {}, claims = {}, key = PRIVATE_KEY } = {}): string {
  const unsigned = `${segment({ alg: 'RS256', typ: 'JWT', ...header })}.${segment({
    iss: fcm.serviceAccount.client_email,
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    aud: fcm.serviceAccount.token_uri,
    iat: SECONDS,
    exp: SECONDS + 3600,
    ...claims,
  })}`;
  return `${unsigned}.${createSign('sha256').update(unsigned).sign(key, 'base64url')}`;
}

async function signIn(assertion: string, grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
  const response = await fetch(fcm.serviceAccount.token_uri, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: grantType, assertion }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function send(
  message: unknown,
  { authorization, project }: { authorization?: string; project?: string } = {},
) {
  const bearer = authorization ?? `Bearer ${(await signIn(assertionOf())).body.access_token}`;
  const response = await fetch(
    `${fcm.baseUrl}/projects/${project ?? fcm.serviceAccount.project_id}/messages:send`,
    { method: 'POST', headers: { Authorization: bearer }, body: JSON.stringify({ message }) },
  );
  const body = (await response.json()) as { name?: string; error?: { status: string; details?: unknown[] } };
  return { status: response.status, body };
}

test('a good assertion gives a token for an hour, and a good message arrives', async () => {
  expect(await signIn(assertionOf())).toMatchObject({
    status: 200,
    body: { expires_in: 3600, token_type: 'Bearer' },
  });
  const sent = await send({ token: device.token, notification: { title: 'Hello' } });
  expect(sent).toMatchObject({
    status: 200,
    body: { name: expect.stringMatching(/^projects\/.+\/messages\/.+/) },
  });
  expect(await device.next()).toMatchObject({ notification: { title: 'Hello' } });
});

test.each([
  ['signed by another key', () => assertionOf({ key: createServiceAccountKey() }), 'invalid_grant'],
  ['of another algorithm', () => assertionOf({ header: { alg: 'none' } }), 'invalid_grant'],
  ['of another account', () => assertionOf({ claims: { iss: 'other@example.com' } }), 'invalid_grant'],
  [
    'for another audience',
    () => assertionOf({ claims: { aud: 'https://oauth2.googleapis.com/token' } }),
    'invalid_grant',
  ],
  ['that expired', () => assertionOf({ claims: { iat: SECONDS - 3600, exp: SECONDS } }), 'invalid_grant'],
  ['for more than an hour', () => assertionOf({ claims: { exp: SECONDS + 3601 } }), 'invalid_grant'],
  [
    'of the future',
    () => assertionOf({ claims: { iat: SECONDS + 600, exp: SECONDS + 4200 } }),
    'invalid_grant',
  ],
  [
    'for another right',
    () => assertionOf({ claims: { scope: 'https://www.googleapis.com/auth/drive' } }),
    'invalid_scope',
  ],
  ['that is none', () => 'x.y.z', 'invalid_grant'],
])('an assertion %s gives no token', async (_what, assertion, error) => {
  expect(await signIn(assertion())).toMatchObject({ status: 400, body: { error } });
});

test('another grant type gives no token', async () => {
  expect(await signIn(assertionOf(), 'password')).toMatchObject({
    status: 400,
    body: { error: 'unsupported_grant_type' },
  });
});

test('a message needs a token that holds', async () => {
  const { access_token } = (await signIn(assertionOf())).body;
  for (const authorization of ['', 'Bearer x', `Basic ${access_token}`]) {
    expect(await send({ token: device.token }, { authorization })).toMatchObject({ status: 401 });
  }
  const authorization = `Bearer ${access_token}`;
  clock += 3_599_000;
  expect(await send({ token: device.token }, { authorization })).toMatchObject({ status: 200 });
  clock += 1_000;
  expect(await send({ token: device.token }, { authorization })).toMatchObject({ status: 401 });
});

test('a token of one project sends for no other', async () => {
  expect(await send({ token: device.token }, { project: 'another-project' })).toMatchObject({ status: 403 });
});

test.each([
  ['no token', {}],
  ['an unknown field', { token: 'x', priority: 'HIGH' }],
  ['data that is no text', { token: 'x', data: { n: 1 } }],
  ['a reserved name', { token: 'x', data: { from: 'a' } }],
  ['a reserved prefix', { token: 'x', data: { 'google.a': 'a' } }],
  ['a TTL that is no duration', { token: 'x', android: { ttl: 600 } }],
  ['a TTL of more than four weeks', { token: 'x', android: { ttl: '2419201s' } }],
  ['a priority that is none', { token: 'x', android: { priority: 'very-high' } }],
  ['a collapse id of 65 bytes', { token: 'x', apns: { headers: { 'apns-collapse-id': 'x'.repeat(65) } } }],
  ['an Apple priority that is none', { token: 'x', apns: { headers: { 'apns-priority': '7' } } }],
])('a message with %s is a bad request, which says nothing of its token', async (_what, message) => {
  const { status, body } = await send(message);
  expect(status).toBe(400);
  expect(body.error).toMatchObject({
    status: 'INVALID_ARGUMENT',
    details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest' }],
  });
});

test('more than 4096 bytes are too many', async () => {
  const data = { text: 'x'.repeat(4096 - 'text'.length) };
  expect(await send({ token: device.token, data })).toMatchObject({ status: 200 });
  expect(await send({ token: device.token, data: { text: `${data.text}x` } })).toMatchObject({ status: 400 });
});

test('what it does not know is not found', async () => {
  const response = await fetch(`${fcm.baseUrl}/projects/x/messages`, { method: 'POST' });
  expect(response.status).toBe(404);
});
