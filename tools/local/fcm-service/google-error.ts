import type { ScriptedAnswer } from '../../../src/testing/push-service/scripted-answer.ts';

/** An error of a Google API: the HTTP status, the canonical code, and details of a type each. */
export type GoogleError = {
  readonly httpStatus: number;
  readonly status: string;
  readonly message: string;
  readonly details?: readonly Readonly<Record<string, unknown>>[];
};

const fcmError = (errorCode: string) => ({
  '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError',
  errorCode,
});
const badRequest = (...fields: string[]) => ({
  '@type': 'type.googleapis.com/google.rpc.BadRequest',
  ...(fields.length > 0 && {
    fieldViolations: fields.map((field) => ({ field, description: `Invalid value at '${field}'` })),
  }),
});

/** What FCM HTTP v1 refuses requests with, in the words of the real one where they are known. */
export const GOOGLE_ERRORS = {
  notFound: { httpStatus: 404, status: 'NOT_FOUND', message: 'The requested URL was not found.' },
  unauthenticated: {
    httpStatus: 401,
    status: 'UNAUTHENTICATED',
    message: 'Request had invalid authentication credentials. Expected OAuth 2 access token.',
  },
  otherProject: {
    httpStatus: 403,
    status: 'PERMISSION_DENIED',
    message: "Permission 'cloudmessaging.messages.create' denied on the project (or it may not exist).",
  },
  unregistered: {
    httpStatus: 404,
    status: 'NOT_FOUND',
    message: 'Requested entity was not found.',
    details: [fcmError('UNREGISTERED')],
  },
  invalidToken: {
    httpStatus: 400,
    status: 'INVALID_ARGUMENT',
    message: 'The registration token is not a valid FCM registration token',
    details: [fcmError('INVALID_ARGUMENT')],
  },
  senderMismatch: {
    httpStatus: 403,
    status: 'PERMISSION_DENIED',
    message: 'SenderId mismatch',
    details: [fcmError('SENDER_ID_MISMATCH')],
  },
  tooBig: {
    httpStatus: 400,
    status: 'INVALID_ARGUMENT',
    message: 'Android message is too big',
    details: [badRequest(), fcmError('INVALID_ARGUMENT')],
  },
  quotaExceeded: {
    httpStatus: 429,
    status: 'RESOURCE_EXHAUSTED',
    message: 'Quota exceeded for the message target.',
    details: [fcmError('QUOTA_EXCEEDED')],
  },
  unavailable: {
    httpStatus: 503,
    status: 'UNAVAILABLE',
    message: 'The service is currently unavailable.',
    details: [fcmError('UNAVAILABLE')],
  },
  internal: {
    httpStatus: 500,
    status: 'INTERNAL',
    message: 'Internal error encountered.',
    details: [fcmError('INTERNAL')],
  },
} as const satisfies Record<string, GoogleError>;

/** A message with a field that is unknown or of another type. */
export function invalidField(field: string): GoogleError {
  return {
    httpStatus: 400,
    status: 'INVALID_ARGUMENT',
    message: `Invalid value at '${field}'`,
    details: [badRequest(field)],
  };
}

/** The JSON body of an error. */
export function googleErrorBody({ httpStatus, status, message, details }: GoogleError): string {
  return JSON.stringify({ error: { code: httpStatus, message, status, ...(details && { details }) } });
}

/** An error as an answer for `script`. */
export function scriptedGoogleError(
  error: GoogleError,
  options: { readonly times?: number; readonly retryAfter?: number | string } = {},
): ScriptedAnswer {
  return { kind: 'status', status: error.httpStatus, body: googleErrorBody(error), ...options };
}
