/** Numbers and moments as the user reads them. */
export interface PushFormat {
  number(value: number): string;
  /** Of a number of percent: 2.5 is "2.5%". */
  percent(value: number): string;
  minutes(value: number): string;
  /** "3 minutes ago" for what is near, else the date. `now` in milliseconds. */
  ago(moment: string, now: number): string;
  /** Date and time in full. */
  moment(moment: string): string;
  /** How many are unread; the project counts up to 100. */
  count(unread: number): string;
}

const MINUTE = 60_000;
const STEPS: [limit: number, unit: Intl.RelativeTimeFormatUnit, milliseconds: number][] = [
  [60 * MINUTE, 'minute', MINUTE],
  [24 * 60 * MINUTE, 'hour', 60 * MINUTE],
  [7 * 24 * 60 * MINUTE, 'day', 24 * 60 * MINUTE],
];

/**
 * What `Intl` takes of a locale: a language tag, also where it is written as POSIX does (`de_AT.UTF-8`, `en-US@posix`).
 * Undefined, which is the browser's own, for what names no language (`C`, an empty text).
 */
export function usableLocale(locale: string | undefined): string | undefined {
  const tag = locale?.replace(/[.@].*$/, '').replaceAll('_', '-');
  try {
    return tag ? Intl.getCanonicalLocales(tag)[0] : undefined;
  } catch {
    return undefined;
  }
}

/** @param given BCP 47; the browser's unless given, or where it is none. */
export function createFormat(given?: string): PushFormat {
  const locale = usableLocale(given);
  const number = new Intl.NumberFormat(locale, { maximumSignificantDigits: 12 });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumSignificantDigits: 12 });
  const minute = new Intl.NumberFormat(locale, { style: 'unit', unit: 'minute', unitDisplay: 'long' });
  const hour = new Intl.NumberFormat(locale, { style: 'unit', unit: 'hour', unitDisplay: 'long' });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'long' });
  const date = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  return {
    number: (value) => number.format(value),
    percent: (value) => percent.format(value / 100),
    minutes: (value) => (value % 60 === 0 && value > 0 ? hour.format(value / 60) : minute.format(value)),
    ago(moment, now) {
      // Clocks differ: nothing that has happened is shown as to come.
      const passed = Math.max(0, now - Date.parse(moment));
      // `infinity` is a moment of Postgres, and none of JavaScript.
      if (Number.isNaN(passed)) return moment;
      if (passed < MINUTE) return relative.format(0, 'second');
      const step = STEPS.find(([limit]) => passed < limit);
      return step ? relative.format(-Math.floor(passed / step[2]), step[1]) : date.format(Date.parse(moment));
    },
    moment: (moment) => (Number.isNaN(Date.parse(moment)) ? moment : full.format(Date.parse(moment))),
    count: (unread) => (unread > 99 ? `${number.format(99)}+` : number.format(unread)),
  };
}
