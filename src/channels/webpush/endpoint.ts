/**
 * Whether `endpoint` may be called: its origin is the allowed one, or lies below `https://*.suffix`.
 *
 * The database checked the same when the row was written. This is the second look, by the URL parser that the request
 * will use, so that a string the two read differently is refused instead of called.
 */
export function isAllowedEndpoint(endpoint: string, allowedOrigin: string): boolean {
  const url = URL.parse(endpoint);
  // A parser that had to repair the authority (case, default port, userinfo, other spellings of an address) changes it.
  if (url === null || !endpoint.startsWith(`${url.origin}/`)) return false;
  const wildcard = 'https://*.';
  if (!allowedOrigin.startsWith(wildcard)) return url.origin === allowedOrigin;
  return (
    url.protocol === 'https:' &&
    url.port === '' &&
    url.hostname.endsWith(allowedOrigin.slice(wildcard.length - 1))
  );
}
