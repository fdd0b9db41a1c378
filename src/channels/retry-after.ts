/** Seconds a `Retry-After` header asks for, given as seconds or as an HTTP date (RFC 9110 section 10.2.3); null without one. */
export function retryAfterSeconds(header: string | null, now: number): number | null {
  if (header === null) return null;
  const value = header.trim();
  if (/^\d{1,9}$/.test(value)) return Number(value);
  // Engines read a date into almost anything with a number in it; all three formats of RFC 9110 begin with the weekday.
  const date = /^(mon|tue|wed|thu|fri|sat|sun)/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000));
}
