const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/;
const DATE_TIME =
  /^(?<day>\d{4}-\d\d-\d\d)(?:[T ](?<time>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(?<zone>Z|[+-]\d\d:?\d\d)?)?$/;

/** The finite number that stands in an answer, as a JSON number or as text; undefined for everything else. */
export function readQuoteValue(raw: unknown): number | undefined {
  // Not what Number() would take: it finds 0 in '' and in null, and reads 0x10.
  const value = typeof raw === 'string' && DECIMAL.test(raw.trim()) ? Number(raw.trim()) : raw;
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/**
 * The moment that stands in an answer: seconds, milliseconds, microseconds or nanoseconds since 1970 by their size, or
 * ISO 8601, in `timezone` (IANA) where it names no zone. Undefined for everything else.
 */
export function readQuoteTime(raw: unknown, timezone: string): Date | undefined {
  const seconds = readQuoteValue(raw);
  if (seconds !== undefined) return seconds > 0 ? validDate(toMilliseconds(seconds)) : undefined;
  const found = typeof raw === 'string' ? DATE_TIME.exec(raw.trim())?.groups : undefined;
  if (!found) return undefined;
  const { day, time = '00:00', zone } = found;
  const asUtc = Date.parse(`${day}T${time}${zone ?? 'Z'}`);
  // Date.parse takes 2026-02-30 for a day in March.
  if (Number.isNaN(asUtc) || new Date(`${day}T00:00Z`).toISOString().slice(0, 10) !== day) return undefined;
  return validDate(zone === undefined ? fromLocal(asUtc, timezone) : asUtc);
}

function toMilliseconds(value: number): number {
  if (value < 1e11) return value * 1e3;
  if (value < 1e14) return value;
  return value < 1e17 ? value / 1e3 : value / 1e6;
}

function validDate(milliseconds: number): Date | undefined {
  const date = new Date(milliseconds);
  // What has other years is written as Postgres does not read it, and would take the whole answer with it. Such as the first
  // moment of the year 1, which stands for "never", in a timezone east of Greenwich.
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 ? date : undefined;
}

/** The moment at which clocks in `timezone` show what clocks in UTC show at `shown`. */
function fromLocal(shown: number, timezone: string): number {
  if (timezone === 'UTC') return shown;
  // Twice: the offset at the first guess may be that of the other side of a clock change.
  const guess = shown - offsetAt(shown, timezone);
  return shown - offsetAt(guess, timezone);
}

function offsetAt(moment: number, timezone: string): number {
  const second = Math.floor(moment / 1000) * 1000;
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(second);
  const part = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((found) => found.type === type)?.value);
  const shown = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return shown - second;
}
