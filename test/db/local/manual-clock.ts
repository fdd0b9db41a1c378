import type { Clock } from '../../../tools/local/workers/clock.ts';

/** A clock that stands still until a test moves it, and that knows whether a caller waits on it. */
export class ManualClock implements Clock {
  #time: number;
  #waiters = new Set<{ at: number; done: () => void }>();
  #onWait = new Set<() => void>();

  constructor(start: string) {
    this.#time = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#time);
  }

  wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiter = {
        at: this.#time + milliseconds,
        done: () => {
          this.#waiters.delete(waiter);
          resolve();
        },
      };
      if (signal.aborted) return resolve();
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.done, { once: true });
      for (const notify of this.#onWait) notify();
    });
  }

  /** How long those who wait have yet to wait, in ms. */
  get pending(): number[] {
    return [...this.#waiters].map(({ at }) => at - this.#time);
  }

  /** Resolves when a caller begins to wait. */
  nextWait(): Promise<void> {
    return new Promise((resolve) => {
      const notify = (): void => {
        this.#onWait.delete(notify);
        resolve();
      };
      this.#onWait.add(notify);
    });
  }

  /** Moves the clock on and ends the waits that are over; whether there were any. */
  advance(milliseconds: number): boolean {
    this.#time += milliseconds;
    const due = [...this.#waiters].filter(({ at }) => at <= this.#time);
    for (const { done } of due) done();
    return due.length > 0;
  }

  /** Moves the clock on; resolves when the caller that it woke has done its work and waits again. */
  async pass(milliseconds: number): Promise<void> {
    const settled = this.nextWait();
    if (this.advance(milliseconds)) await settled;
  }
}
