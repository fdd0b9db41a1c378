import { z } from 'zod';
import type { Outcome } from '../channel.ts';
import { retryAfterSeconds } from '../retry-after.ts';
import { storableText } from '../storable-text.ts';

/** What FCM answered. */
export interface FcmAnswer {
  status: number;
  retryAfter: string | null;
  /** The beginning of the response body. */
  body: string;
}

// Google's error model: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. Each detail is of a type of its
// own; one that does not look as expected is no reason to miss the others.
const detail = z.object({
  '@type': z.string().catch(''),
  errorCode: z.string().optional().catch(undefined),
  statusCode: z.number().optional().catch(undefined),
  fieldViolations: z
    .array(z.object({ field: z.string().catch('') }))
    .optional()
    .catch(undefined),
});
const errorBody = z.object({
  error: z.object({
    message: z.string().catch(''),
    status: z.string().catch(''),
    details: z.array(detail).catch([]),
  }),
});

type FcmError = z.infer<typeof errorBody>['error'];

// What Google asks for where a 429 says nothing else.
const THROTTLED_SECONDS = 60;

/** FCM's own code in an answer (`UNREGISTERED`, `SENDER_ID_MISMATCH`, …), or undefined. */
export function fcmErrorCode(body: string): string | undefined {
  return codeOf(parseError(body));
}

/**
 * Reads an answer of FCM HTTP v1.
 *
 * Only what says that this very token is dead deletes a subscription. A 404 without `UNREGISTERED` is a project that
 * does not exist, and `INVALID_ARGUMENT` is said of messages as well as of tokens.
 *
 * @param now milliseconds since the epoch, for a `Retry-After` that is a date
 * @param secrets what must not be repeated from the answer; codes are read before it is taken out, or a token that is
 * spelt like one could hide it
 */
export function outcomeOfFcm(answer: FcmAnswer, now: number, secrets: readonly string[] = []): Outcome {
  const { status } = answer;
  const error = parseError(answer.body);
  const fcmCode = codeOf(error);
  const said = error === undefined ? answer.body : `${fcmCode ?? error.status}: ${error.message}`;
  const message = storableText(`${status} ${said}`, secrets).slice(0, 300).toWellFormed().trim();
  const retryAfter = retryAfterSeconds(answer.retryAfter, now);

  if (status >= 200 && status < 300) return { outcome: 'sent', status };
  if ((status === 404 && fcmCode === 'UNREGISTERED') || (status === 400 && refusesToken(error))) {
    return { outcome: 'gone', status, code: 'subscription_gone', message };
  }
  if (status === 401 || status === 403 || status === 404) {
    const code = fcmCode === 'SENDER_ID_MISMATCH' ? 'fcm_sender_mismatch' : 'fcm_refused';
    return { outcome: 'misconfigured', status, code, message };
  }
  if (status === 429) {
    const retryAfterSeconds = retryAfter ?? THROTTLED_SECONDS;
    return { outcome: 'retry', status, code: 'throttled', message, retryAfterSeconds };
  }
  if (status === 408 || status >= 500) {
    return { outcome: 'retry', status, code: 'push_service_error', message, retryAfterSeconds: retryAfter };
  }
  if (status === 413) return { outcome: 'failed', status, code: 'payload_too_large', message };
  if (status >= 300 && status < 400) return { outcome: 'failed', status, code: 'redirected', message };
  return { outcome: 'failed', status, code: 'push_service_refused', message };
}

/**
 * Whether a 400 is about the token. FCM says `INVALID_ARGUMENT` of a message that is too large, too, so the code alone
 * deletes no device: a field, Apple's own status, or as the last resort the text has to say that it was the token.
 */
function refusesToken(error: FcmError | undefined): boolean {
  if (error === undefined || codeOf(error) !== 'INVALID_ARGUMENT') return false;
  const violations = error.details.flatMap((each) => each.fieldViolations ?? []);
  if (violations.length > 0) return violations.every(({ field }) => field === 'message.token');
  const apns = error.details.find((each) => each['@type'].endsWith('.ApnsError'));
  if (apns !== undefined) return apns.statusCode === 410;
  return /registration token/i.test(error.message);
}

function codeOf(error: FcmError | undefined): string | undefined {
  return error?.details.find((each) => each['@type'].endsWith('.FcmError'))?.errorCode;
}

function parseError(body: string): FcmError | undefined {
  try {
    return errorBody.safeParse(JSON.parse(body)).data?.error;
  } catch {
    return undefined;
  }
}
