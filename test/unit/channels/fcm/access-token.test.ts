import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AccessTokens, createAccessTokens } from '../../../../src/server/channels/fcm/access-token.ts';
import { importServiceAccount } from '../../../../src/server/channels/fcm/service-account.ts';
import { type FcmService, startFcmService } from '../../../../tools/local/fcm-service/fcm-service.ts';
import { createServiceAccountKey } from '../../../../tools/local/fcm-service/local-service-account.ts';

const START = Date.UTC(2027, 0, 15);
const PRIVATE_KEY = createServiceAccountKey();

let clock: number;
let fcm: FcmService;
let tokens: AccessTokens;

async function tokensOf(changes: Record<string, unknown> = {}): Promise<AccessTokens> {
  const account = await importServiceAccount(JSON.stringify({ ...fcm.serviceAccount, ...changes }));
  return createAccessTokens(account, { timeoutMs: 2_000, now: () => clock });
}

beforeEach(async () => {
  clock = START;
  fcm = await startFcmService({ privateKey: PRIVATE_KEY, now: () => clock });
  tokens = await tokensOf();
});
afterEach(() => fcm.stop());

const signIns = () => fcm.received.length;

async function tokenOf(result: Awaited<ReturnType<AccessTokens['replace']>>): Promise<string> {
  if (result === null || 'problem' in result) throw new Error(`No token: ${JSON.stringify(result)}`);
  return result.token;
}

test('an assertion that Google would accept is exchanged for a token', async () => {
  expect(await tokenOf(await tokens.get())).toMatch(/^ya29\./);
  expect(fcm.received).toMatchObject([{ kind: 'sign-in', status: 200 }]);
});

test('a hundred senders at once share one request, and those after them its token', async () => {
  const results = await Promise.all(Array.from({ length: 100 }, async () => tokenOf(await tokens.get())));
  expect(new Set(results).size).toBe(1);
  clock += 54 * 60_000;
  expect(await tokenOf(await tokens.get())).toBe(results[0]);
  expect(signIns()).toBe(1);
});

test('a token is replaced before it expires', async () => {
  const first = await tokenOf(await tokens.get());
  clock += 55 * 60_000;
  const second = await tokenOf(await tokens.get());
  expect(second).not.toBe(first);
  expect(signIns()).toBe(2);
});

test('a token that lives for a minute is used for half of it', async () => {
  await fcm.stop();
  fcm = await startFcmService({ privateKey: PRIVATE_KEY, now: () => clock, tokenLifetimeSeconds: 60 });
  tokens = await tokensOf();
  const first = await tokenOf(await tokens.get());
  clock += 29_000;
  expect(await tokenOf(await tokens.get())).toBe(first);
  clock += 1_000;
  expect(await tokenOf(await tokens.get())).not.toBe(first);
});

test('however many senders are refused with one token, it is replaced once', async () => {
  const refused = await tokenOf(await tokens.get());
  const others = await Promise.all(
    Array.from({ length: 50 }, async () => tokenOf(await tokens.replace(refused))),
  );
  expect(new Set(others).size).toBe(1);
  expect(others[0]).not.toBe(refused);
  expect(await tokenOf(await tokens.replace(refused))).toBe(others[0]);
  expect(signIns()).toBe(2);
});

test('a token that was just made in place of another is not replaced: then it is not the token', async () => {
  const other = await tokenOf(await tokens.replace(await tokenOf(await tokens.get())));
  expect(await tokens.replace(other)).toBeNull();
  expect(signIns()).toBe(2);
  clock += 60_000;
  expect(await tokenOf(await tokens.replace(other))).not.toBe(other);
});

test.each([
  ["a key that is not the account's", { private_key: createServiceAccountKey() }, /Invalid JWT Signature/],
  ['an account that does not exist', { client_email: 'nobody@example.com' }, /account not found/],
])('%s is our own fault, and says so without a secret', async (_what, changes, message) => {
  const result = await (await tokensOf(changes)).get();
  expect(result).toMatchObject({
    problem: {
      outcome: 'misconfigured',
      status: null,
      code: 'fcm_account_refused',
      message: expect.stringMatching(message),
    },
  });
  expect(JSON.stringify(result)).not.toMatch(/eyJ|PRIVATE KEY/);
});

test('a clock that is hours off is our own fault', async () => {
  const account = await importServiceAccount(JSON.stringify(fcm.serviceAccount));
  const late = createAccessTokens(account, { timeoutMs: 2_000, now: () => START - 2 * 3_600_000 });
  expect(await late.get()).toMatchObject({ problem: { outcome: 'misconfigured' } });
});

test('a failure that a clock a day ahead kept is not the answer for a day after it was put right', async () => {
  fcm.scriptSignIn({ kind: 'status', status: 500, times: 1 });
  clock = START + 24 * 3_600_000;
  expect(await tokens.get()).toHaveProperty('problem');
  clock = START;
  await tokenOf(await tokens.get());
});

test('a token that a clock a day ahead replaced can be replaced again after it was put right', async () => {
  clock = START + 24 * 3_600_000;
  const other = await tokenOf(await tokens.replace(await tokenOf(await tokens.get())));
  clock = START;
  expect(await tokenOf(await tokens.replace(other))).not.toBe(other);
});

test.each([
  [{ kind: 'status', status: 503, retryAfter: 30 }, 'fcm_sign_in_unavailable', 30],
  [{ kind: 'status', status: 429 }, 'fcm_sign_in_unavailable', null],
  [{ kind: 'status', status: 200, body: 'surprise' }, 'fcm_sign_in_unavailable', null],
  [{ kind: 'reset', times: 2 }, 'network_error', null],
] as const)('%o is tried again later', async (answer, code, retryAfterSeconds) => {
  fcm.scriptSignIn(answer);
  expect(await tokens.get()).toMatchObject({
    problem: { outcome: 'retry', status: null, code, retryAfterSeconds },
  });
});

test('no answer in time is tried again later', async () => {
  const account = await importServiceAccount(JSON.stringify(fcm.serviceAccount));
  fcm.scriptSignIn({ kind: 'hang' });
  const hasty = createAccessTokens(account, { timeoutMs: 50, now: () => clock });
  expect(await hasty.get()).toMatchObject({ problem: { outcome: 'retry', code: 'timed_out' } });
});

test('a failure is the answer to everybody for five seconds, and no longer', async () => {
  fcm.scriptSignIn({ kind: 'status', status: 500, times: 1 });
  for (let sender = 0; sender < 20; sender += 1) expect(await tokens.get()).toHaveProperty('problem');
  expect(signIns()).toBe(1);
  clock += 5_000;
  await tokenOf(await tokens.get());
  expect(signIns()).toBe(2);
});

test('a redirect of the sign-in is not followed', async () => {
  fcm.scriptSignIn({ kind: 'redirect', location: `${fcm.serviceAccount.token_uri}?again`, status: 307 });
  expect(await tokens.get()).toHaveProperty('problem');
  expect(signIns()).toBe(1);
});
