import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { importServiceAccount, messagesUrl } from '../../../../src/server/channels/fcm/service-account.ts';
import { createServiceAccountKey } from '../../../../tools/local/fcm-service/local-service-account.ts';

const PRIVATE_KEY = createServiceAccountKey();
const FILE = {
  type: 'service_account',
  project_id: 'my-project-1',
  private_key_id: '0123456789abcdef',
  private_key: PRIVATE_KEY,
  client_email: 'firebase-adminsdk-x@my-project-1.iam.gserviceaccount.com',
  client_id: '1',
  auth_uri: 'https://accounts.google.com/o/oauth2/auth',
  token_uri: 'https://oauth2.googleapis.com/token',
  universe_domain: 'googleapis.com',
};

const rsaPkcs1 = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString();
const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

async function problemOf(text: string): Promise<string> {
  const error = await importServiceAccount(text).then(
    () => undefined,
    (thrown: unknown) => thrown as { code: string; status: number; message: string },
  );
  expect(error).toMatchObject({ code: 'fcm_account_invalid', status: 503 });
  return error?.message ?? '';
}

test('the file that Firebase gives is taken as it is', async () => {
  expect(await importServiceAccount(JSON.stringify(FILE))).toMatchObject({
    projectId: 'my-project-1',
    clientEmail: FILE.client_email,
    privateKeyId: FILE.private_key_id,
    tokenUri: FILE.token_uri,
    privateKey: { type: 'private', extractable: false },
  });
});

test.each([
  ['line breaks that a shell escaped', { private_key: PRIVATE_KEY.replaceAll('\n', '\\n') }],
  ['no token_uri', { token_uri: undefined }],
  ['no private_key_id', { private_key_id: undefined }],
  ['a project of a domain', { project_id: 'example.com:my-project' }],
  ['the token_uri of older files', { token_uri: 'https://accounts.google.com/o/oauth2/token' }],
])('%s are fine', async (_what, changes) => {
  await importServiceAccount(JSON.stringify({ ...FILE, ...changes }));
});

test.each([
  ['text that is no JSON', 'not json', /must be the JSON file/],
  ['a path', '/home/me/account.json', /must be the JSON file/],
  ['null', 'null', /must be the JSON file/],
  ['an array', '[]', /must be the JSON file/],
  [
    "an app's configuration",
    '{"apiKey":"x"}',
    /type must be.*project_id is missing.*client_email is missing.*private_key is missing/,
  ],
])('%s is refused', async (_what, text, message) => {
  expect(await problemOf(text)).toMatch(message);
});

test.each<[string, Record<string, string>, RegExp]>([
  ['another type', { type: 'authorized_user' }, /type must be "service_account"/],
  ['a project id that would leave the path', { project_id: '../../evil' }, /project_id is no project id/],
  ['no e-mail address', { client_email: 'me' }, /client_email is no e-mail address/],
  ['an empty key', { private_key: '' }, /private_key must be an RSA key in PEM/],
  ['a key that broke off', { private_key: PRIVATE_KEY.slice(0, 800) }, /private_key must be/],
  ['a damaged key', { private_key: PRIVATE_KEY.replace(/[A-Za-z]{20}/, '') }, /private_key must be/],
  ['a key in the older form', { private_key: rsaPkcs1 }, /private_key must be/],
  ['a key of another algorithm', { private_key: ecKey }, /private_key must be/],
  [
    'a token_uri of another host',
    { token_uri: 'https://oauth2.googleapis.com.evil.example/token' },
    /token_uri is not an https URL of Google/,
  ],
  ['a token_uri without TLS', { token_uri: 'http://oauth2.googleapis.com/token' }, /token_uri/],
  ['a token_uri at a port past 65535', { token_uri: 'http://127.0.0.1:99999/token' }, /token_uri/],
  ['a token_uri with a user', { token_uri: 'http://127.0.0.1:80@evil.example/token' }, /token_uri/],
])('%s is refused, naming the field and showing no key', async (_what, changes, message) => {
  const problem = await problemOf(JSON.stringify({ ...FILE, ...changes }));
  expect(problem).toMatch(message);
  const lines = (changes.private_key ?? PRIVATE_KEY)
    .split('\n')
    .filter((line) => /^[\w+/=]{16,}$/.test(line));
  for (const line of lines) expect(problem).not.toContain(line);
});

test.each([
  [
    'https://fcm.googleapis.com/v1',
    FILE.token_uri,
    'https://fcm.googleapis.com/v1/projects/my-project-1/messages:send',
  ],
  [
    'http://127.0.0.1:4711/v1',
    'http://127.0.0.1:4711/token',
    'http://127.0.0.1:4711/v1/projects/my-project-1/messages:send',
  ],
  ['http://127.0.0.1:4711/v1', FILE.token_uri, null],
  ['https://fcm.googleapis.com/v1', 'http://127.0.0.1:4711/token', null],
  ['http://127.0.0.1:4712/v1', 'http://127.0.0.1:4711/token', null],
  ['http://127.0.0.1:471/v1', 'http://127.0.0.1:4711/token', null],
  ['https://fcm.googleapis.com', FILE.token_uri, null],
  ['https://fcm.googleapis.com/v1/', FILE.token_uri, null],
  ['https://evil.example/v1', FILE.token_uri, null],
])('at %s an account that signs in at %s sends to %s', async (host, tokenUri, url) => {
  const account = await importServiceAccount(JSON.stringify({ ...FILE, token_uri: tokenUri }));
  expect(messagesUrl(host, account)).toBe(url);
});
