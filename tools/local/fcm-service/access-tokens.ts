import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { z } from 'zod';
import type { ServiceAccountFile } from './local-service-account.ts';

/** An answer of Google's token endpoint: tokens, or an error of RFC 6749 section 5.2. */
export type TokenAnswer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

/** Gives access tokens for signed assertions, and knows which of them still hold. */
export type AccessTokenIssuer = {
  /** @param form the body of `POST /token`, `application/x-www-form-urlencoded` */
  exchange(form: string): TokenAnswer;
  /** Whether an Authorization header carries a token that holds. */
  accepts(authorization: string | undefined): boolean;
  /** Ends every token given so far. */
  revokeAll(): void;
};

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPES = [
  'https://www.googleapis.com/auth/firebase.messaging',
  'https://www.googleapis.com/auth/cloud-platform',
];
const HOUR = 3600;
// Google allows for clocks that differ.
const LEEWAY_SECONDS = 300;

const headerShape = z.object({ alg: z.literal('RS256'), typ: z.literal('JWT').optional() });
const claimsShape = z.object({
  iss: z.string(),
  scope: z.string(),
  aud: z.string(),
  iat: z.number(),
  exp: z.number(),
});

/**
 * Exchanges assertions of one service account for access tokens (RFC 7523): signed with RS256 by its key, issued by it
 * for this endpoint, for at most an hour, with the right to send messages.
 */
export function createAccessTokenIssuer(
  account: ServiceAccountFile,
  { now, lifetimeSeconds }: { now: () => number; lifetimeSeconds: number },
): AccessTokenIssuer {
  const publicKey = createPublicKey(account.private_key);
  const expiries = new Map<string, number>();

  const problemOf = (assertion: string): [error: string, description: string] | undefined => {
    const [header, payload, signature, ...rest] = assertion.split('.');
    if (!header || !payload || !signature || rest.length > 0)
      return ['invalid_grant', 'Malformed assertion.'];
    const claims = claimsShape.safeParse(parseSegment(payload));
    if (!headerShape.safeParse(parseSegment(header)).success || !claims.success) {
      return ['invalid_grant', 'Malformed assertion.'];
    }
    const signed = Buffer.from(`${header}.${payload}`);
    if (!verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))) {
      return ['invalid_grant', 'Invalid JWT Signature.'];
    }
    const { iss, scope, aud, iat, exp } = claims.data;
    if (iss !== account.client_email) return ['invalid_grant', 'Invalid grant: account not found'];
    if (aud !== account.token_uri) return ['invalid_grant', 'Invalid JWT: wrong audience.'];
    const seconds = now() / 1000;
    if (exp - iat > HOUR || exp <= seconds || iat > seconds + LEEWAY_SECONDS) {
      return [
        'invalid_grant',
        'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.',
      ];
    }
    if (!scope.split(' ').some((each) => SCOPES.includes(each))) {
      return ['invalid_scope', 'No right to send messages was asked for.'];
    }
    return undefined;
  };

  return {
    exchange(form) {
      const parameters = new URLSearchParams(form);
      if (parameters.get('grant_type') !== GRANT_TYPE)
        return refusal('unsupported_grant_type', 'Invalid grant_type.');
      const problem = problemOf(parameters.get('assertion') ?? '');
      if (problem) return refusal(...problem);
      const token = `ya29.${randomBytes(32).toString('base64url')}`;
      expiries.set(token, now() + lifetimeSeconds * 1000);
      return {
        status: 200,
        body: { access_token: token, expires_in: lifetimeSeconds, token_type: 'Bearer' },
      };
    },
    accepts(authorization) {
      const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
      return token !== undefined && (expiries.get(token) ?? 0) > now();
    },
    revokeAll: () => expiries.clear(),
  };
}

function refusal(error: string, description: string): TokenAnswer {
  return { status: 400, body: { error, error_description: description } };
}

function parseSegment(segment: string): unknown {
  try {
    return JSON.parse(Buffer.from(segment, 'base64url').toString());
  } catch {
    return undefined;
  }
}
