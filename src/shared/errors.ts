/** What an error is: its HTTP status, what to do about it, and after how many seconds the same may be asked again. */
interface KnownError {
  status: number;
  message: string;
  retryAfter?: number;
}

/** Every error of ours that can leave a function or a command. */
export const ERRORS = {
  internal: { status: 500, message: 'Something went wrong.' },
  not_configured: { status: 503, message: 'The function is not configured.' },
  bell_refused: { status: 401, message: 'The bell was rung with the wrong secret.' },
  secret_key_refused: {
    status: 401,
    message: 'The apikey header has a secret key, but not one of this project.',
  },
  method_not_allowed: { status: 405, message: 'This method is not supported.' },
  body_malformed: { status: 400, message: 'The body does not have the format that this function expects.' },
  body_incomplete: { status: 400, message: 'The body ended before it was complete.' },
  body_too_slow: { status: 408, message: 'The body took too long to arrive. Send it again.' },
  body_too_large: { status: 413, message: 'The body is too large.' },
  content_type_unsupported: { status: 415, message: 'The body must be application/json.' },
  values_refused: { status: 400, message: 'The database does not accept these values. Send them unchanged.' },
  too_many_requests: {
    status: 429,
    message: 'Too many requests for one delivery or device. Try again in a minute.',
    retryAfter: 60,
  },
  too_many_resubscriptions: {
    status: 429,
    retryAfter: 3600,
    message: 'This device changed its subscription too often. Try again in an hour.',
  },
  subscription_unknown: {
    status: 404,
    message: 'No device is registered with this subscription. Register it from the app.',
  },
  endpoint_taken: { status: 409, message: 'This endpoint is already registered. Register it from the app.' },
  endpoint_not_allowed: {
    status: 400,
    message: 'The endpoint is not an https URL of a known push service. Subscribe again.',
  },
  endpoint_malformed: { status: 400, message: 'Send subscription.endpoint unchanged.' },
  p256dh_invalid: { status: 400, message: 'Send subscription.toJSON().keys.p256dh unchanged.' },
  auth_invalid: { status: 400, message: 'Send subscription.toJSON().keys.auth unchanged.' },
  vapid_key_invalid: { status: 400, message: 'vapid_key must be the applicationServerKey, or left out.' },
  overloaded: {
    status: 503,
    message: 'Too many requests at once. Try again in a few seconds.',
    retryAfter: 5,
  },
  queue_unreachable: {
    status: 503,
    message: 'The database did not answer. Try again in a few seconds.',
    retryAfter: 5,
  },
  schema_not_exposed: {
    status: 503,
    message:
      'The Data API does not serve the schema public, where the functions of Supapush are. Add it: Dashboard → Project Settings → Data API → Exposed schemas.',
  },
  queue_answer_malformed: { status: 500, message: 'The database returned something unexpected.' },
  vapid_keys_invalid: { status: 503, message: 'The VAPID keys are not a matching P-256 key pair.' },
  fcm_account_invalid: { status: 503, message: 'FCM_SERVICE_ACCOUNT is not a valid service account.' },
  copied_project: { status: 409, message: 'This database is a copy of another project. Nothing is sent.' },
  usage: { status: 400, message: 'The command was called with wrong arguments.' },
} as const satisfies Record<string, KnownError>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a machine code and an HTTP status; `message` says what to do and never carries a secret. */
export class SupapushError extends Error {
  readonly code: ErrorCode;
  readonly status: number;

  constructor(code: ErrorCode, message: string = ERRORS[code].message, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SupapushError';
    this.code = code;
    this.status = ERRORS[code].status;
  }
}

/**
 * The HTTP answer for an error: `{ message, code }`, with `Retry-After` where the same may be asked again; anything that is not
 * ours becomes a bare 500 `internal`.
 */
export function errorResponse(error: unknown, headers: HeadersInit = {}): Response {
  const known = error instanceof SupapushError ? error : new SupapushError('internal');
  const { status, retryAfter }: KnownError = ERRORS[known.code];
  const answer = Response.json({ message: known.message, code: known.code }, { status, headers });
  if (retryAfter !== undefined) answer.headers.set('Retry-After', String(retryAfter));
  return answer;
}
