import type { Platform } from './platform.ts';

/** A log of events that an attacker can cause as often as they like. */
export interface SummedLog {
  /** Notes what happened. `entry` has nothing in it that differs from one request to the next. */
  note(entry: Record<string, unknown>): void;
  /** Writes what was held back for long enough; to be called now and then. */
  flush(): void;
}

const EVERY_MS = 60_000;

/**
 * A log that writes entries that are alike once per `everyMs`, with `count`: the first at once, those that follow as one line
 * when the time is over. A hosted project keeps 100 lines per 10 s, and an attacker must not be able to use them up.
 *
 * @param options.now milliseconds of a monotonic clock
 */
export function createSummedLog(
  log: Platform['log'],
  { everyMs = EVERY_MS, now = () => performance.now() }: { everyMs?: number; now?: () => number } = {},
): SummedLog {
  const lines = new Map<string, { entry: Record<string, unknown>; count: number; since: number }>();
  const flush = (): void => {
    for (const [key, line] of lines) {
      if (now() - line.since < everyMs) continue;
      lines.delete(key);
      if (line.count > 0) note(line.entry, line.count);
    }
  };
  const note = (entry: Record<string, unknown>, count: number): void => {
    const key = JSON.stringify(entry);
    const line = lines.get(key);
    if (line !== undefined) {
      line.count += count;
      return;
    }
    lines.set(key, { entry, count: 0, since: now() });
    log({ ...entry, count });
  };
  return {
    flush,
    note(entry) {
      flush();
      note(entry, 1);
    },
  };
}
