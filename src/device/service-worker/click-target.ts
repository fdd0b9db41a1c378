const MAX_URL_LENGTH = 2048;

/**
 * Where a click may lead: an absolute URL of the app's own origin or one of `allowOrigins`, or null.
 *
 * `scope` is the URL of the worker's scope, which paths are resolved against. A push message has passed the database's own
 * check, but an attacker who has the VAPID key and an endpoint can send one too; a click must not lead to a URL of theirs.
 */
export function clickTarget(
  wanted: unknown,
  scope: string,
  allowOrigins: readonly string[] = [],
): string | null {
  if (typeof wanted !== 'string' || wanted === '' || wanted.length > MAX_URL_LENGTH) return null;
  // Parsers drop tabs and line feeds and read backslashes as slashes: `/\t/evil.example` would be another host.
  if (/[\s\\\p{Cc}]/u.test(wanted) || wanted.startsWith('//')) return null;
  const target = parseUrl(wanted, scope);
  if (target === null || !/^https?:$/.test(target.protocol)) return null;
  if (target.username !== '' || target.password !== '') return null;
  // `/a/..//evil.example` is a path of ours with the pathname `//evil.example`: another host for a router that resolves it again.
  if (target.pathname.startsWith('//')) return null;
  const origins = [scope, ...allowOrigins].map((url) => parseUrl(url)?.origin);
  return origins.includes(target.origin) ? target.href : null;
}

function parseUrl(url: string, base?: string): URL | null {
  try {
    return new URL(url, base);
  } catch {
    return null;
  }
}
