import { errorResponse, SupapushError } from '../../shared/errors.ts';
import { VERSION } from '../../shared/version.ts';
import type { Platform } from './platform.ts';
import { createSummedLog } from './summed-log.ts';

/**
 * Makes a function's handler of what answers its requests: what that throws is answered as `{ message, code }`. What is the
 * project's fault (5xx) is logged, summed up, with its code and cause alone: an attacker can send requests, and nothing of
 * what a request contains gets into a log. Every answer says in `x-supapush-version` of which release the function is.
 */
export function answerRequests(
  { name, log, headers }: { name: string; log: Platform['log']; headers?: HeadersInit },
  answer: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  const summed = createSummedLog(log);
  return async (request) => {
    summed.flush();
    const response = await answer(request).catch((error: unknown) => {
      const refusal = errorResponse(error, headers);
      if (refusal.status >= 500) {
        summed.note({ level: 'error', event: 'request_failed', function: name, ...reason(error) });
      }
      return refusal;
    });
    response.headers.set('x-supapush-version', VERSION);
    return response;
  };
}

function reason(error: unknown): Record<string, string> {
  if (error instanceof SupapushError) {
    return { code: error.code, ...(typeof error.cause === 'string' ? { cause: error.cause } : {}) };
  }
  return { code: 'internal', cause: error instanceof Error ? error.name : typeof error };
}
