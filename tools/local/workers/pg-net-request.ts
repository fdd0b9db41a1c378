/** A row of `net.http_request_queue`. */
export interface NetRequest {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string> | null;
  body: Buffer<ArrayBuffer> | null;
  timeoutMs: number;
}

/** A row of `net._http_response`. */
export interface NetResponse {
  id: string;
  status_code: number | null;
  content_type: string | null;
  headers: Record<string, string> | null;
  content: string | null;
  timed_out: boolean;
  error_msg: string | null;
}

/**
 * Sends one request as pg_net does with curl: http and https alone, redirects followed, the timeout (0: none) covers everything up to the
 * last byte, every status is a success. Undefined if `signal` aborted it: then there is nothing to record.
 */
export async function sendRequest(
  request: NetRequest,
  signal: AbortSignal,
): Promise<NetResponse | undefined> {
  const { id, timeoutMs } = request;
  if (!/^https?:/i.test(request.url)) return failed(id, 'Unsupported protocol');
  const started = performance.now();
  const timeout = timeoutMs > 0 ? AbortSignal.timeout(timeoutMs) : undefined;
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: {
        ...request.headers,
        'user-agent': 'pg_net/0.20.0',
        // curl notices that a kept connection has died and opens another; fetch would report an error.
        connection: 'close',
      },
      body: request.body,
      redirect: 'follow',
      signal: timeout ? AbortSignal.any([signal, timeout]) : signal,
    });
    const text = await response.text();
    return {
      id,
      status_code: response.status,
      content_type: response.headers.get('content-type'),
      headers: Object.fromEntries(response.headers),
      // pg_net keeps a C string: it ends at the first NUL, which Postgres could not store either.
      content: text.split('\0', 1)[0] || null,
      timed_out: false,
      error_msg: null,
    };
  } catch (error) {
    if (signal.aborted) return undefined;
    const timedOut = timeout?.aborted ?? false;
    const total = (performance.now() - started).toFixed(6);
    return timedOut
      ? { ...failed(id, `Timeout of ${timeoutMs} ms reached. Total time: ${total} ms`), timed_out: true }
      : failed(id, describe(error));
  }
}

function failed(id: string, message: string): NetResponse {
  return {
    id,
    status_code: null,
    content_type: null,
    headers: null,
    content: null,
    timed_out: false,
    error_msg: message,
  };
}

/** curl's words for what happens most, so that what is written against pg_net's table finds them here too. */
function describe(error: unknown): string {
  const cause = (error as Error).cause as (Error & { code?: string }) | undefined;
  switch (cause?.code) {
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return "Couldn't connect to server";
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return "Couldn't resolve host name";
    default:
      return cause?.message || (error as Error).message;
  }
}
