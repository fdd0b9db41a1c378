import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

const header = z.object({ alg: z.literal('HS256') });
const claims = z.object({ exp: z.number(), nbf: z.number().optional() });

/**
 * Whether this is a JWT (RFC 7519) signed with HS256 and this secret that is valid at `now`. A token without an
 * expiry, with another algorithm, or with `alg: none` is not.
 */
export function isUserJwt(token: string, secret: string, now: Date = new Date()): boolean {
  const [head, body, signature, ...rest] = token.split('.');
  if (!head || !body || !signature || rest.length > 0) return false;
  const expected = createHmac('sha256', secret).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
  if (!header.safeParse(decodePart(head)).success) return false;
  const parsed = claims.safeParse(decodePart(body));
  if (!parsed.success) return false;
  const seconds = now.getTime() / 1000;
  return parsed.data.exp > seconds && (parsed.data.nbf ?? 0) <= seconds;
}

/**
 * The keys of before `sb_…`, as functions find them in their environment: tokens of the roles `anon` and `service_role`. The same for
 * the same secret.
 */
export function legacyKeys(
  secret: string,
): Record<'SUPABASE_ANON_KEY' | 'SUPABASE_SERVICE_ROLE_KEY', string> {
  return {
    SUPABASE_ANON_KEY: signRole('anon', secret),
    SUPABASE_SERVICE_ROLE_KEY: signRole('service_role', secret),
  };
}

function signRole(role: string, secret: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const issued = Date.UTC(2026, 0) / 1000;
  const expires = Date.UTC(2046, 0) / 1000;
  const content = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iss: 'supabase', role, iat: issued, exp: expires })}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

function decodePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
