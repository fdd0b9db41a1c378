import { z } from 'zod';

// What the functions answer: the handlers are typed by it, and docs/reference/openapi.json is made of it. Nothing loads it at
// run time, so that an answer costs no parsing.

const count = z.int().nonnegative();
const moment = z.iso.datetime({ offset: true });

/** A function that can work. */
export const ready = z.strictObject({
  function: z.enum(['push-dispatch', 'push-quotes']),
  status: z.literal('ok'),
});

/** The dispatcher that begins to work. */
export const dispatcherCalled = z.strictObject({ dispatcher: z.uuid() });

/** Sources of quotes begin to be asked. */
export const sourcesCalled = z.strictObject({});

export const vapidKey = z.strictObject({
  function: z.literal('push-events'),
  status: z.literal('ok'),
  vapid_public_key: z.string().describe('What browsers subscribe with (applicationServerKey), base64url.'),
});

export const receiptsRecorded = z.strictObject({
  accepted: count.describe('The first of its kind for its delivery.'),
  repeated: count.describe('Known already.'),
  refused: count.describe('Malformed, without a token of this project, or of a delivery that is gone.'),
});

export const resubscribed = z.strictObject({ subscription_id: z.uuid() });

export const released = z.strictObject({
  released: z.boolean().describe('False: there is no such device, or these are not its keys.'),
});

export const publicHealth = z.strictObject({
  function: z.literal('push-health'),
  status: z.literal('ok'),
  configured: z.literal(true),
  vapid_public_key: z.string().describe('What browsers subscribe with (applicationServerKey), base64url.'),
});

const reasons = z.array(z.strictObject({ code: z.string(), message: z.string() }));

export const notConfigured = z.strictObject({
  function: z.literal('push-health'),
  status: z.literal('not_configured'),
  configured: z.literal(false),
  healthy: z.literal(false).optional().describe('With the secret key alone.'),
  reasons: reasons
    .optional()
    .describe('With the secret key alone: what is missing, and what is wrong with what is there.'),
});

const functionHealth = {
  function: z.literal('push-health'),
  status: z.enum(['ok', 'unhealthy']),
  configured: z.literal(true),
  vapid_public_key: z.string(),
  fcm: z.boolean().describe('Whether FCM_SERVICE_ACCOUNT is set.'),
  healthy: z.boolean(),
  reasons: reasons.describe('Why it is not healthy; empty when it is.'),
};

/** Where the database cannot say more. */
export const databaseSilent = z.strictObject(functionHealth);

/** What the secret key is told: `public.push_health()`, and what the function knows. */
export const healthReport = z.strictObject({
  ...functionHealth,
  waiting: count.describe('Deliveries that are due, counted up to 100,000 for each push service.'),
  oldest_waiting_seconds: z
    .number()
    .nonnegative()
    .describe('Since when the oldest of them is due, pauses aside.'),
  sending: count.describe('Deliveries that a dispatcher has taken.'),
  recent: z
    .record(z.string(), count)
    .describe('How the newest 10,000 of a quarter of an hour ended, by state.'),
  success_rate: z.number().min(0).max(1).nullable().describe('Of these; null where nothing was tried.'),
  errors: z
    .array(z.strictObject({ code: z.string().nullable(), host: z.string(), count }))
    .describe('Why the others of these were not sent, the most frequent first.'),
  rule_errors: z
    .array(z.strictObject({ rule: z.string(), count, last_error: z.string(), last_error_at: moment }))
    .describe('Of the last hour.'),
  hosts: z
    .array(
      z.strictObject({
        origin: z.string(),
        circuit: z.enum(['open', 'slowed', 'closed']),
        paused_at: moment.nullable(),
        last_success_at: moment.nullable(),
        last_error_at: moment.nullable(),
        last_error: z.string().nullable(),
      }),
    )
    .describe('Push services that were tried; open: paused, but for probes.'),
  pauses: z
    .array(
      z.strictObject({
        category: z.string().nullable(),
        host: z.string().nullable(),
        reason: z.string(),
        paused_at: moment,
        resumed_at: moment.nullable(),
        discard_before: moment.nullable(),
        discarded: count,
        waiting: count,
      }),
    )
    .describe('What operators paused, until what that held back is settled.'),
  reminders: z.strictObject({
    overdue: count.describe('Due for more than a minute.'),
    errors: count.describe('Of the last hour.'),
  }),
  receipts: z.record(z.string(), count).describe('What devices said of the recent deliveries, by event.'),
  alarms: z.array(
    z.strictObject({ code: z.string(), subject: z.string(), message: z.string(), raised_at: moment }),
  ),
  quote_sources: z.array(
    z.strictObject({
      source: z.string(),
      state: z.enum(['ok', 'new', 'retrying', 'failing']),
      failures: count.describe('In a row.'),
      symbols: count,
      refused_symbols: count,
      missing_symbols: count,
      next_attempt_at: moment.nullable(),
      last_success_at: moment.nullable(),
      last_error_at: moment.nullable(),
      last_error_code: z.string().nullable(),
      last_error: z.string().nullable(),
      last_run: z.record(z.string(), z.unknown()).nullable(),
    }),
  ),
  version: z.string().describe('The release of the database: `push.version()`.'),
  functions: z
    .array(z.strictObject({ name: z.string(), version: z.string(), seen_at: moment }))
    .describe('Of which release each function was when it last called the database.'),
  dispatchers: count.describe('At work, or called.'),
  workers: z
    .array(
      z.strictObject({
        name: z.string(),
        version: z.string(),
        registered_at: moment,
        listens: z.boolean().describe('False: it asks every second whether it was called.'),
        dispatchers: count.describe('At work in it.'),
      }),
    )
    .describe('Live ones, idle or at work.'),
  last_tick_at: moment.nullable(),
});
