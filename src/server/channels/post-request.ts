import { errorText } from './error-text.ts';
import { readRetryAfter } from './retry-after.ts';
import { storableText } from './storable-text.ts';

/** What came back: an answer, whose body is its beginning, or that there was none. */
export type PostResult =
  | { status: number; statusText: string; retryAfter: string | null; headers: Headers; body: string }
  | { status: null; code: 'timed_out' | 'network_error'; message: string };

/** More of an answer than this is not read: a push service says what it has to say in a few hundred bytes. */
const MAX_ANSWER_BYTES = 16_384;

/**
 * Origins that speak HTTP/1.1. There, Deno's `fetch` (2.9) repeats a POST when the connection breaks, though the message may
 * have been taken; over HTTP/2 it repeats only what the service says it did not process.
 */
const http1 = new Set<string>();
// Bounded, because a user can invent any number of names below a wildcard of `push.hosts`.
const MAX_ORIGINS = 1000;

/**
 * How long to wait for an answer: twice as long once a delivery was tried before. A service that takes messages and is slow to
 * say so is given each of them twice, and not until attempts are used up.
 */
export function timeoutOf({ claimNumber }: { claimNumber: number }, timeoutMs: number): number {
  return claimNumber > 1 ? 2 * timeoutMs : timeoutMs;
}

/**
 * One POST to a push service, made once; never throws. Redirects are answers: following one would take the message, or our
 * credentials, to an address that was not checked.
 *
 * @param timeoutMs from connecting to the last byte of the answer
 * @param secrets what must not be repeated from an error of the HTTP client
 */
export async function postRequest(
  url: string,
  request: { headers: Record<string, string>; body: string | Uint8Array<ArrayBuffer> },
  { timeoutMs, secrets }: { timeoutMs: number; secrets: readonly string[] },
): Promise<PostResult> {
  try {
    const { origin } = new URL(url);
    const response = await fetch(url, {
      headers: request.headers,
      // A Blob is read as it is sent, so that it cannot be sent again, and has a length, which chunks have not. Over HTTP/2 it
      // would be a packet of its own, which waits for the one before to be acknowledged (40 ms, half the throughput).
      body: http1.has(origin) ? new Blob([request.body]) : request.body,
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    noteProtocol(origin, response);
    const body = await readAnswer(response);
    const { status, statusText, headers } = response;
    return { status, statusText, retryAfter: readRetryAfter(headers), headers, body };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') {
      return { status: null, code: 'timed_out', message: `No answer within ${timeoutMs} ms.` };
    }
    return { status: null, code: 'network_error', message: storableText(errorText(error), secrets) };
  }
}

/** HTTP/2 has no reason phrases. An HTTP/1.1 service that leaves them out counts as HTTP/2. */
function noteProtocol(origin: string, { statusText }: Response): void {
  if (statusText === '') http1.delete(origin);
  else if (http1.size < MAX_ORIGINS) http1.add(origin);
}

/**
 * Reads an answer to its end and returns its beginning. To the end, because cancelling a body resets its HTTP/2
 * stream, and a server that sees many resets closes the connection under all other requests; only one far too long is
 * given up. A body that breaks off or never ends takes nothing from the status: 201 was accepted, and to send it again
 * would show it twice.
 */
async function readAnswer(response: Response): Promise<string> {
  if (response.body === null) return '';
  let text = '';
  let length = 0;
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body) {
      text += decoder.decode(chunk, { stream: true });
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) break;
    }
  } catch {
    // See above.
  }
  return text;
}
