import { STATUS_CODES } from 'node:http';

/** Why a request was refused: the HTTP status and the number autopush gives that reason. */
export type Refusal = {
  readonly status: number;
  readonly errno: number;
  readonly message: string;
};

/**
 * Every reason this push service refuses a request for.
 *
 * Numbers are those of Mozilla's autopush; 999 is its number for reasons without one of their own. Absent
 * credentials are 401 and invalid ones 403, as RFC 8292 section 4.2 suggests and FCM and Apple do.
 */
export const REFUSALS = {
  unknownEndpoint: { status: 404, errno: 102, message: 'No such push endpoint.' },
  unknownMessage: { status: 404, errno: 102, message: 'No undelivered message has this id.' },
  gone: { status: 410, errno: 106, message: 'The subscription is no longer valid.' },
  tooLarge: { status: 413, errno: 104, message: 'The message body is larger than 4096 bytes.' },
  methodNotAllowed: { status: 405, errno: 999, message: 'This resource does not know that method.' },
  noAuthorization: { status: 401, errno: 109, message: 'VAPID authorization is missing.' },
  malformedAuthorization: {
    status: 401,
    errno: 109,
    message: 'Authorization is not of the form "vapid t=<token>, k=<public key>".',
  },
  invalidKey: { status: 403, errno: 109, message: 'VAPID k is not an uncompressed P-256 public key.' },
  invalidToken: { status: 403, errno: 109, message: 'VAPID t is not a JWT signed with ES256.' },
  invalidSignature: { status: 403, errno: 109, message: 'The signature of the VAPID token is not by key k.' },
  wrongAudience: { status: 403, errno: 109, message: 'VAPID aud is not the origin of this push service.' },
  expiredToken: { status: 403, errno: 109, message: 'The VAPID token has expired.' },
  tokenTooLong: { status: 403, errno: 109, message: 'VAPID exp is more than 24 hours away.' },
  invalidSubject: { status: 403, errno: 109, message: 'VAPID sub is not a mailto: or https: URI.' },
  wrongKey: {
    status: 403,
    errno: 109,
    message: 'The VAPID credentials do not correspond to the key used to create the subscription.',
  },
  missingTtl: { status: 400, errno: 111, message: 'The TTL header is missing.' },
  invalidTtl: { status: 400, errno: 112, message: 'The TTL header is not a number of seconds.' },
  invalidTopic: {
    status: 400,
    errno: 113,
    message: 'The Topic header is not 1 to 32 base64url characters.',
  },
  invalidUrgency: {
    status: 400,
    errno: 999,
    message: 'The Urgency header is not very-low, low, normal or high.',
  },
  invalidEncoding: { status: 400, errno: 110, message: 'Content-Encoding of a body must be aes128gcm.' },
  invalidRecord: {
    status: 400,
    errno: 110,
    message: 'The body is not one aes128gcm record with a P-256 key of 65 bytes.',
  },
  internal: { status: 500, errno: 999, message: 'The push service failed.' },
} as const satisfies Record<string, Refusal>;

/** The JSON body autopush sends with a refusal: `{ code, errno, error, message }`. */
export function refusalBody(refusal: Refusal): string {
  return JSON.stringify({
    code: refusal.status,
    errno: refusal.errno,
    error: STATUS_CODES[refusal.status] ?? 'Unknown',
    message: refusal.message,
  });
}
