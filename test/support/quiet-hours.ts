/** Quiet hours as `push_preferences` has them: times are `HH:MM`, weekdays ISO (1 is Monday). */
export interface QuietHours {
  timezone: string;
  quiet_from?: string;
  quiet_until?: string;
  quiet_by_weekday?: Record<string, { from: string; until: string } | null>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a zone show at an instant, as if it were UTC. */
function clockAt(timezone: string, instant: number): number {
  let format = formats.get(timezone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timezone, format);
  }
  const part = Object.fromEntries(
    format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 0, day = 0, hour, minute, second } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const offsets = new Map<string, number>();

/** How far the clocks of a zone are ahead of UTC at a full hour; remembered, because Intl is slow. */
function offsetAt(timezone: string, hour: number): number {
  const key = `${timezone} ${hour}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    offset = clockAt(timezone, hour) - hour;
    offsets.set(key, offset);
  }
  return offset;
}

/** The offsets of a zone around the time that its clocks show, largest first. */
function offsetsAround(timezone: string, clock: number): number[] {
  const found = new Set<number>();
  const start = Math.floor(clock / (12 * HOUR)) * 12 * HOUR;
  for (let near = start - 36 * HOUR; near <= start + 48 * HOUR; near += 12 * HOUR) {
    found.add(offsetAt(timezone, near));
  }
  return [...found].sort((a, b) => b - a);
}

/** From when to when the clocks show this: two instants where they were set back over it. */
function instantsOf(timezone: string, clock: number): { first: number; last: number } {
  const candidates = offsetsAround(timezone, clock).map((offset) => clock - offset);
  const shown = candidates.filter((instant) => clockAt(timezone, instant) === clock);
  const [first, last] = [shown[0], shown.at(-1)];
  if (first !== undefined && last !== undefined) return { first, last };
  // Skipped: what begins then begins with the jump, what ends then ends as if the clocks had not been set.
  let jump = candidates[0] as number;
  while (clockAt(timezone, jump) < clock) jump += MINUTE;
  return { first: jump, last: candidates.at(-1) as number };
}

function minutes(time: string): number {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return (hour * 60 + minute) * MINUTE;
}

/** When the quiet hours around an instant end, with all that adjoin them; null outside of them, Infinity when they never end. */
export function quietUntil(hours: QuietHours, at: Date): Date | number | null {
  const { timezone } = hours;
  const instant = at.getTime();
  const today = Math.floor(clockAt(timezone, instant) / DAY) * DAY;
  const base =
    hours.quiet_from === undefined ? null : { from: hours.quiet_from, until: hours.quiet_until ?? '' };
  const periods: [number, number][] = [];
  for (let day = today - 2 * DAY; day <= today + 11 * DAY; day += DAY) {
    const weekday = String(new Date(day).getUTCDay() || 7);
    const own = hours.quiet_by_weekday?.[weekday];
    const period = own === undefined ? base : own;
    if (period === null) continue;
    const [from, until] = [minutes(period.from), minutes(period.until)];
    periods.push([
      instantsOf(timezone, day + from).first,
      instantsOf(timezone, day + until + (until <= from ? DAY : 0)).last,
    ]);
  }
  let over = instant;
  for (const [from, until] of periods) if (from <= over && until > over) over = until;
  if (over === instant) return null;
  return over - instant >= 8 * DAY ? Number.POSITIVE_INFINITY : new Date(over);
}
