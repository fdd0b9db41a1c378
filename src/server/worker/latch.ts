/** Something that is waited for, and remembered when it happens while nothing waits. */
export interface Latch {
  open(): void;
  /** Resolves when it was opened since the last wait, when `signal` aborts, or after so many milliseconds; whether it was opened. */
  wait(milliseconds: number, signal: AbortSignal): Promise<boolean>;
}

export function createLatch(): Latch {
  let isOpen = false;
  let wake: (() => void) | undefined;
  return {
    open() {
      isOpen = true;
      wake?.();
    },
    async wait(milliseconds, signal) {
      if (!isOpen && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, milliseconds);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          signal.addEventListener('abort', wake, { once: true });
        });
        if (wake !== undefined) signal.removeEventListener('abort', wake);
        wake = undefined;
      }
      const wasOpened = isOpen;
      isOpen = false;
      return wasOpened;
    },
  };
}
