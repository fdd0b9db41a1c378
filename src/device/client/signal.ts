/** An event with listeners. */
export interface Signal<T> {
  listen(listener: (value: T) => void): () => void;
  /** Whether there was a listener. */
  tell(value: T): boolean;
}

/** A signal; the function that `listen` returns ends the listening. */
export function createSignal<T>(): Signal<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    listen(listener) {
      // Wrapped: the same function may listen twice.
      const wrapped = (value: T) => listener(value);
      listeners.add(wrapped);
      return () => void listeners.delete(wrapped);
    },
    tell(value) {
      const told = [...listeners];
      for (const listener of told) listener(value);
      return told.length > 0;
    },
  };
}
