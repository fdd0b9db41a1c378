import { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/parse-json.ts';
import { privateKeyOf, publicKeyOf } from '../channels/webpush/vapid-key-forms.ts';
import type { VapidKeys } from '../channels/webpush/vapid-keys.ts';
import { subjectFault } from '../channels/webpush/vapid-subject.ts';
import { MAX_PAYLOAD_BYTES } from '../notification/payload.ts';

/** What the functions are told from outside. The platform sets the first two, `supabase secrets set` the others. */
export interface FunctionEnvironment {
  supabaseUrl: string;
  secretKey: string;
  /** Newest first: new subscriptions are made with it, older ones are signed for with theirs. */
  vapid: [VapidKeys, ...VapidKeys[]];
  bellSecret: string;
  /** The JSON file of a Google service account; undefined where nothing is sent through FCM. */
  fcmServiceAccount: string | undefined;
  /** Web push messages are padded to a multiple of so many bytes; 0 for no padding. */
  padding: number;
  /** Deliveries one invocation sends before it hands over; undefined where the platform decides. */
  deliveryBudget: number | undefined;
}

// What travels in a header. Anything else would never match there, and the runtime quotes it in its error.
const headerValue = z.string().regex(/^[!-~]+$/, 'must be printable ASCII without spaces');

const NO_DEFAULT_KEY = 'must be a JSON object with the entry "default"';

const secretKeys = {
  SUPABASE_SECRET_KEYS: z
    .string()
    .transform((text, context) => {
      // Projects that still run on the older keys have none in it: {}. A line left empty in .env is none either.
      if (text.trim() === '') return undefined;
      const keys = z.object({ default: headerValue.optional() }).safeParse(parseJson(text));
      if (keys.success) return keys.data.default;
      context.addIssue({ code: 'custom', message: NO_DEFAULT_KEY });
      return z.NEVER;
    })
    .optional(),
  // The older one.
  SUPABASE_SERVICE_ROLE_KEY: headerValue.optional(),
};

const publicKey = z.string().transform(publicKeyOf);
const privateKey = z.string().transform(privateKeyOf);

const variables = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }),
  ...secretKeys,
  VAPID_PUBLIC_KEY: publicKey.pipe(z.string().min(1)),
  VAPID_PRIVATE_KEY: privateKey.pipe(z.string().min(1)),
  VAPID_PREVIOUS_KEYS: z
    .string()
    .transform((text, context) => {
      // A line left empty in .env is no key.
      if (text.trim() === '') return [];
      const pairs = z.array(z.object({ publicKey, privateKey })).safeParse(parseJson(text));
      if (pairs.success) return pairs.data;
      context.addIssue({ code: 'custom', message: 'must be JSON: [{"publicKey": "…", "privateKey": "…"}]' });
      return z.NEVER;
    })
    .default([]),
  VAPID_SUBJECT: z.string().superRefine((subject, context) => {
    const fault = subjectFault(subject);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  }),
  // A line left empty in .env counts as 0.
  PUSH_PADDING: z.coerce.number().int().min(0).max(MAX_PAYLOAD_BYTES).default(0),
  PUSH_DELIVERY_BUDGET: z.coerce.number().int().positive().optional(),
  FCM_SERVICE_ACCOUNT: z.string().optional(),
  PUSH_BELL_SECRET: headerValue.min(32, 'must have at least 32 characters'),
});

/** What sending needs, whatever sends. */
export type SendingEnvironment = Pick<
  FunctionEnvironment,
  'supabaseUrl' | 'vapid' | 'fcmServiceAccount' | 'padding'
>;

const sendingVariables = variables.pick({
  SUPABASE_URL: true,
  VAPID_PUBLIC_KEY: true,
  VAPID_PRIVATE_KEY: true,
  VAPID_PREVIOUS_KEYS: true,
  VAPID_SUBJECT: true,
  PUSH_PADDING: true,
  FCM_SERVICE_ACCOUNT: true,
});

/** The variables that `readSendingEnvironment()` reads. */
export const SENDING_VARIABLES = Object.keys(sendingVariables.shape);

const bellVariables = variables.pick({
  SUPABASE_URL: true,
  SUPABASE_SECRET_KEYS: true,
  SUPABASE_SERVICE_ROLE_KEY: true,
  PUSH_BELL_SECRET: true,
});

/**
 * Reads and checks the environment once. Throws `not_configured`, naming every variable that is missing or malformed
 * and never a value.
 */
export function readEnvironment(environment: Record<string, string | undefined>): FunctionEnvironment {
  const { read, secretKey } = readVariables(variables, environment);
  return {
    ...sendingPart(read),
    secretKey,
    bellSecret: read.PUSH_BELL_SECRET,
    deliveryBudget: read.PUSH_DELIVERY_BUDGET,
  };
}

/**
 * Reads and checks what a process of one's own needs to send: it is not rung, and has a connection to the database instead of a
 * key. Throws `not_configured` as `readEnvironment()` does.
 */
export function readSendingEnvironment(environment: Record<string, string | undefined>): SendingEnvironment {
  const read = sendingVariables.safeParse(environment);
  if (read.success) return sendingPart(read.data);
  throw new SupapushError(
    'not_configured',
    `The worker is not configured: ${problemsOf(read.error, environment).join(', ')}. Set them in its environment, as push-dispatch has them.`,
  );
}

function sendingPart(read: z.infer<typeof sendingVariables>): SendingEnvironment {
  const subject = read.VAPID_SUBJECT;
  return {
    supabaseUrl: read.SUPABASE_URL,
    vapid: [
      { publicKey: read.VAPID_PUBLIC_KEY, privateKey: read.VAPID_PRIVATE_KEY, subject },
      ...read.VAPID_PREVIOUS_KEYS.map((pair) => ({ ...pair, subject })),
    ],
    // A line left empty in .env is no account.
    fcmServiceAccount: read.FCM_SERVICE_ACCOUNT?.trim() || undefined,
    padding: read.PUSH_PADDING,
  };
}

/** What a function needs that is rung and works on the database, but sends nothing. Throws `not_configured`. */
export function readBellEnvironment(
  environment: Record<string, string | undefined>,
): Pick<FunctionEnvironment, 'supabaseUrl' | 'secretKey' | 'bellSecret'> {
  const { read, secretKey } = readVariables(bellVariables, environment);
  return { supabaseUrl: read.SUPABASE_URL, secretKey, bellSecret: read.PUSH_BELL_SECRET };
}

function readVariables<
  T extends { SUPABASE_SECRET_KEYS?: string | undefined; SUPABASE_SERVICE_ROLE_KEY?: string | undefined },
>(schema: z.ZodType<T>, environment: Record<string, string | undefined>): { read: T; secretKey: string } {
  const read = schema.safeParse(environment);
  const problems = read.success ? [] : problemsOf(read.error, environment);
  const secretKey = read.data?.SUPABASE_SECRET_KEYS ?? read.data?.SUPABASE_SERVICE_ROLE_KEY;
  if (read.success && secretKey === undefined) {
    const given = environment.SUPABASE_SECRET_KEYS !== undefined;
    problems.push(`SUPABASE_SECRET_KEYS ${given ? NO_DEFAULT_KEY : 'is missing'}`);
  }
  if (!read.success || secretKey === undefined) {
    throw new SupapushError(
      'not_configured',
      `The function is not configured: ${problems.join(', ')}. Run: supabase secrets set`,
    );
  }
  return { read: read.data, secretKey };
}

function problemsOf(error: z.ZodError, environment: Record<string, string | undefined>): string[] {
  return error.issues.map((issue) => {
    const name = issue.path.map(String).join('.');
    return environment[name] === undefined ? `${name} is missing` : `${name} ${issue.message}`;
  });
}

/** The project's secret key, whatever else is missing; undefined where there is none. */
export function readSecretKey(environment: Record<string, string | undefined>): string | undefined {
  const read = z.object(secretKeys).safeParse(environment);
  return read.data?.SUPABASE_SECRET_KEYS ?? read.data?.SUPABASE_SERVICE_ROLE_KEY;
}
