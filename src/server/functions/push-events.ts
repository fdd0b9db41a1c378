import type { z } from 'zod';
import type { DeviceMessage, PushEventsStatus, SubscriptionKeys } from '../../shared/device-message.ts';
import { errorResponse, SupapushError } from '../../shared/errors.ts';
import { createReceiptTokens, type ReceiptTokens } from '../channels/receipt-tokens.ts';
import { importAllVapidKeys } from '../channels/webpush/vapid-keys.ts';
import { createDeviceEvents, type DeviceEvents } from '../database/device-events.ts';
import { createServiceClient } from '../database/service-client.ts';
import { answerRequests } from './answer-requests.ts';
import type { receiptsRecorded, released, resubscribed, vapidKey } from './answers.ts';
import { builtOnce } from './built-once.ts';
import { readDeviceMessage } from './device-message.ts';
import { readEnvironment } from './environment.ts';
import type { Platform } from './platform.ts';
import { createProvenDevices } from './proven-devices.ts';
import { provenReceipts } from './proven-receipts.ts';
import { createRateLimit } from './rate-limit.ts';
import { type BodyLimits, createBodyReader } from './read-body.ts';

// Any origin: an app is served from wherever it likes, and nothing here is done for a cookie.
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'apikey, authorization, content-type, x-client-info',
  'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
  'Access-Control-Expose-Headers': 'Retry-After',
  'Access-Control-Max-Age': '86400',
};

// A delivery has four events at most; a worker that got no answer sends them again. A worker that sends more about a delivery
// or device of its own is refused before the database is asked.
const REPEATS = { limit: 40, windowMs: 60_000 };

/**
 * `push-events`: what a service worker says without a session. `POST` takes JSON, at most 32 kB, one of
 *
 * - `{ receipts: [{ receipt, event, action?, at? }] }`, at most 100, the oldest first: 200 `{ accepted, repeated, refused }`.
 *   `receipt` is the token of the payload; `event` is displayed, clicked, action or dismissed.
 * - `{ resubscribe: { old: { endpoint, p256dh, auth }, new: { endpoint, p256dh, auth, vapid_key? } } }`: 200
 *   `{ subscription_id }`, or 404 `subscription_unknown` unless the old keys are proven.
 * - `{ release: { endpoint, p256dh, auth } }`: 200 `{ released }`.
 *
 * `GET` tells the public VAPID key: 200 `{ function, status: 'ok', vapid_public_key }`. Pages and workers of every origin may
 * read all of it. Errors are `{ message, code }`; what was answered 408, 429 or 5xx may be said again:
 *
 * - 400 `body_malformed`, `body_incomplete`, `values_refused`; of a new subscription `endpoint_malformed`, `endpoint_not_allowed`,
 *   `p256dh_invalid`, `auth_invalid`, `vapid_key_invalid`; 409 `endpoint_taken`; 404 `subscription_unknown`
 * - 405 `method_not_allowed`; 408 `body_too_slow`; 413 `body_too_large`; 415 `content_type_unsupported`
 * - 429 `too_many_requests`, `too_many_resubscriptions`
 * - 500 `internal`, `queue_answer_malformed`; 503 `queue_unreachable`, `overloaded`, `not_configured`, `schema_not_exposed`
 *
 * @param limits those of bodies, as they are unless given
 */
export function createPushEvents(
  platform: Pick<Platform, 'environment' | 'log'>,
  limits: Partial<BodyLimits> = {},
): (request: Request) => Promise<Response> {
  const readBody = createBodyReader(limits);
  const getConfiguration = builtOnce(() => readConfiguration(platform.environment));

  return answerRequests({ name: 'push-events', log: platform.log, headers: CORS }, async (request) => {
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: CORS });
    if (request.method !== 'GET' && request.method !== 'POST') {
      const refused = new SupapushError('method_not_allowed', 'Events are told with POST.');
      return errorResponse(refused, { ...CORS, Allow: 'GET, POST, OPTIONS' });
    }
    const configuration = await getConfiguration();
    if (request.method === 'GET') {
      const status: PushEventsStatus & z.infer<typeof vapidKey> = {
        function: 'push-events',
        status: 'ok',
        vapid_public_key: configuration.publicKey,
      };
      return Response.json(status, { headers: CORS });
    }
    return Response.json(await answer(await readDeviceMessage(request, readBody), configuration), {
      headers: CORS,
    });
  });
}

interface Configuration {
  publicKey: string;
  tokens: ReceiptTokens;
  events: DeviceEvents;
  provenDevice: (device: SubscriptionKeys) => Promise<string | null>;
  /** Whether more may be asked now of a delivery or a device, by the id that was proven. */
  mayRepeat: (id: string) => boolean;
}

async function readConfiguration(values: Platform['environment']): Promise<Configuration> {
  try {
    const { supabaseUrl, secretKey, vapid } = readEnvironment(values);
    await importAllVapidKeys(vapid);
    const events = createDeviceEvents(createServiceClient(supabaseUrl, secretKey, 'push-events'));
    return {
      publicKey: vapid[0].publicKey,
      tokens: await createReceiptTokens(vapid, supabaseUrl),
      events,
      provenDevice: createProvenDevices(events),
      mayRepeat: createRateLimit(REPEATS),
    };
  } catch (error) {
    // What is missing is told to operators, by push-dispatch and push-health.
    if (error instanceof SupapushError) throw new SupapushError('not_configured');
    throw error;
  }
}

type Answer = z.infer<typeof receiptsRecorded> | z.infer<typeof resubscribed> | z.infer<typeof released>;

/** Nothing reaches the database but what was proven, and of one delivery or device no more than `REPEATS`. */
async function answer(message: DeviceMessage<unknown>, configuration: Configuration): Promise<Answer> {
  const { tokens, events, provenDevice, mayRepeat } = configuration;
  if ('resubscribe' in message) {
    const { old, new: given } = message.resubscribe;
    const { vapid_key: vapidKey = null, ...keys } = given;
    // A worker that got no answer to its first try proves the new subscription instead.
    const [before, after] = await Promise.all([provenDevice(old), provenDevice(keys)]);
    const id = before ?? after;
    if (id === null) throw new SupapushError('subscription_unknown');
    if (!mayRepeat(id)) throw new SupapushError('too_many_requests');
    return { subscription_id: await events.resubscribe(old, { ...keys, vapidKey }) };
  }
  if ('release' in message) {
    const id = await provenDevice(message.release);
    if (id === null) return { released: false };
    if (!mayRepeat(id)) throw new SupapushError('too_many_requests');
    return { released: await events.release(message.release) };
  }
  const receipts = await provenReceipts(message.receipts, tokens);
  if (!receipts.every(({ deliveryId }) => mayRepeat(deliveryId)))
    throw new SupapushError('too_many_requests');
  const forged = message.receipts.length - receipts.length;
  if (receipts.length === 0) return { accepted: 0, repeated: 0, refused: forged };
  const counts = await events.record(receipts);
  return { ...counts, refused: counts.refused + forged };
}
