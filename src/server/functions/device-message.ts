import { z } from 'zod';
import { asBase64Url } from '../../shared/base64url.ts';
import { type DeviceMessage, MAX_RECEIPTS } from '../../shared/device-message.ts';
import { SupapushError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/parse-json.ts';
import type { createBodyReader } from './read-body.ts';

const MAX_BODY_BYTES = 32 * 1024;

// What PostgreSQL has no place for would otherwise be an error of the database.
const storable = z.string().refine((text) => !text.includes('\u0000') && text.isWellFormed());
// The table keeps keys in one spelling, and a device proves itself by the same.
const key = storable.min(1).max(128).transform(asBase64Url);
const device = z.object({ endpoint: storable.min(1).max(2048), p256dh: key, auth: key });
const renewed = device.extend({ vapid_key: key.nullish() });
/** The body of a request to `push-events`. */
export const deviceMessage = z.union([
  // Each is looked at alone: one that is malformed, or of a newer worker, does not take the others with it.
  z.strictObject({ receipts: z.array(z.unknown()).max(MAX_RECEIPTS) }),
  z.strictObject({ resubscribe: z.object({ old: device, new: renewed }) }),
  z.strictObject({ release: device }),
]) satisfies z.ZodType<DeviceMessage<unknown>>;

/** What is read: at least all that the type of devices lets them say. */
export type ReadableMessage = z.input<typeof deviceMessage>;

/** Reads what a device says to `push-events`, with nothing in it that cannot be stored. Throws `content_type_unsupported`, `body_malformed` and what the body's reader throws. */
export async function readDeviceMessage(
  request: Request,
  readBody: ReturnType<typeof createBodyReader>,
): Promise<DeviceMessage<unknown>> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')) {
    throw new SupapushError('content_type_unsupported');
  }
  const read = deviceMessage.safeParse(parseJson(await readBody(request, MAX_BODY_BYTES)));
  if (read.success) return read.data;
  throw new SupapushError(
    'body_malformed',
    `The body must be JSON: {"receipts": […]} with at most ${MAX_RECEIPTS}, {"resubscribe": {"old": …, "new": …}} or {"release": …}.`,
  );
}
