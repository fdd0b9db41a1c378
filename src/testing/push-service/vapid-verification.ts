import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { parseApplicationServerKey } from './application-server-key.ts';
import { REFUSALS, type Refusal } from './refusal.ts';

/** The sender's public key (base64url, no padding), or why its credentials are refused. */
export type VapidVerdict = { readonly key: string } | Refusal;

/** Judges an Authorization header; `restrictedTo` is the key the subscription was made for, if any. */
export type VapidVerifier = (authorization: string | undefined, restrictedTo: string | null) => VapidVerdict;

const DAY_SECONDS = 24 * 60 * 60;
/**
 * Senders reuse tokens, so few are live at once; the bound only keeps a sender that does not from growing it.
 */
const CACHE_LIMIT = 1000;

const headerShape = z.object({ alg: z.literal('ES256') });
const claimsShape = z.object({ aud: z.unknown(), exp: z.number(), sub: z.unknown() });
type Claims = z.infer<typeof claimsShape>;

/**
 * Makes a verifier of `vapid t=…, k=…` (RFC 8292) for the push service at `origin`: ES256 signature by k,
 * `aud` equal to the origin, `exp` in the future and at most 24 hours away, `sub` a mailto: or https: URI,
 * and k equal to the key the subscription is restricted to. Signatures are verified once per token; time,
 * every time.
 */
export function createVapidVerifier(origin: string, now: () => number): VapidVerifier {
  const signedClaims = new Map<string, Claims>();
  const publicKeys = new Map<string, KeyObject>();

  return (authorization, restrictedTo) => {
    if (authorization === undefined) return REFUSALS.noAuthorization;
    const credentials = readCredentials(authorization);
    if (!credentials) return REFUSALS.malformedAuthorization;
    const { token, key } = credentials;

    const cacheKey = `${token} ${key}`;
    let claims = signedClaims.get(cacheKey);
    if (!claims) {
      const publicKey = publicKeys.get(key) ?? importKey(key);
      if (!publicKey) return REFUSALS.invalidKey;
      remember(publicKeys, key, publicKey);
      const read = readToken(token, publicKey);
      if ('status' in read) return read;
      claims = read;
      remember(signedClaims, cacheKey, claims);
    }

    const seconds = now() / 1000;
    if (claims.aud !== origin) return REFUSALS.wrongAudience;
    if (claims.exp <= seconds) return REFUSALS.expiredToken;
    if (claims.exp > seconds + DAY_SECONDS) return REFUSALS.tokenTooLong;
    if (!isContact(claims.sub)) return REFUSALS.invalidSubject;
    if (restrictedTo !== null && key !== restrictedTo) return REFUSALS.wrongKey;
    return { key };
  };
}

function readCredentials(authorization: string): { token: string; key: string } | undefined {
  const parameters = /^vapid +(.*)$/i.exec(authorization)?.[1];
  if (parameters === undefined) return undefined;
  const values = new Map<string, string>();
  for (const part of parameters.split(',')) {
    const [, name, value] = /^\s*([a-z]+)\s*=\s*"?([A-Za-z0-9._-]+)"?\s*$/i.exec(part) ?? [];
    if (name === undefined || value === undefined) return undefined;
    values.set(name.toLowerCase(), value);
  }
  const token = values.get('t');
  const key = values.get('k');
  return token !== undefined && key !== undefined ? { token, key } : undefined;
}

function importKey(key: string): KeyObject | undefined {
  try {
    const point = Buffer.from(parseApplicationServerKey(key), 'base64url');
    return createPublicKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: 'P-256',
        x: point.subarray(1, 33).toString('base64url'),
        y: point.subarray(33).toString('base64url'),
      },
    });
  } catch {
    return undefined;
  }
}

function readToken(token: string, publicKey: KeyObject): Claims | Refusal {
  const [header, payload, signature, ...rest] = token.split('.');
  if (!header || !payload || !signature || rest.length > 0) return REFUSALS.invalidToken;
  if (!headerShape.safeParse(parseSegment(header)).success) return REFUSALS.invalidToken;
  const claims = claimsShape.safeParse(parseSegment(payload));
  if (!claims.success) return REFUSALS.invalidToken;
  const signed = verify(
    'sha256',
    Buffer.from(`${header}.${payload}`),
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
  return signed ? claims.data : REFUSALS.invalidSignature;
}

function parseSegment(segment: string): unknown {
  try {
    return JSON.parse(Buffer.from(segment, 'base64url').toString());
  } catch {
    return undefined;
  }
}

function isContact(subject: unknown): boolean {
  if (typeof subject !== 'string') return false;
  return (
    /^mailto:[^\s@]+@[^\s@]+$/.test(subject) || (subject.startsWith('https://') && URL.canParse(subject))
  );
}

function remember<T>(cache: Map<string, T>, key: string, value: T): void {
  if (cache.size >= CACHE_LIMIT) cache.clear();
  cache.set(key, value);
}
