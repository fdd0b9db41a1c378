const UNITS: Record<string, number> = { day: 1440, mon: 43_200, hour: 60, min: 1, sec: 1 / 60 };
const NAMED = /(-?\d+(?:\.\d+)?) (day|mon|hour|min|sec)\w*/g;
const CLOCK = /(?:^| )(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?$/;

/** The minutes of an interval as Postgres writes it, such as `1 day 02:00:00`; a month has 30 days. */
export function intervalMinutes(interval: string): number {
  let minutes = 0;
  for (const [, count, unit = ''] of interval.matchAll(NAMED)) minutes += Number(count) * (UNITS[unit] ?? 0);
  const clock = CLOCK.exec(interval);
  if (clock) minutes += Number(clock[1]) * 60 + Number(clock[2]) + Number(clock[3] ?? 0) / 60;
  return minutes;
}
