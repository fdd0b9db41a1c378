import { signVapid, type VapidSigner } from './vapid-keys.ts';

// RFC 8292 allows 24 h; half of it leaves room for clocks that differ, and a token is renewed an hour before its end.
const LIFETIME_SECONDS = 12 * 60 * 60;
const RENEW_BEFORE_SECONDS = 60 * 60;
// There are a few dozen origins; a subscription may name any below an allowed suffix, and must not fill the memory.
const MAX_ORIGINS = 1000;

/**
 * Hands out one `Authorization` header per origin, the same one until well before it expires: services ask for that,
 * and a signature costs as much as the encryption.
 *
 * @param now milliseconds since the epoch
 */
export function createVapidAuthorization(
  signer: VapidSigner,
  now: () => number = Date.now,
): (origin: string) => Promise<string> {
  const tokens = new Map<string, { header: Promise<string>; expires: number }>();
  return (origin) => {
    const seconds = Math.floor(now() / 1000);
    const cached = tokens.get(origin);
    if (cached !== undefined && cached.expires - RENEW_BEFORE_SECONDS > seconds) return cached.header;
    const expires = seconds + LIFETIME_SECONDS;
    const header = signVapid(signer, origin, expires);
    if (tokens.size >= MAX_ORIGINS) tokens.clear();
    tokens.set(origin, { header, expires });
    return header;
  };
}
