import type { Clock } from './clock.ts';

/** What a Postgres process sleeps on: setting it, before or during the wait, ends the wait. */
export class Latch {
  #isSet = false;
  #wake: (() => void) | undefined;

  set(): void {
    this.#isSet = true;
    this.#wake?.();
  }

  /** Waits until set, until the signal aborts, or so many milliseconds of the clock; then it is unset again. */
  async wait(signal: AbortSignal, limit?: { clock: Clock; milliseconds: number }): Promise<void> {
    if (!this.#isSet && !signal.aborted) {
      const over = new AbortController();
      const either = AbortSignal.any([signal, over.signal]);
      const wakened = new Promise<void>((resolve) => {
        this.#wake = resolve;
        either.addEventListener('abort', () => resolve(), { once: true });
      });
      await Promise.race(limit ? [wakened, limit.clock.wait(limit.milliseconds, either)] : [wakened]);
      this.#wake = undefined;
      over.abort();
    }
    this.#isSet = false;
  }
}
