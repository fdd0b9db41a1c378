/**
 * Lets each key pass `limit` times within `windowMs`, and says when it may not. It is kept in memory: a platform that runs
 * several workers allows as many times more.
 *
 * @param options.maxKeys how many it remembers; with more it forgets all of them
 * @param options.now milliseconds of a monotonic clock
 */
export function createRateLimit(options: {
  limit: number;
  windowMs: number;
  maxKeys?: number;
  now?: () => number;
}): (key: string) => boolean {
  const { limit, windowMs, maxKeys = 10_000, now = () => performance.now() } = options;
  const windows = new Map<string, { from: number; passed: number }>();
  return (key) => {
    const at = now();
    const window = windows.get(key);
    if (window !== undefined && at - window.from < windowMs) {
      window.passed += 1;
      return window.passed <= limit;
    }
    if (windows.size >= maxKeys) windows.clear();
    windows.set(key, { from: at, passed: 1 });
    return true;
  };
}
