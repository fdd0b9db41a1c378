import { useEffect, useRef } from 'react';

const FIRST_MS = 2000;
const LONGEST_MS = 60_000;

/**
 * Tries again what could not be loaded: when the network is back, when the page is looked at again, and, where the project
 * could not be reached, after 2 seconds, 4, 8 and so on up to a minute. A browser is online before its names resolve, and
 * says nothing of a project that is back.
 *
 * @param error why it failed; null while nothing is to be tried again
 */
export function useRecovery(error: Error | null, tryAgain: () => unknown): void {
  const tries = useRef(0);
  useEffect(() => {
    if (!error) {
      tries.current = 0;
      return;
    }
    const again = (): void => {
      if (document.visibilityState === 'visible') void tryAgain();
    };
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** tries.current);
    const offline = (error as Error & { code?: unknown }).code === 'offline';
    const timer = offline
      ? setTimeout(() => {
          tries.current++;
          again();
        }, wait)
      : undefined;
    addEventListener('online', again);
    document.addEventListener('visibilitychange', again);
    return () => {
      clearTimeout(timer);
      removeEventListener('online', again);
      document.removeEventListener('visibilitychange', again);
    };
  }, [error, tryAgain]);
}
