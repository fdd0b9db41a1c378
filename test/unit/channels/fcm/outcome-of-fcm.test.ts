import { expect, test } from 'vitest';
import { outcomeOfFcm } from '../../../../src/server/channels/fcm/outcome-of-fcm.ts';

const NOW = Date.UTC(2027, 0, 15, 12);
const FCM_ERROR = 'type.googleapis.com/google.firebase.fcm.v1.FcmError';
const APNS_ERROR = 'type.googleapis.com/google.firebase.fcm.v1.ApnsError';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

const fcm = (errorCode: string) => ({ '@type': FCM_ERROR, errorCode });
const fields = (...names: string[]) => ({
  '@type': BAD_REQUEST,
  fieldViolations: names.map((field) => ({ field, description: 'Invalid value' })),
});
const body = (status: string, message: string, ...details: unknown[]) =>
  JSON.stringify({ error: { code: 0, message, status, details } }, null, 2);

const judge = (status: number, text: string, retryAfter: string | null = null) =>
  outcomeOfFcm({ status, body: text, retryAfter }, NOW);

const INVALID = 'Request contains an invalid argument.';

test.each([
  ['an accepted message', 200, '{"name":"projects/p/messages/1"}', 'sent', undefined],
  ['an accepted message whose answer broke off', 200, '{"na', 'sent', undefined],

  [
    'a token of an app that is gone',
    404,
    body('NOT_FOUND', 'Requested entity was not found.', fcm('UNREGISTERED')),
    'gone',
    'subscription_gone',
  ],
  [
    'text that is no token',
    400,
    body(
      'INVALID_ARGUMENT',
      'The registration token is not a valid FCM registration token',
      fcm('INVALID_ARGUMENT'),
    ),
    'gone',
    'subscription_gone',
  ],
  [
    'text that is no token, by its field',
    400,
    body('INVALID_ARGUMENT', INVALID, fcm('INVALID_ARGUMENT'), fields('message.token')),
    'gone',
    'subscription_gone',
  ],
  [
    'a device that Apple says is gone',
    400,
    body('INVALID_ARGUMENT', 'APNs device token is disabled.', fcm('INVALID_ARGUMENT'), {
      '@type': APNS_ERROR,
      reason: 'Unregistered',
      statusCode: 410,
    }),
    'gone',
    'subscription_gone',
  ],

  [
    'a message with a wrong field',
    400,
    body('INVALID_ARGUMENT', "Invalid value at 'message.data[0].value'", fields('message.data[0].value')),
    'failed',
    'push_service_refused',
  ],
  [
    'a wrong field that FCM found',
    400,
    body('INVALID_ARGUMENT', INVALID, fields('message'), fcm('INVALID_ARGUMENT')),
    'failed',
    'push_service_refused',
  ],
  [
    'a wrong field beside the token',
    400,
    body(
      'INVALID_ARGUMENT',
      INVALID,
      fields('message.token', 'message.android.ttl'),
      fcm('INVALID_ARGUMENT'),
    ),
    'failed',
    'push_service_refused',
  ],
  [
    'a message that is too large',
    400,
    body('INVALID_ARGUMENT', 'Android message is too big', { '@type': BAD_REQUEST }, fcm('INVALID_ARGUMENT')),
    'failed',
    'push_service_refused',
  ],
  [
    'a message that is too large, in other words',
    400,
    body(
      'INVALID_ARGUMENT',
      'Message is too large. The maximum is 4K (4096 bytes).',
      fcm('INVALID_ARGUMENT'),
    ),
    'failed',
    'push_service_refused',
  ],
  [
    'a message that Apple refuses',
    400,
    body('INVALID_ARGUMENT', INVALID, fcm('INVALID_ARGUMENT'), {
      '@type': APNS_ERROR,
      reason: 'PayloadTooLarge',
      statusCode: 413,
    }),
    'failed',
    'push_service_refused',
  ],
  ['a 400 without details', 400, body('INVALID_ARGUMENT', INVALID), 'failed', 'push_service_refused'],
  ['a 400 that is no JSON', 400, '<html>Bad Request</html>', 'failed', 'push_service_refused'],
  [
    'a token named in a 400 of no FCM error',
    400,
    body('INVALID_ARGUMENT', 'The registration token is not valid'),
    'failed',
    'push_service_refused',
  ],
  ['413', 413, '', 'failed', 'payload_too_large'],
  ['a redirect', 301, '', 'failed', 'redirected'],
  ['405', 405, '', 'failed', 'push_service_refused'],

  [
    'a project that does not exist',
    404,
    body('NOT_FOUND', 'Requested entity was not found.'),
    'misconfigured',
    'fcm_refused',
  ],
  ['a 404 that is no JSON', 404, '<!DOCTYPE html>', 'misconfigured', 'fcm_refused'],
  [
    'an access token that is not accepted',
    401,
    body('UNAUTHENTICATED', 'Request had invalid authentication credentials.'),
    'misconfigured',
    'fcm_refused',
  ],
  [
    'credentials for Apple that are missing',
    401,
    body('UNAUTHENTICATED', 'Auth error from APNS or Web Push Service', fcm('THIRD_PARTY_AUTH_ERROR')),
    'misconfigured',
    'fcm_refused',
  ],
  [
    'an account without the right to send',
    403,
    body('PERMISSION_DENIED', "Permission 'cloudmessaging.messages.create' denied"),
    'misconfigured',
    'fcm_refused',
  ],
  [
    'a token of another project',
    403,
    body('PERMISSION_DENIED', 'SenderId mismatch', fcm('SENDER_ID_MISMATCH')),
    'misconfigured',
    'fcm_sender_mismatch',
  ],

  [
    'too many messages',
    429,
    body('RESOURCE_EXHAUSTED', 'Quota exceeded', fcm('QUOTA_EXCEEDED')),
    'retry',
    'throttled',
  ],
  [
    'an error of theirs',
    500,
    body('INTERNAL', 'Internal error encountered.', fcm('INTERNAL')),
    'retry',
    'push_service_error',
  ],
  ['a bad gateway', 502, '<!DOCTYPE html>', 'retry', 'push_service_error'],
  [
    'a server that is busy',
    503,
    body('UNAVAILABLE', 'The service is unavailable.', fcm('UNAVAILABLE')),
    'retry',
    'push_service_error',
  ],
] as const)('%s (%i)', (_what, status, text, outcome, code) => {
  expect(judge(status, text)).toMatchObject({ outcome, status, ...(code === undefined ? {} : { code }) });
});

test.each([
  [429, null, 60],
  [429, '7', 7],
  [429, 'Fri, 15 Jan 2027 12:02:00 GMT', 120],
  [500, null, null],
  [503, '30', 30],
  [503, 'soon', null],
])('%i with Retry-After %s waits for %s seconds', (status, retryAfter, seconds) => {
  expect(judge(status, '', retryAfter)).toMatchObject({ outcome: 'retry', retryAfterSeconds: seconds });
});

test('the message names the code and what was said, and neither the token nor what Postgres cannot store', () => {
  const token = 'abcdefghijklmnop:APA91b-secret-part-of-a-token';
  const text = body('PERMISSION_DENIED', `No \u0000 for ${token} \ud800`, fcm('SENDER_ID_MISMATCH'));
  const outcome = outcomeOfFcm({ status: 403, body: text, retryAfter: null }, NOW, [token]);
  expect(outcome).toMatchObject({ message: '403 SENDER_ID_MISMATCH: No   for …:… \ufffd' });
});

test('a token that is spelt like a code does not hide that code', () => {
  const text = body('NOT_FOUND', 'Requested entity was not found.', fcm('UNREGISTERED'));
  const outcome = outcomeOfFcm({ status: 404, body: text, retryAfter: null }, NOW, [
    'UNREGISTERED:INVALID_ARGUMENT',
  ]);
  expect(outcome.outcome).toBe('gone');
});

test('details of unexpected shapes are read past', () => {
  const text = JSON.stringify({
    error: { message: 7, status: null, details: [{}, { '@type': 5, errorCode: {} }, fcm('UNREGISTERED')] },
  });
  expect(judge(404, text).outcome).toBe('gone');
  for (const strange of [
    'null',
    '[]',
    '{"error":"x"}',
    '{"error":{"details":"x"}}',
    '"x"',
    '{"error":{"details":[null]}}',
  ]) {
    expect(judge(404, strange).outcome).toBe('misconfigured');
  }
});
