import { PushServiceError } from './push-service-error.ts';

/** How long to wait: `timeoutMs` is 10,000 when neither it nor a `signal` is given. */
export type WaitOptions = { readonly timeoutMs?: number; readonly signal?: AbortSignal };

type Watcher<T> = { offer(item: T): boolean; fail(error: PushServiceError): void };

const DEFAULT_TIMEOUT_MS = 10_000;

/** A list that only grows, and that callers can wait on. `name` says in errors what was waited for. */
export class ObservedList<T> {
  readonly items: T[] = [];
  readonly #name: string;
  readonly #watchers = new Set<Watcher<T>>();
  readonly #takers = new Set<Watcher<T>>();
  #taken = 0;
  #closed = false;

  constructor(name: string) {
    this.#name = name;
  }

  add(item: T): void {
    this.items.push(item);
    for (const watcher of this.#watchers) watcher.offer(item);
    const [taker] = this.#takers;
    if (taker) {
      this.#taken++;
      taker.offer(item);
    }
  }

  /** Resolves with the first `count` items, earlier ones included, for which `matches` holds. */
  waitFor(matches: (item: T) => boolean, count: number, options: WaitOptions = {}): Promise<T[]> {
    const found: T[] = [];
    for (const item of this.items) {
      if (found.length >= count) break;
      if (matches(item)) found.push(item);
    }
    if (found.length >= count) return Promise.resolve(found);
    return this.#wait(
      this.#watchers,
      options,
      (item) => {
        if (matches(item)) found.push(item);
        return found.length >= count ? found : undefined;
      },
      () => `${found.length} of ${count} ${this.#name}`,
    );
  }

  /** Resolves with the oldest item no other call of `take` was given; calls are served in order. */
  async take(options: WaitOptions = {}): Promise<T> {
    const waiting = this.items[this.#taken];
    if (waiting !== undefined) {
      this.#taken++;
      return waiting;
    }
    const [item] = await this.#wait(
      this.#takers,
      options,
      (next) => [next] as [T],
      () => `no further ${this.#name}`,
    );
    return item;
  }

  /** Rejects everything that waits, now and later, with code `stopped`. */
  close(): void {
    this.#closed = true;
    const error = this.#stopped();
    for (const watcher of [...this.#watchers, ...this.#takers]) watcher.fail(error);
  }

  #stopped(): PushServiceError {
    return new PushServiceError('stopped', `The push service stopped while ${this.#name} were awaited.`);
  }

  #wait<R>(
    waiting: Set<Watcher<T>>,
    { signal, timeoutMs = signal ? undefined : DEFAULT_TIMEOUT_MS }: WaitOptions,
    result: (item: T) => R | undefined,
    progress: () => string,
  ): Promise<R> {
    if (this.#closed) return Promise.reject(this.#stopped());
    return new Promise<R>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const stopWaiting = () => {
        waiting.delete(watcher);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const watcher: Watcher<T> = {
        offer(item) {
          const value = result(item);
          if (value === undefined) return false;
          stopWaiting();
          resolve(value);
          return true;
        },
        fail(error) {
          stopWaiting();
          reject(error);
        },
      };
      const abort = () =>
        watcher.fail(
          new PushServiceError('aborted', `Aborted with ${progress()}.`, { cause: signal?.reason }),
        );
      waiting.add(watcher);
      if (timeoutMs !== undefined) {
        timer = setTimeout(
          () => watcher.fail(new PushServiceError('timeout', `After ${timeoutMs} ms: ${progress()}.`)),
          timeoutMs,
        );
      }
      if (signal?.aborted) abort();
      else signal?.addEventListener('abort', abort);
    });
  }
}
