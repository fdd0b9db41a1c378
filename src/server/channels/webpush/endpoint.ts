/**
 * Whether `endpoint` may be called: its origin is the allowed one, or lies below `https://*.suffix`.
 *
 * The database checked the same when the row was written. This is the second look, by the URL parser that the request
 * will use, so that a string the two read differently is refused instead of called.
 */
export function isAllowedEndpoint(endpoint: string, allowedOrigin: string): boolean {
  // Not URL.parse(), which Node 20 does not have.
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  // A parser that had to repair something (case, default port, other spellings of an address, tabs, dot segments)
  // changes it; browsers give endpoints as their own parser wrote them. Userinfo stays, but not in the origin.
  if (url?.href !== endpoint || !endpoint.startsWith(`${url.origin}/`)) return false;
  const wildcard = 'https://*.';
  if (!allowedOrigin.startsWith(wildcard)) return url.origin === allowedOrigin;
  const suffix = allowedOrigin.slice(wildcard.length - 1);
  if (url.protocol !== 'https:' || url.port !== '' || !url.hostname.endsWith(suffix)) return false;
  // Names alone: URL parsers let empty labels and `*` through.
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(url.hostname.slice(0, -suffix.length));
}
