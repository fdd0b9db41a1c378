import { errorText } from '../channels/error-text.ts';
import { retryAfterSeconds } from '../channels/retry-after.ts';
import { QuoteSourceError } from './quote-source.ts';

/**
 * One GET to a source of quotes: the text of its answer. Throws `QuoteSourceError`, whose code says what went wrong.
 *
 * Redirects are not followed: their targets were not checked. The body is counted as it arrives, after decompression,
 * and cut off at `maxBytes`, so that an answer of any size costs no more memory than that.
 *
 * @param request.secrets what must not be repeated from an error of the HTTP client
 */
export async function getAnswer(
  url: string,
  request: {
    headers: Record<string, string>;
    maxBytes: number;
    signal: AbortSignal;
    secrets: readonly string[];
  },
): Promise<string> {
  const { headers, maxBytes, signal, secrets } = request;
  let response: Response;
  try {
    response = await fetch(url, { headers, redirect: 'manual', signal });
  } catch (error) {
    throw readable(error, secrets);
  }
  try {
    refuseStatus(response);
    if (Number(response.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
    return await readText(response, maxBytes);
  } catch (error) {
    if (!response.body?.locked) response.body?.cancel().catch(() => undefined);
    throw readable(error, secrets);
  }
}

function refuseStatus({ status, headers }: Response): void {
  if (status >= 200 && status < 300) return;
  // By the clock of who says it.
  const now = Date.parse(headers.get('date') ?? '') || Date.now();
  const retryAfter = retryAfterSeconds(headers.get('retry-after'), now) ?? undefined;
  if (status === 429 || status === 503) {
    throw new QuoteSourceError(
      'throttled',
      `It answered ${status}: it is asked too often, or busy.`,
      retryAfter,
    );
  }
  if (status >= 500) throw new QuoteSourceError('server_error', `It answered ${status}.`, retryAfter);
  if (status >= 300 && status < 400) {
    throw new QuoteSourceError('redirected', `It answered ${status}, a redirect, which is not followed.`);
  }
  if (status === 401 || status === 403) {
    throw new QuoteSourceError('credentials_refused', `It answered ${status}: it refused the credentials.`);
  }
  if (status === 400 || status === 404 || status === 422) {
    throw new QuoteSourceError('symbols_refused', `It answered ${status}.`);
  }
  throw new QuoteSourceError('unexpected_status', `It answered ${status}.`);
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  let text = '';
  let length = 0;
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) return text + decoder.decode();
    length += part.value.length;
    if (length > maxBytes) {
      // Not awaited: a server that does not stop sending may never notice the cancellation.
      reader?.cancel().catch(() => undefined);
      throw tooLarge(maxBytes);
    }
    text += decoder.decode(part.value, { stream: true });
  }
}

function tooLarge(maxBytes: number): QuoteSourceError {
  return new QuoteSourceError(
    'answer_too_large',
    `Its answer has more than ${maxBytes} bytes, and was cut off there.`,
  );
}

function readable(error: unknown, secrets: readonly string[]): QuoteSourceError {
  if (error instanceof QuoteSourceError) return error;
  if (error instanceof DOMException && ['TimeoutError', 'AbortError'].includes(error.name)) {
    return new QuoteSourceError('timed_out', 'It did not answer in time.');
  }
  // HTTP clients quote the URL, and with it a key in its query.
  const shown = secrets
    .reduce(
      (text, secret) => text.replaceAll(secret, '…'),
      errorText(error).replace(/\(?https?:\/\/\S+/g, '…'),
    )
    .replace(/\p{Cc}+/gu, ' ')
    .toWellFormed();
  return new QuoteSourceError('network_error', `There was no answer: ${shown.slice(0, 200)}.`);
}
