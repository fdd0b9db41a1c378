/** A clock that follows the servers'. */
export interface ServerClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Compares itself with what an answer says of the time (`Date`, RFC 9110 section 6.6.1). */
  observe(headers: Headers): void;
}

// `Date` has seconds, and an answer may take a while. Less than this is no clock that is wrong.
const TOLERANCE_MS = 30_000;

/**
 * A clock for what other servers check: signatures that expire, dates. It is the machine's own clock until an answer of the
 * Data API shows that this is off. Then it is corrected by the difference, and corrected anew when the machine's clock is set.
 */
export function createServerClock(own: () => number = () => Date.now()): ServerClock {
  let correction = 0;
  const now = () => own() + correction;
  return {
    now,
    observe(headers) {
      const off = Date.parse(headers.get('date') ?? '') - now();
      // Without a date this is not a number, and not greater than anything.
      if (Math.abs(off) > TOLERANCE_MS) correction += off;
    },
  };
}
