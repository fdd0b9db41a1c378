// Shorter runs are words; the tokens of endpoints and keys have at least 22 such characters.
const TOKEN = /[\w-]{12,}/g;

/**
 * What a push service or the runtime said, as it may be stored and logged.
 *
 * Secrets are taken out token by token, so that one which is quoted escaped, percent-encoded or in part does not get
 * through: an endpoint is a capability (RFC 8030 section 8.3), and services and HTTP clients quote it in their errors.
 * Control characters and half surrogate pairs go as well: PostgreSQL refuses them, and with them a whole batch of reports.
 */
export function storableText(text: string, secrets: readonly string[] = []): string {
  const tokens = secrets.flatMap((secret) => [secret, decodePercent(secret)]);
  const hidden = new Set(tokens.flatMap((secret) => secret.match(TOKEN) ?? []));
  let storable = text;
  // The longest first: one may be the beginning of another.
  for (const token of [...hidden].sort((a, b) => b.length - a.length)) {
    storable = storable.replaceAll(token, '…');
  }
  return storable.replace(/\p{Cc}+/gu, ' ').toWellFormed();
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
