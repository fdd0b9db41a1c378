/** Seconds a `Retry-After` header asks for, given as seconds or as an HTTP date (RFC 9110 section 10.2.3); null without one. */
export function retryAfterSeconds(header: string | null, now: number): number | null {
  if (header === null) return null;
  const value = header.trim();
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const date = parseHttpDate(value);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000));
}

/**
 * The `Retry-After` of an answer, in seconds where the answer also says what time it is: a date of the server's is only
 * as good as its clock, and its distance from its own `Date` is right whatever that clock shows.
 */
export function readRetryAfter(headers: Headers): string | null {
  const header = headers.get('retry-after');
  const answered = parseHttpDate(headers.get('date') ?? '');
  if (Number.isNaN(answered)) return header;
  return retryAfterSeconds(header, answered)?.toString() ?? null;
}

function parseHttpDate(value: string): number {
  // Engines read a date into almost anything with a number in it; all three formats of RFC 9110 begin with the weekday.
  return /^(mon|tue|wed|thu|fri|sat|sun)/i.test(value) ? Date.parse(value) : Number.NaN;
}
