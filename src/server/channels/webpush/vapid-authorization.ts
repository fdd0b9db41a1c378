import { signVapid, type VapidSigner } from './vapid-keys.ts';

// RFC 8292 allows 24 h; half of it leaves room for clocks that differ, and a token is renewed an hour before its end.
const LIFETIME_SECONDS = 12 * 60 * 60;
const RENEW_BEFORE_SECONDS = 60 * 60;
// A token that lives longer than this was made by a clock that has been set back since; services refuse more than 24 h.
const LONGEST_SECONDS = LIFETIME_SECONDS + 10 * 60;
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
    const left = cached === undefined ? 0 : cached.expires - seconds;
    if (cached !== undefined && left > RENEW_BEFORE_SECONDS && left <= LONGEST_SECONDS) return cached.header;
    const expires = seconds + LIFETIME_SECONDS;
    const header = signVapid(signer, origin, expires);
    if (tokens.size >= MAX_ORIGINS) tokens.clear();
    tokens.set(origin, { header, expires });
    return header;
  };
}
