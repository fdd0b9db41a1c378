import { z } from 'zod';
import { parseJson } from '../../../shared/parse-json.ts';
import type { Outcome } from '../channel.ts';
import { postRequest } from '../post-request.ts';
import { retryAfterSeconds } from '../retry-after.ts';
import { signToken } from '../signed-token.ts';
import { storableText } from '../storable-text.ts';
import type { ServiceAccount } from './service-account.ts';

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ASSERTION_SECONDS = 3600;
// Tokens live for an hour. One that may end while a message is on its way is not used any more.
const RENEW_BEFORE_MS = 5 * 60_000;
// For this long a failure answers every caller, so that 200 deliveries do not make 200 more requests.
const FAILURE_KEPT_MS = 5_000;
// A token made to replace a refused one is not replaced again so soon: then it is not the token that is wrong.
const RENEWAL_PAUSE_MS = 60_000;

/** An OAuth access token, or the outcome of every delivery that needed one. */
export type AccessTokenResult = { token: string } | { problem: Outcome };

/** The access token of a service account, shared by all deliveries. */
export interface AccessTokens {
  /** The current token; a new one when it is about to expire. */
  get(): Promise<AccessTokenResult>;
  /** Another one for a token that was refused with 401; null when there is no sense in trying one. */
  replace(refused: string): Promise<AccessTokenResult | null>;
}

const answerShape = z.object({
  access_token: z.string().regex(/^[!-~]+$/),
  expires_in: z.number().positive(),
  token_type: z.string().regex(/^bearer$/i),
});
const errorShape = z.object({ error: z.string(), error_description: z.string().optional() });

/**
 * Exchanges a signed assertion for an access token (RFC 7523, Google's "OAuth 2.0 for server to server applications")
 * and keeps it until shortly before it expires. However many ask at the same time, one request is made.
 *
 * @param now milliseconds since the epoch
 */
export function createAccessTokens(
  account: ServiceAccount,
  { timeoutMs, now }: { timeoutMs: number; now: () => number },
): AccessTokens {
  let current: { result: AccessTokenResult; usableFrom: number; usableUntil: number } | undefined;
  let pending: Promise<AccessTokenResult> | undefined;
  let replacedAt = Number.NEGATIVE_INFINITY;

  const fetchToken = async (): Promise<AccessTokenResult> => {
    const asked = now();
    const { result, lifetimeMs } = await requestToken(account, timeoutMs, asked);
    current = {
      result,
      usableFrom: asked,
      usableUntil:
        'token' in result
          ? asked + lifetimeMs - Math.min(RENEW_BEFORE_MS, lifetimeMs / 2)
          : now() + FAILURE_KEPT_MS,
    };
    return result;
  };

  const get = (): Promise<AccessTokenResult> => {
    const time = now();
    // A token from the future was kept before the clock was set back: its age is unknown.
    if (current !== undefined && time >= current.usableFrom && time < current.usableUntil) {
      return Promise.resolve(current.result);
    }
    pending ??= fetchToken().finally(() => {
      pending = undefined;
    });
    return pending;
  };

  return {
    get,
    async replace(refused) {
      // Another delivery may have replaced it meanwhile.
      if (current !== undefined && 'token' in current.result && current.result.token === refused) {
        const time = now();
        if (time >= replacedAt && time - replacedAt < RENEWAL_PAUSE_MS) return null;
        replacedAt = time;
        current = undefined;
      }
      return get();
    },
  };
}

async function requestToken(
  account: ServiceAccount,
  timeoutMs: number,
  now: number,
): Promise<{ result: AccessTokenResult; lifetimeMs: number }> {
  const assertion = await signAssertion(account, Math.floor(now / 1000));
  const answer = await postRequest(
    account.tokenUri,
    {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: GRANT_TYPE, assertion }).toString(),
    },
    { timeoutMs, secrets: [assertion] },
  );
  // The status belongs to Google's sign-in and not to the push service: outcomes carry none.
  const retry = (code: string, message: string, retryAfter: string | null): AccessTokenResult => ({
    problem: {
      outcome: 'retry',
      status: null,
      code,
      message: `No access token from ${account.tokenUri}: ${message}`,
      retryAfterSeconds: retryAfterSeconds(retryAfter, now),
    },
  });
  const failed = (result: AccessTokenResult) => ({ result, lifetimeMs: 0 });
  if (answer.status === null) return failed(retry(answer.code, answer.message, null));

  const body = parseJson(answer.body);
  const granted = answerShape.safeParse(body);
  if (answer.status === 200 && granted.success) {
    return { result: { token: granted.data.access_token }, lifetimeMs: granted.data.expires_in * 1000 };
  }
  // The body of a refusal is quoted from two known fields only: nothing says that another holds no secret.
  const refusal = errorShape.safeParse(body).data;
  const said = [refusal?.error, refusal?.error_description].filter((part) => part !== undefined).join(': ');
  const message = storableText(`${answer.status} ${said.slice(0, 200)}`, [assertion]).trim();
  if (answer.status === 200 || answer.status === 429 || answer.status >= 500) {
    return failed(retry('fcm_sign_in_unavailable', message, answer.retryAfter));
  }
  return failed({
    problem: {
      outcome: 'misconfigured',
      status: null,
      code: 'fcm_account_refused',
      message: `Google does not accept the service account ${account.clientEmail}: ${message}`,
    },
  });
}

/** A token by which the service account asks for the right to send messages (RFC 7523). */
function signAssertion(account: ServiceAccount, issuedAt: number): Promise<string> {
  const claims = {
    iss: account.clientEmail,
    scope: SCOPE,
    aud: account.tokenUri,
    iat: issuedAt,
    exp: issuedAt + ASSERTION_SECONDS,
  };
  const header = account.privateKeyId === undefined ? {} : { kid: account.privateKeyId };
  return signToken('RS256', account.privateKey, claims, header);
}
