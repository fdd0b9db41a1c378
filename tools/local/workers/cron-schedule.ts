/** When a job of pg_cron runs: every so many seconds, when the launcher starts, or in the minutes that match five fields. */
export type Schedule =
  | { kind: 'interval'; seconds: number }
  | { kind: 'reboot' }
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
const ITEM = /^(?:\*|(?<from>[0-9a-z]+)(?:-(?<to>[0-9a-z]+))?)(?:\/(?<step>[0-9a-z]+))?/;
const INTERVAL = /^\s*\+?0*([1-9]|[1-5]\d)\s*second(?:s\s*)?$/i;
const BEFORE_SCHEDULE = /^(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*/;
const FIELDS = /^([^ \t\n]+)[ \t]+([^ \t\n]+)[ \t]+([^ \t\n]+)[ \t]+([^ \t\n]+)[ \t]+([^ \t\n]+)/;
/** A schedule is copied into a buffer of this many bytes there. */
const MAX_LENGTH = 1000;

const NICKNAMES: Record<string, string> = {
  daily: '0 0 * * *',
  midnight: '0 0 * * *',
  hourly: '0 * * * *',
  weekly: '0 0 * * 0',
  monthly: '0 0 1 * *',
  yearly: '0 0 1 1 *',
  annually: '0 0 1 1 *',
};

/**
 * Reads what pg_cron 1.6 takes: `'N seconds'` (1 to 59), a nickname such as `@daily`, or five cron fields as crontab(5) has
 * them, with `$` for the last day of a month; undefined if it is none. The same rules stand in pg_cron--1.6.4.sql.
 */
export function parseSchedule(text: string): Schedule | undefined {
  const interval = INTERVAL.exec(text);
  if (interval) return { kind: 'interval', seconds: Number(interval[1]) };
  if (Buffer.byteLength(text) >= MAX_LENGTH) return undefined;
  const line = text.replace(BEFORE_SCHEDULE, '');
  return line.startsWith('@') ? parseNickname(/^@([^ \t\n]*)/.exec(line)?.[1] ?? '') : parseFields(line);
}

function parseNickname(name: string): Schedule | undefined {
  if (name === 'reboot' || name === 'restart') return { kind: 'reboot' };
  const fields = Object.hasOwn(NICKNAMES, name) ? NICKNAMES[name] : undefined;
  const schedule = fields === undefined ? undefined : parseFields(fields);
  if (schedule?.kind !== 'cron') return undefined;
  // pg_cron takes these two and never runs them: it asks for a month 0.
  return name === 'yearly' || name === 'annually' ? { ...schedule, months: new Set() } : schedule;
}

function parseFields(line: string): Schedule | undefined {
  const [, minute = '', hour = '', day = '', month = '', weekday = ''] = FIELDS.exec(line) ?? [];
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

/** As pg_cron, does not look at what stands behind a complete item. */
function parseField(field: string, low: number, high: number, names: string[] = []): Set<number> | undefined {
  const numbers = new Set<number>();
  for (let rest = field.toLowerCase(); ; rest = rest.slice(1)) {
    const item = ITEM.exec(rest);
    if (!item?.groups) return undefined;
    rest = rest.slice(item[0].length);
    const { from, to, step } = item.groups;
    const isSingle = from !== undefined && to === undefined;
    // A step needs something to step through, and what was begun has to be complete.
    if (isSingle && (step !== undefined || rest.startsWith('-'))) return undefined;
    if (step === undefined && rest.startsWith('/')) return undefined;
    const first = from === undefined ? low : numberOf(from, low, names);
    const last = from === undefined ? high : to === undefined ? first : numberOf(to, low, names);
    const increment = step === undefined ? 1 : numberOf(step, 0, []);
    if (!(first >= low && last <= high && first <= last && increment >= 1)) return undefined;
    for (let value = first; value <= last; value += increment) numbers.add(value);
    if (!rest.startsWith(',')) return numbers;
  }
}

/** NaN, which no comparison accepts, for a name that is none. */
function numberOf(word: string, low: number, names: string[]): number {
  if (/^\d{1,9}$/.test(word)) return Number(word);
  const index = names.indexOf(word);
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
