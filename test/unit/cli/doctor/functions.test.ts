import { expect, test } from 'vitest';
import { runChecks } from '../../../../src/cli/doctor/check.ts';
import type { FunctionFacts } from '../../../../src/cli/doctor/function-facts.ts';
import { FUNCTION_CHECKS } from '../../../../src/cli/doctor/functions.ts';
import { type Answers, serveAnswers } from '../../../support/http-answers.ts';

const KEY = 'BElGDp-the-public-key';
const healthy = (): Answers => ({
  '/functions/v1/push-dispatch': {
    body: { function: 'push-dispatch', status: 'ok' },
    headers: { 'x-supapush-version': '0.1.0' },
  },
  '/functions/v1/push-events': { body: { function: 'push-events', status: 'ok', vapid_public_key: KEY } },
  '/functions/v1/push-health': {
    body: { function: 'push-health', status: 'ok', configured: true, vapid_public_key: KEY },
  },
  '/functions/v1/push-quotes': { body: { function: 'push-quotes', status: 'ok' } },
  '/rest/v1/rpc/push_vapid_key': { body: JSON.stringify(KEY) },
});

async function look(answers: Answers, changes: Partial<FunctionFacts> = {}) {
  const facts = {
    projectUrl: await serveAnswers(answers),
    version: '0.1.0',
    vapidKey: KEY,
    sql: undefined,
    file: '.env',
    publishableKey: 'sb_publishable_x',
    patience: 5000,
    ...changes,
  };
  const { checks } = await runChecks('functions', FUNCTION_CHECKS, facts);
  const findings = checks.flatMap((check) => check.findings);
  for (const { cure } of findings) expect(cure.length).toBeGreaterThan(5);
  return findings;
}

test('functions and Data API that answer are all right', async () => {
  expect(await look(healthy())).toEqual([]);
});

test.each<[string, Answers, string, RegExp]>([
  [
    'that is configured with another key',
    {
      '/functions/v1/push-events': {
        body: { function: 'push-events', status: 'ok', vapid_public_key: 'other' },
      },
    },
    'vapid_key_differs',
    /push-events has another VAPID key/,
  ],
  [
    'of another release',
    {
      '/functions/v1/push-quotes': {
        body: { function: 'push-quotes', status: 'ok' },
        headers: { 'x-supapush-version': '0.0.9' },
      },
    },
    'function_of_other_release',
    /push-quotes is Supapush 0\.0\.9, and this package is 0\.1\.0/,
  ],
  [
    'that demands a token',
    {
      '/functions/v1/push-dispatch': {
        status: 401,
        body: { code: 'UNAUTHORIZED_NO_AUTH_HEADER', message: 'Missing authorization header' },
      },
    },
    'function_verifies_jwt',
    /push-dispatch was deployed without verify_jwt = false/,
  ],
  [
    'that lacks secrets',
    {
      '/functions/v1/push-dispatch': {
        status: 503,
        body: {
          code: 'not_configured',
          message: 'The function is not configured: VAPID_SUBJECT is missing. Run: supabase secrets set',
        },
      },
    },
    'function_not_configured',
    /^push-dispatch: The function is not configured: VAPID_SUBJECT is missing\.$/,
  ],
  [
    'that says no more than that',
    {
      '/functions/v1/push-health': {
        status: 503,
        body: { function: 'push-health', status: 'not_configured' },
      },
    },
    'function_not_configured',
    /^push-health: It is not configured\.$/,
  ],
  [
    'that fails',
    {
      '/functions/v1/push-quotes': {
        status: 500,
        body: { code: 'internal', message: 'Something went wrong.' },
      },
    },
    'function_fails',
    /push-quotes answers 500 \(internal: Something went wrong\.\)/,
  ],
  [
    'that cannot start, and answers no JSON',
    { '/functions/v1/push-quotes': { status: 503, type: 'text/plain', body: 'BOOT_ERROR' } },
    'function_fails',
    /push-quotes answers 503\./,
  ],
  [
    'that is the app’s own',
    { '/functions/v1/push-health': { body: { hello: 'world' } } },
    'function_is_another',
    /push-health is not Supapush's/,
  ],
])('a function %s is found, and nothing else', async (_, answers, code, message) => {
  expect(await look({ ...healthy(), ...answers })).toEqual([
    { code, message: expect.stringMatching(message), cure: expect.any(String) },
  ]);
});

test('a function that is not deployed has the command that deploys it', async () => {
  const { '/functions/v1/push-quotes': _, ...others } = healthy();
  expect(await look(others)).toMatchObject([
    { code: 'function_not_deployed', cure: 'npx supabase functions deploy push-quotes --use-api' },
  ]);
});

test('a project that does not answer is a finding of each function, and no crash', async () => {
  const found = await look({}, { projectUrl: 'http://127.0.0.1:1', publishableKey: undefined });
  expect(found.map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => 'function_unreachable'));
  expect(found[0]?.message).toContain('http://127.0.0.1:1/functions/v1/push-dispatch');
});

test.each<[string, Answers[string], string]>([
  [
    'does not serve public',
    { status: 406, body: { code: 'PGRST106', message: 'Invalid schema: public' } },
    'schema_not_exposed',
  ],
  ['has not seen the migration', { status: 404, body: { code: 'PGRST202', message: 'x' } }, 'api_schema_old'],
  ['refuses the key', { status: 401, body: { message: 'Invalid API key' } }, 'api_refuses'],
  ['is that of another project', { body: JSON.stringify('another key') }, 'project_differs'],
])('a Data API that %s is found', async (_, answer, code) => {
  const answers = { ...healthy(), '/rest/v1/rpc/push_vapid_key': answer };
  expect((await look(answers)).map((finding) => finding.code)).toEqual([code]);
  expect(await look(answers, { publishableKey: undefined })).toEqual([]);
});

test('a Data API that does not answer is a finding', async () => {
  const found = await look({}, { projectUrl: 'http://127.0.0.1:1' });
  expect(found.at(-1)?.code).toBe('api_unreachable');
});
