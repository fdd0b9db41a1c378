import type { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import { createQuotePlan } from '../database/quote-plan.ts';
import { createServiceClient } from '../database/service-client.ts';
import { fetchQuotes } from '../quotes/fetch-quotes.ts';
import type { ResolveDns } from '../quotes/source-address.ts';
import { answerRequests } from './answer-requests.ts';
import type { ready, sourcesCalled } from './answers.ts';
import { refusedMethod, requireBell } from './bell.ts';
import { readBellEnvironment } from './environment.ts';
import type { Platform } from './platform.ts';

/** What `push-quotes` needs from the platform it runs on. */
export interface QuotesPlatform extends Pick<Platform, 'environment' | 'waitUntil' | 'log'> {
  /** Looks names up, so that none leads into a private network; undefined where the platform cannot. */
  resolve?: ResolveDns | undefined;
}

/**
 * `push-quotes`: rung by the database, answers 202 at once, asks the sources of quotes that are due in the background
 * and reports what they gave; the database compares it with the alerts.
 *
 * `GET` is the health probe: 200 `{ function, status: 'ok' }`, or 503 naming what is not configured. `POST` takes the
 * bell's secret in `x-push-bell`, and no body; errors are `{ message, code }`.
 */
export function createPushQuotes(platform: QuotesPlatform): (request: Request) => Promise<Response> {
  const { environment, waitUntil, log, resolve } = platform;
  return answerRequests({ name: 'push-quotes', log }, async (request) => {
    const refused = refusedMethod(request);
    if (refused !== undefined) return refused;
    const { supabaseUrl, secretKey, bellSecret } = readBellEnvironment(environment);
    if (request.method === 'GET') {
      const body: z.infer<typeof ready> = { function: 'push-quotes', status: 'ok' };
      return Response.json(body);
    }
    await requireBell(request, bellSecret);
    const plan = createQuotePlan(createServiceClient(supabaseUrl, secretKey, 'push-quotes'));
    const started = performance.now();
    const work = fetchQuotes(plan, { environment, resolve }).then(
      (summary) => {
        const milliseconds = Math.round(performance.now() - started);
        log({ level: 'info', event: 'quotes_fetched', milliseconds, ...summary });
      },
      (error: unknown) => {
        const code = error instanceof SupapushError ? error.code : 'internal';
        const message = error instanceof Error ? error.message : String(error);
        log({ level: 'error', event: 'fetching_quotes_failed', code, message });
      },
    );
    waitUntil(work);
    const body: z.infer<typeof sourcesCalled> = {};
    return Response.json(body, { status: 202 });
  });
}
