// RFC 6761, RFC 6762, RFC 8375 and what networks at home and at work use: never on the internet.
const NOT_PUBLIC =
  /(^|\.)(localhost|local|localdomain|invalid|test|internal|intranet|lan|home|corp|home\.arpa)$/;
const HINT = 'Give mailto:you@example.com, or an https: URL of yours';

/**
 * What keeps push services from taking this as the contact of RFC 8292 section 2.1, or null. Apple's answers 403 BadJwtToken
 * to every message signed with what is neither a mailto: nor an https: URL, or leads to a name that is not public.
 *
 * The sentence begins with a verb and does not repeat the subject.
 */
export function subjectFault(subject: string): string | null {
  if (/[\s\p{Cc}]/u.test(subject)) return `must not have spaces or line breaks. ${HINT}`;
  if (/^mailto:mailto:/i.test(subject)) return `must say mailto: once. ${HINT}`;
  const [, host] = /^mailto:[^@:]+@([^@?]+)(?:\?.*)?$/.exec(subject) ?? [];
  if (host !== undefined) return hostFault(host);
  // Not URL.parse(): the command `secrets` runs on Node 20 as well, which does not have it.
  const url = subject.startsWith('https://') && URL.canParse(subject) ? new URL(subject) : null;
  if (url === null) return `must be a mailto: or https: URL. ${HINT}`;
  return hostFault(url.hostname);
}

function hostFault(given: string): string | null {
  const host = given.toLowerCase();
  if (NOT_PUBLIC.test(host))
    return `must not lead to localhost, .local, .test, .invalid or another name that is not public. ${HINT}`;
  if (host.startsWith('[') || /^[\d.]+$/.test(host)) return `must have a name, and no address. ${HINT}`;
  // Labels that are not empty, at least two; letters of any language, as an IDN has them.
  if (!/^([\p{L}\p{N}_-]+\.)+[\p{L}\p{N}-]+$/u.test(host))
    return `must have a whole domain name, such as example.com. ${HINT}`;
  return null;
}
