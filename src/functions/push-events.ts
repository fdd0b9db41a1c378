import { z } from 'zod';
import { createReceiptTokens, type ReceiptTokens } from '../channels/receipt-tokens.ts';
import { storableText } from '../channels/storable-text.ts';
import { importAllVapidKeys } from '../channels/webpush/vapid-keys.ts';
import { createDeviceEvents, type DeviceEvents, type Receipt } from '../database/device-events.ts';
import { createServiceClient } from '../database/service-client.ts';
import { errorResponse, SupapushError } from '../errors.ts';
import { parseJson } from '../parse-json.ts';
import { readEnvironment } from './environment.ts';
import type { Platform } from './platform.ts';
import { createRateLimit } from './rate-limit.ts';
import { readBody } from './read-body.ts';

// Any origin: an app is served from wherever it likes, and nothing here is done for a cookie.
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'apikey, authorization, content-type, x-client-info',
  'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
  'Access-Control-Max-Age': '86400',
};

const MAX_BODY_BYTES = 32 * 1024;
const MAX_RECEIPTS = 100;
// Four events at most become of a delivery; a worker that got no answer says them again. Whoever repeats them more often
// is kept from the database.
const REPEATS = { limit: 40, windowMs: 60_000 };

const receipt = z.object({
  receipt: z.string(),
  event: z.enum(['displayed', 'clicked', 'action', 'dismissed']),
  action: z.string().max(100).nullish(),
  at: z.string().max(64).nullish(),
});
const device = z.object({
  endpoint: z.string().min(1).max(2048),
  p256dh: z.string().min(1).max(128),
  auth: z.string().min(1).max(64),
});
const renewed = device.extend({ vapid_key: z.string().min(1).max(128).nullish() });
const message = z.union([
  // Each is looked at alone: one that is malformed, or of a newer worker, does not take the others with it.
  z.strictObject({ receipts: z.array(z.unknown()).max(MAX_RECEIPTS) }),
  z.strictObject({ resubscribe: z.object({ old: device, new: renewed }) }),
  z.strictObject({ release: device }),
]);

/**
 * `push-events`: what a service worker says without a session. `POST` takes JSON, at most 32 kB, one of
 *
 * - `{ receipts: [{ receipt, event, action?, at? }] }`, at most 100: 200 `{ accepted, repeated, refused }`. `receipt` is the
 *   token of the payload; `event` is displayed, clicked, action or dismissed.
 * - `{ resubscribe: { old: { endpoint, p256dh, auth }, new: { endpoint, p256dh, auth, vapid_key? } } }`: 200
 *   `{ subscription_id }`, or 404 `subscription_unknown` unless the old keys are proven.
 * - `{ release: { endpoint, p256dh, auth } }`: 200 `{ released }`.
 *
 * `GET` tells the public VAPID key: 200 `{ function, status: 'ok', vapid_public_key }`. Errors are `{ message, code }`; what
 * was answered 429 or 5xx may be said again. Pages and workers of every origin may read all of it.
 */
export function createPushEvents(
  platform: Pick<Platform, 'environment' | 'log'>,
): (request: Request) => Promise<Response> {
  let world: Promise<World> | undefined;
  // Built with the first request and kept, but for one that failed: see createPushDispatch().
  const getWorld = () => {
    world ??= buildWorld(platform.environment).catch((error: unknown) => {
      world = undefined;
      throw error;
    });
    return world;
  };

  return async (request) => {
    try {
      if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: CORS });
      if (request.method !== 'GET' && request.method !== 'POST') {
        const refused = new SupapushError('method_not_allowed', 'Events are told with POST.');
        return errorResponse(refused, { ...CORS, Allow: 'GET, POST, OPTIONS' });
      }
      const ready = await getWorld();
      if (request.method === 'GET') {
        const body = { function: 'push-events', status: 'ok', vapid_public_key: ready.publicKey };
        return Response.json(body, { headers: CORS });
      }
      return Response.json(await answer(await readMessage(request), ready), { headers: CORS });
    } catch (error) {
      // Its name alone: nothing that a stranger sent gets into a log.
      if (!(error instanceof SupapushError)) {
        const name = error instanceof Error ? error.name : typeof error;
        platform.log({ level: 'error', event: 'request_failed', function: 'push-events', name });
      }
      return errorResponse(error, CORS);
    }
  };
}

interface World {
  publicKey: string;
  tokens: ReceiptTokens;
  events: DeviceEvents;
  /** Whether more may be said of a delivery now. */
  mayRepeat: (deliveryId: string) => boolean;
}

async function buildWorld(values: Platform['environment']): Promise<World> {
  try {
    const { supabaseUrl, secretKey, vapid } = readEnvironment(values);
    await importAllVapidKeys(vapid);
    return {
      publicKey: vapid[0].publicKey,
      tokens: await createReceiptTokens(vapid, supabaseUrl),
      events: createDeviceEvents(createServiceClient(supabaseUrl, secretKey)),
      mayRepeat: createRateLimit(REPEATS),
    };
  } catch (error) {
    // What is missing is told to operators, by push-dispatch and push-health.
    if (error instanceof SupapushError) throw new SupapushError('not_configured');
    throw error;
  }
}

async function readMessage(request: Request): Promise<z.infer<typeof message>> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')) {
    throw new SupapushError('content_type_unsupported');
  }
  const read = message.safeParse(parseJson(await readBody(request, MAX_BODY_BYTES)));
  if (read.success) return read.data;
  throw new SupapushError(
    'body_malformed',
    `The body must be JSON: {"receipts": […]} with at most ${MAX_RECEIPTS}, {"resubscribe": {"old": …, "new": …}} or {"release": …}.`,
  );
}

async function answer(said: z.infer<typeof message>, { tokens, events, mayRepeat }: World): Promise<object> {
  if ('resubscribe' in said) {
    const { old, new: given } = said.resubscribe;
    const { vapid_key: vapidKey = null, ...keys } = given;
    return { subscription_id: await events.resubscribe(old, { ...keys, vapidKey }) };
  }
  if ('release' in said) return { released: await events.release(said.release) };

  const receipts = await readReceipts(said.receipts, tokens);
  if (!receipts.every(({ deliveryId }) => mayRepeat(deliveryId)))
    throw new SupapushError('too_many_receipts');
  const forged = said.receipts.length - receipts.length;
  // The database hears of those alone that a device of ours has sent.
  if (receipts.length === 0) return { accepted: 0, repeated: 0, refused: forged };
  const counts = await events.record(receipts);
  return { ...counts, refused: counts.refused + forged };
}

/** Those of the receipts that are ones. */
async function readReceipts(values: unknown[], tokens: ReceiptTokens): Promise<Receipt[]> {
  const receipts = values.map(async (value): Promise<Receipt[]> => {
    const read = receipt.safeParse(value);
    if (!read.success) return [];
    const deliveryId = await tokens.verify(read.data.receipt);
    if (deliveryId === null) return [];
    const { event, action, at } = read.data;
    const name = typeof action === 'string' && event === 'action' ? storableText(action) : null;
    return [{ deliveryId, event, action: name, at: moment(at) }];
  });
  return (await Promise.all(receipts)).flat();
}

/** A device's clock may say anything; what it cannot be is put right by the database, which knows when the delivery was made. */
function moment(text: string | null | undefined): string | null {
  const milliseconds = Date.parse(text ?? '');
  if (Number.isNaN(milliseconds)) return null;
  // From 1970 to 9999: what both JavaScript and Postgres read.
  return new Date(Math.min(Math.max(milliseconds, 0), 253_402_300_799_000)).toISOString();
}
