import { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/parse-json.ts';
import { createDeliveryQueue } from '../database/delivery-queue.ts';
import { createServerClock } from '../database/server-clock.ts';
import { createServiceClient } from '../database/service-client.ts';
import { EDGE_CEILINGS, PROCESS_CEILINGS } from '../dispatch/ceilings.ts';
import { type DispatcherOptions, dispatch, UNLIMITED } from '../dispatch/dispatcher.ts';
import { answerRequests } from './answer-requests.ts';
import type { dispatcherCalled, ready } from './answers.ts';
import { refusedMethod, requireBell } from './bell.ts';
import { builtOnce } from './built-once.ts';
import { readEnvironment } from './environment.ts';
import type { Platform } from './platform.ts';
import { type BodyLimits, createBodyReader } from './read-body.ts';
import { createSendingChannels } from './sending-channels.ts';

// Hosted workers have 2 s of CPU for a request and 150 s of wall clock. One delivery was measured at just under 1 ms of
// CPU for the whole process; a worker that is cut off in the middle sends again what it could not report.
// What is under way at the end may take another minute where a push service hangs, or two for what was tried before.
/** What one dispatcher does at most on a hosted worker. */
export const LIMITED_BUDGET = { deliveries: 1500, milliseconds: 70_000 };

/** What the bell says. */
export const bell = z.object({ dispatcher: z.uuid() });
const MAX_BODY_BYTES = 1024;

/**
 * `push-dispatch`: rung by the database, answers 202 at once and drains the queue in the background.
 *
 * `GET` is the health probe: 200 `{ function, status: 'ok' }`, or 503 naming what is not configured. `POST` takes
 * `{ dispatcher: uuid }` with the bell's secret in `x-push-bell`; errors are `{ message, code }`.
 */
export function createPushDispatch(
  platform: Platform,
  limits: Partial<BodyLimits> = {},
): (request: Request) => Promise<Response> {
  const readBody = createBodyReader(limits);
  // A worker serves many requests, and a broken configuration has to be answerable.
  const getConfiguration = builtOnce(() => readConfiguration(platform));

  return answerRequests({ name: 'push-dispatch', log: platform.log }, async (request) => {
    const refused = refusedMethod(request);
    if (refused !== undefined) return refused;
    const { bellSecret, options, problem } = await getConfiguration();
    if (request.method === 'GET') {
      if (problem !== undefined) throw problem;
      const body: z.infer<typeof ready> = { function: 'push-dispatch', status: 'ok' };
      return Response.json(body);
    }
    // Before the body is read: a request without the secret must cost next to nothing.
    await requireBell(request, bellSecret);
    const { dispatcher } = readBell(await readBody(request, MAX_BODY_BYTES));
    platform.waitUntil(run(dispatcher, options, platform.log));
    const body: z.infer<typeof dispatcherCalled> = { dispatcher };
    return Response.json(body, { status: 202 });
  });
}

interface Configuration {
  bellSecret: string;
  options: DispatcherOptions;
  /** What keeps one channel from working; the others work all the same. */
  problem: SupapushError | undefined;
}

async function readConfiguration(platform: Platform): Promise<Configuration> {
  const environment = readEnvironment(platform.environment);
  const { supabaseUrl, secretKey, bellSecret, deliveryBudget } = environment;
  const clock = createServerClock();
  const { channels, problem } = await createSendingChannels(environment, clock.now);
  const client = createServiceClient(supabaseUrl, secretKey, 'push-dispatch', clock);
  const base = platform.limited ? LIMITED_BUDGET : UNLIMITED;
  return {
    bellSecret,
    problem,
    options: {
      queue: createDeliveryQueue(client, supabaseUrl),
      channels,
      ceilings: platform.limited ? EDGE_CEILINGS : PROCESS_CEILINGS,
      budget: deliveryBudget === undefined ? base : { ...base, deliveries: deliveryBudget },
    },
  };
}

function readBell(text: string): z.infer<typeof bell> {
  const body = bell.safeParse(parseJson(text));
  if (!body.success)
    throw new SupapushError('body_malformed', 'The body must be JSON: {"dispatcher": "<uuid>"}.');
  return body.data;
}

async function run(dispatcher: string, options: DispatcherOptions, log: Platform['log']): Promise<void> {
  const started = performance.now();
  try {
    const summary = await dispatch(dispatcher, options);
    const milliseconds = Math.round(performance.now() - started);
    log({ level: 'info', event: 'dispatched', dispatcher, milliseconds, ...summary });
  } catch (error) {
    const code = error instanceof SupapushError ? error.code : 'internal';
    log({
      level: 'error',
      event: 'dispatch_failed',
      dispatcher,
      code,
      message: error instanceof Error ? error.message : String(error),
    });
  }
}
