/** When a job of pg_cron runs: every so many seconds, or in the minutes that match five fields. */
export type Schedule =
  | { kind: 'interval'; seconds: number }
  | {
      kind: 'cron';
      minutes: ReadonlySet<number>;
      hours: ReadonlySet<number>;
      daysOfMonth: ReadonlySet<number>;
      lastDayOfMonth: boolean;
      months: ReadonlySet<number>;
      daysOfWeek: ReadonlySet<number>;
      /** The minute or hour field starts with `*`: after a jump of the clock such a job runs once, not per minute. */
      isWildcard: boolean;
      /** A day field starts with `*`: then both must match, else either will do. */
      needsBothDays: boolean;
    };

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const ITEM = /^(?:(?<all>\*)|(?<from>[a-z]+|\d{1,2})(?:-(?<to>[a-z]+|\d{1,2}))?)(?:\/(?<step>\d{1,2}))?$/;

/**
 * Reads `'N seconds'` (1 to 59, exactly that spelling) or five cron fields as crontab(5) has them, with `$` for the
 * last day of a month; undefined if it is neither. The same rules stand in pg_cron--1.6.4.sql.
 */
export function parseSchedule(text: string): Schedule | undefined {
  const interval = /^([1-9]\d?) seconds$/.exec(text);
  if (interval) {
    const seconds = Number(interval[1]);
    return seconds < 60 ? { kind: 'interval', seconds } : undefined;
  }
  const fields = text.split(/[ \t]+/);
  if (fields.length !== 5) return undefined;
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields;
  const minutes = parseField(minute, 0, 59);
  const hours = parseField(hour, 0, 23);
  const daysOfMonth = day === '$' ? new Set<number>() : parseField(day, 1, 31);
  const months = parseField(month, 1, 12, MONTHS);
  const daysOfWeek = parseField(weekday, 0, 7, WEEKDAYS);
  if (!minutes || !hours || !daysOfMonth || !months || !daysOfWeek) return undefined;
  // Sunday is 0 and 7.
  if (daysOfWeek.has(7)) daysOfWeek.add(0);
  return {
    kind: 'cron',
    minutes,
    hours,
    daysOfMonth,
    lastDayOfMonth: day === '$',
    months,
    daysOfWeek,
    isWildcard: minute.startsWith('*') || hour.startsWith('*'),
    needsBothDays: day.startsWith('*') || weekday.startsWith('*'),
  };
}

function parseField(field: string, low: number, high: number, names: string[] = []): Set<number> | undefined {
  const numbers = new Set<number>();
  for (const item of field.toLowerCase().split(',')) {
    const groups = ITEM.exec(item)?.groups;
    if (!groups) return undefined;
    const { all, from, to, step } = groups;
    // A step needs something to step through.
    if (step !== undefined && all === undefined && to === undefined) return undefined;
    const first = all ? low : numberOf(from, low, names);
    const last = all ? high : to === undefined ? first : numberOf(to, low, names);
    const increment = step === undefined ? 1 : Number(step);
    const isValid = first >= low && last <= high && first <= last && increment >= 1 && increment <= high;
    if (!isValid) return undefined;
    for (let value = first; value <= last; value += increment) numbers.add(value);
  }
  return numbers;
}

/** NaN, which no comparison accepts, for a name that is none. */
function numberOf(word: string | undefined, low: number, names: string[]): number {
  if (word !== undefined && /^\d/.test(word)) return Number(word);
  const index = names.indexOf(word ?? '');
  return index < 0 ? Number.NaN : index + low;
}

/** Whether a cron schedule names the minute (UTC) of `time`. */
export function matchesMinute(schedule: Schedule & { kind: 'cron' }, time: Date): boolean {
  const isLastDay = new Date(time.getTime() + 86_400_000).getUTCDate() === 1;
  const dayOfMonth = schedule.daysOfMonth.has(time.getUTCDate()) || (isLastDay && schedule.lastDayOfMonth);
  const dayOfWeek = schedule.daysOfWeek.has(time.getUTCDay());
  return (
    schedule.minutes.has(time.getUTCMinutes()) &&
    schedule.hours.has(time.getUTCHours()) &&
    schedule.months.has(time.getUTCMonth() + 1) &&
    (schedule.needsBothDays ? dayOfMonth && dayOfWeek : dayOfMonth || dayOfWeek)
  );
}

const MINUTE_MS = 60_000;

/**
 * How many runs of a cron schedule fall due when the clock moves on from the minute `lastMinute` to the minute
 * `thisMinute` (both in ms). As cron has it: up to 5 minutes every missed minute counts; up to 3 hours wildcard jobs
 * count once and the others per minute; beyond that only the present minute counts.
 */
export function dueRuns(
  schedule: Schedule & { kind: 'cron' },
  lastMinute: number,
  thisMinute: number,
): number {
  const passed = Math.floor((thisMinute - lastMinute) / MINUTE_MS);
  if (passed <= 0) return 0;
  const presentRuns = matchesMinute(schedule, new Date(thisMinute)) ? 1 : 0;
  if (passed > 180 || (passed > 5 && schedule.isWildcard)) return presentRuns;
  let runs = 0;
  for (let minute = lastMinute + MINUTE_MS; minute <= thisMinute; minute += MINUTE_MS) {
    if (matchesMinute(schedule, new Date(minute))) runs += 1;
  }
  return runs;
}
