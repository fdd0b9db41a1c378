import { readRetryAfter } from './retry-after.ts';
import { storableText } from './storable-text.ts';

/** What came back: an answer, whose body is its beginning, or that there was none. */
export type PostResult =
  | { status: number; statusText: string; retryAfter: string | null; headers: Headers; body: string }
  | { status: null; code: 'timed_out' | 'network_error'; message: string };

/** More of an answer than this is not read: a push service says what it has to say in a few hundred bytes. */
const MAX_ANSWER_BYTES = 16_384;

/**
 * One POST to a push service; never throws. Redirects are answers: following one would take the message, or our
 * credentials, to an address that nobody checked.
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
    const response = await fetch(url, {
      ...request,
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = await readAnswer(response);
    const { status, statusText, headers } = response;
    return { status, statusText, retryAfter: readRetryAfter(headers), headers, body };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') {
      return { status: null, code: 'timed_out', message: `No answer within ${timeoutMs} ms.` };
    }
    const said = error instanceof Error ? error.message : 'unknown error';
    return { status: null, code: 'network_error', message: storableText(said, secrets) };
  }
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
