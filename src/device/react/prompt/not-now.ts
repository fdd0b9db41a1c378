const KEY = 'supapush.not-now';
const DAY = 24 * 60 * 60 * 1000;

/** Whether "not now" was said less than so many days ago. `now` in milliseconds; what is no moment of the past is not said. */
export function wasDeclined(said: string | null, days: number, now: number): boolean {
  const at = Number(said);
  return said !== null && at > 0 && at <= now && now - at < days * DAY;
}

/** What was remembered; null where nothing was, or the browser keeps nothing. */
export function recallNotNow(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Remembers that the user said "not now"; for this page alone where the browser keeps nothing. */
export function rememberNotNow(now: number): void {
  try {
    localStorage.setItem(KEY, String(now));
  } catch {
    // Asked again on the next page: the lesser evil.
  }
}
