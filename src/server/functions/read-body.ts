import { SupapushError } from '../../shared/errors.ts';

export interface BodyLimits {
  /** Milliseconds until its last byte is there. */
  bodyMs: number;
  /** Bodies that a worker reads at once. */
  openBodies: number;
}

// What devices send has a few hundred bytes and arrives with its request. Each open body holds 32 kB at most.
const LIMITS: BodyLimits = { bodyMs: 5000, openBodies: 500 };

/**
 * Makes the one reader of a function's bodies; it gives the text of a request's body. It throws
 *
 * - `body_too_large` beyond `maxBytes`, as soon as that is known: by what the request says of its length, or by counting what
 *   arrives, because a body sent in chunks names no length;
 * - `body_too_slow` when it took longer than `bodyMs`, or was the slowest when more than `openBodies` were open. The oldest goes
 *   and not the newest, so that those who keep bodies open keep out only each other;
 * - `body_incomplete` when its sender went away.
 */
export function createBodyReader(
  limits: Partial<BodyLimits> = {},
): (request: Request, maxBytes: number) => Promise<string> {
  const { bodyMs, openBodies } = { ...LIMITS, ...limits };
  /** What ends each of those that are read, the oldest first. */
  const open = new Set<() => void>();

  return async (request, maxBytes) => {
    const tooLarge = () => new SupapushError('body_too_large', `At most ${maxBytes} bytes are read.`);
    if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
    if (request.body === null) return '';
    const reader = request.body.getReader();
    const slow = Promise.withResolvers<never>();
    // Most bodies are read to their end, and then this promise has no reader.
    slow.promise.catch(() => undefined);
    const end = () => slow.reject(new SupapushError('body_too_slow'));
    const timer = setTimeout(end, bodyMs);
    open.add(end);
    if (open.size > openBodies) {
      const [oldest = end] = open;
      open.delete(oldest);
      oldest();
    }
    // One piece of memory however small the chunks are: a list of 32,000 would be larger than what is in them.
    const bytes = new Uint8Array(maxBytes);
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await Promise.race([reader.read().catch(incomplete), slow.promise]);
        if (done) return new TextDecoder().decode(bytes.subarray(0, length));
        if (length + value.length > maxBytes) throw tooLarge();
        bytes.set(value, length);
        length += value.length;
      }
    } finally {
      clearTimeout(timer);
      open.delete(end);
      reader.cancel().catch(() => undefined);
    }
  };
}

function incomplete(cause: unknown): never {
  throw new SupapushError('body_incomplete', undefined, { cause });
}
