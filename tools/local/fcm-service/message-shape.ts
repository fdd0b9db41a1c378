import { z } from 'zod';
import { parseJson } from '../../../src/shared/parse-json.ts';
import { GOOGLE_ERRORS, type GoogleError, invalidField } from './google-error.ts';

const MAX_BYTES = 4096;
const MAX_TTL_SECONDS = 28 * 24 * 60 * 60;
// https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
const RESERVED_NAME = /^(from|message_type|google\..*|gcm\.notification\..*)$/;

const duration = z.string().regex(/^\d+(\.\d{1,9})?s$/);
const texts = z.record(z.string(), z.string());
// https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
const aps = z.looseObject({
  sound: z
    .union([
      z.string(),
      z.strictObject({
        critical: z.literal([0, 1]).optional(),
        name: z.string(),
        volume: z.number().min(0).max(1).optional(),
      }),
    ])
    .optional(),
  badge: z.number().int().nonnegative().optional(),
  'thread-id': z.string().optional(),
  'interruption-level': z.enum(['passive', 'active', 'time-sensitive', 'critical']).optional(),
});
const message = z.strictObject({
  token: z.string().min(1),
  notification: z
    .strictObject({ title: z.string(), body: z.string().optional(), image: z.string().optional() })
    .optional(),
  data: z
    .record(
      z.string().refine((name) => !RESERVED_NAME.test(name)),
      z.string(),
    )
    .optional(),
  android: z
    .strictObject({
      priority: z.enum(['NORMAL', 'HIGH']).optional(),
      ttl: duration.refine((text) => Number.parseFloat(text) <= MAX_TTL_SECONDS).optional(),
      collapse_key: z.string().optional(),
      notification: z
        .strictObject({
          notification_priority: z
            .enum(['PRIORITY_MIN', 'PRIORITY_LOW', 'PRIORITY_DEFAULT', 'PRIORITY_HIGH', 'PRIORITY_MAX'])
            .optional(),
          tag: z.string().optional(),
          channel_id: z.string().optional(),
          sound: z.string().optional(),
          notification_count: z.number().int().nonnegative().optional(),
          vibrate_timings: z.array(duration).optional(),
        })
        .optional(),
    })
    .optional(),
  apns: z
    .strictObject({
      headers: texts
        .refine((headers) => ['1', '5', '10', undefined].includes(headers['apns-priority']))
        .refine((headers) => /^\d{1,10}$/.test(headers['apns-expiration'] ?? '0'))
        .refine((headers) => Buffer.byteLength(headers['apns-collapse-id'] ?? '') <= 64)
        .optional(),
      payload: z.looseObject({ aps }).optional(),
    })
    .optional(),
});

/** A message as FCM HTTP v1 takes it. */
export type SentMessage = z.infer<typeof message>;

/** Reads the body of `messages:send`, or says why it is refused: unknown fields, wrong types, more than 4096 bytes. */
export function readMessage(body: string): SentMessage | GoogleError {
  const read = z.strictObject({ message }).safeParse(parseJson(body));
  if (!read.success) return invalidField(read.error.issues[0]?.path.join('.') || 'message');
  const { notification, data } = read.data.message;
  const size = [notification, data]
    .flatMap((part) => Object.entries<string | undefined>(part ?? {}))
    .reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value ?? ''), 0);
  return size > MAX_BYTES ? GOOGLE_ERRORS.tooBig : read.data.message;
}
