import { SupapushError } from '../shared/errors.ts';

/**
 * A connection string that the driver can read. A password that was pasted as it is, with %, #, @, / or ? in it, is
 * percent-encoded; what is a URL already stays as it is. Throws `usage`, which never shows the password, unless it is one of
 * Postgres.
 */
export function databaseUrlOf(given: string): string {
  if (isReadable(given)) return given;
  // The last @ ends the password: a host has none.
  const [, scheme, user, password, rest] =
    /^(postgres(?:ql)?:\/\/)([^:@]*)(?::(.*))?@([^@]*)$/s.exec(given) ?? [];
  if (scheme !== undefined && user !== undefined && rest !== undefined) {
    const url = `${scheme}${encoded(user)}${password === undefined ? '' : `:${encoded(password)}`}@${rest}`;
    if (isReadable(url)) return url;
  }
  throw new SupapushError(
    'usage',
    'The database URL must look like postgresql://user:password@host:5432/postgres.',
  );
}

function isReadable(text: string): boolean {
  // Not URL.parse(), which Node 20 does not have.
  const url = /^postgres(ql)?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : null;
  if (url === null) return false;
  // With 12/x for a password, the user would be the host, and 12 its port.
  if (url.username === '' && text.includes('@')) return false;
  return decoded(url.username) !== null && decoded(url.password) !== null;
}

/** Encoded once, whether it was or not. */
function encoded(part: string): string {
  return encodeURIComponent(decoded(part) ?? part);
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
