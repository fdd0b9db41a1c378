/** Rejects with a `TimeoutError` when `work` has not come to its end after so many milliseconds. */
export function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new DOMException('It took too long.', 'TimeoutError')),
      milliseconds,
    );
    work.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
