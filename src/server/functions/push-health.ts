import type { z } from 'zod';
import { errorResponse, SupapushError } from '../../shared/errors.ts';
import { importServiceAccount } from '../channels/fcm/service-account.ts';
import { importAllVapidKeys } from '../channels/webpush/vapid-keys.ts';
import { readHealth } from '../database/health.ts';
import { createServiceClient } from '../database/service-client.ts';
import { answerRequests } from './answer-requests.ts';
import type { databaseSilent, notConfigured, publicHealth } from './answers.ts';
import { builtOnce } from './built-once.ts';
import { type FunctionEnvironment, readEnvironment, readSecretKey } from './environment.ts';
import type { Platform } from './platform.ts';
import { isSameSecret } from './secret-comparison.ts';

// A frontend may ask from its own origin; what it gets is public.
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'apikey, authorization, content-type, x-client-info',
  'Access-Control-Allow-Methods': 'GET, OPTIONS',
};

/**
 * `push-health`: `GET` tells every client whether push is configured, with the public VAPID key: 200
 * `{ function, status: 'ok', configured: true, vapid_public_key }`, or 503 with `configured: false`.
 *
 * With the project's secret key in `apikey` it tells the operator everything: 200 when healthy, 503 with `reasons` when
 * not. A wrong secret key is 401, never downgraded to the public answer.
 */
export function createPushHealth(
  platform: Pick<Platform, 'environment' | 'log'>,
): (request: Request) => Promise<Response> {
  // Once: an environment does not change, and checking its keys costs more than the rest of the public answer.
  const getConfiguration = builtOnce(() => readConfiguration(platform.environment));

  return answerRequests({ name: 'push-health', log: platform.log, headers: CORS }, async (request) => {
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: CORS });
    if (request.method !== 'GET') {
      const refused = new SupapushError('method_not_allowed', 'Health is asked for with GET.');
      return errorResponse(refused, { ...CORS, Allow: 'GET, OPTIONS' });
    }
    const { environment, problem } = await getConfiguration();
    const key = request.headers.get('apikey') ?? '';
    const secretKey = readSecretKey(platform.environment);
    if (secretKey === undefined || !(await isSameSecret(key, secretKey))) {
      // Publishable keys and old anon keys come from frontends, which send one with every request.
      if (!key.startsWith('sb_secret_')) return publicAnswer(environment);
      throw new SupapushError('secret_key_refused');
    }
    return await fullAnswer(environment, problem);
  });
}

interface Configuration {
  environment?: FunctionEnvironment;
  problem?: SupapushError;
}

/** The environment if everything in it can be used, and otherwise what is wrong with it. */
async function readConfiguration(values: Record<string, string | undefined>): Promise<Configuration> {
  try {
    const environment = readEnvironment(values);
    await importAllVapidKeys(environment.vapid);
    if (environment.fcmServiceAccount !== undefined)
      await importServiceAccount(environment.fcmServiceAccount);
    return { environment };
  } catch (error) {
    if (error instanceof SupapushError) return { problem: error };
    throw error;
  }
}

function publicAnswer(environment: FunctionEnvironment | undefined): Response {
  if (environment === undefined) {
    const body: z.infer<typeof notConfigured> = {
      function: 'push-health',
      status: 'not_configured',
      configured: false,
    };
    return Response.json(body, { status: 503, headers: CORS });
  }
  const [{ publicKey }] = environment.vapid;
  const body: z.infer<typeof publicHealth> = {
    function: 'push-health',
    status: 'ok',
    configured: true,
    vapid_public_key: publicKey,
  };
  return Response.json(body, { headers: CORS });
}

async function fullAnswer(
  environment: FunctionEnvironment | undefined,
  problem: SupapushError | undefined,
): Promise<Response> {
  if (environment === undefined) {
    const reasons = problem === undefined ? [] : [{ code: problem.code, message: problem.message }];
    const body: z.infer<typeof notConfigured> = {
      function: 'push-health',
      status: 'not_configured',
      configured: false,
      healthy: false,
      reasons,
    };
    return Response.json(body, { status: 503, headers: CORS });
  }
  const client = createServiceClient(environment.supabaseUrl, environment.secretKey, 'push-health');
  const health = await readHealth(client).catch((error: unknown) => {
    // The database is there, and says nothing until an operator lets it.
    if (!(error instanceof SupapushError) || error.code !== 'schema_not_exposed') throw error;
    return { healthy: false, reasons: [{ code: error.code, message: error.message }] };
  });
  // What else the database tells goes through as it is: `healthReport`.
  const body: z.infer<typeof databaseSilent> = {
    function: 'push-health',
    status: health.healthy ? 'ok' : 'unhealthy',
    configured: true,
    vapid_public_key: environment.vapid[0].publicKey,
    fcm: environment.fcmServiceAccount !== undefined,
    ...health,
  };
  return Response.json(body, { status: health.healthy ? 200 : 503, headers: CORS });
}
