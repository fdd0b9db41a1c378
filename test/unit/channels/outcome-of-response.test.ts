import { describe, expect, test } from 'vitest';
import { outcomeOfResponse } from '../../../src/server/channels/webpush/outcome-of-response.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const LOCAL = 'http://127.0.0.1:4000';
const FCM = ['https://fcm.googleapis.com', 'https://jmt17.google.com', 'https://android.googleapis.com'];
const MOZILLA = 'https://updates.push.services.mozilla.com';
const WINDOWS = 'https://*.notify.windows.com';
const APPLE = 'https://*.push.apple.com';
const HOSTS = [...FCM, MOZILLA, WINDOWS, APPLE, LOCAL];

const judge = (host: string, status: number, body = '', retryAfter: string | null = null) =>
  outcomeOfResponse(host, { status, statusText: '', headers: new Headers(), body, retryAfter }, NOW);
const verdict = (host: string, status: number, body = '') => {
  const outcome = judge(host, status, body);
  return 'code' in outcome ? `${outcome.outcome} ${outcome.code}` : outcome.outcome;
};

const GONE = 'gone subscription_gone';
const OUR_FAULT = 'misconfigured vapid_refused';
const MISMATCH = 'misconfigured vapid_mismatch';
const THROTTLED = 'retry throttled';
const ILL = 'retry push_service_error';
const REFUSED = 'failed push_service_refused';
const TOO_LARGE = 'failed payload_too_large';
const autopush = (code: number, errno: number) =>
  JSON.stringify({ code, errno, error: 'x', message: 'y', more_info: 'http://autopush.readthedocs.io' });
const CREDENTIALS =
  'the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.';
const UNAUTHORIZED = '<HTML><HEAD><TITLE>UnauthorizedRegistration</TITLE></HEAD></HTML>';

describe('the table of push services', () => {
  test.each<[string, string, number, string, string]>([
    ...FCM.flatMap((host): [string, string, number, string, string][] => [
      [host, 'dead', 404, '', GONE],
      [host, 'dead', 410, '', GONE],
      [host, 'our fault', 401, '', OUR_FAULT],
      [host, 'made with another key', 403, CREDENTIALS, MISMATCH],
      [host, 'our fault', 400, UNAUTHORIZED, OUR_FAULT],
      [host, 'a bad request of another kind', 400, 'InvalidTtl', REFUSED],
      [host, 'throttled', 429, '', THROTTLED],
      [host, 'ill', 500, '', ILL],
      [host, 'ill', 502, '', ILL],
      [host, 'ill', 503, '', ILL],
      [host, 'ill', 504, '', ILL],
      [host, 'of no meaning here', 406, '', REFUSED],
    ]),
    [MOZILLA, 'dead', 404, autopush(404, 102), GONE],
    [MOZILLA, 'dead', 410, autopush(410, 103), GONE],
    [MOZILLA, 'dead', 410, autopush(410, 105), GONE],
    [MOZILLA, 'dead', 410, autopush(410, 106), GONE],
    [MOZILLA, 'our fault', 401, autopush(401, 109), OUR_FAULT],
    [MOZILLA, 'our fault', 403, '', OUR_FAULT],
    [MOZILLA, 'made with another key', 401, 'VAPID public key mismatch', MISMATCH],
    [MOZILLA, 'our fault', 400, autopush(400, 110), OUR_FAULT],
    [MOZILLA, 'our fault', 400, autopush(400, 111), OUR_FAULT],
    [MOZILLA, 'our fault', 400, autopush(400, 112), OUR_FAULT],
    [MOZILLA, 'our fault', 400, autopush(400, 113), OUR_FAULT],
    [MOZILLA, 'a bad request of another kind', 400, autopush(400, 101), REFUSED],
    [MOZILLA, 'a number that only begins like ours', 400, autopush(400, 1101), REFUSED],
    [MOZILLA, 'a bad request without a reason', 400, '', REFUSED],
    [MOZILLA, 'too large', 413, autopush(413, 104), TOO_LARGE],
    [MOZILLA, 'throttled', 429, '', THROTTLED],
    [MOZILLA, 'to back off', 503, autopush(503, 201), ILL],
    [MOZILLA, 'to come back now', 503, autopush(503, 202), ILL],
    [MOZILLA, 'ill', 502, '', ILL],
    [MOZILLA, 'of no meaning here', 406, '', REFUSED],
    [WINDOWS, 'dead', 404, '', GONE],
    [WINDOWS, 'dead', 410, '', GONE],
    [WINDOWS, 'our fault', 401, '', OUR_FAULT],
    [WINDOWS, 'our fault', 403, '', OUR_FAULT],
    [WINDOWS, 'throttled', 406, '', THROTTLED],
    [WINDOWS, 'throttled', 429, '', THROTTLED],
    [WINDOWS, 'ill', 500, '', ILL],
    [WINDOWS, 'ill', 503, '', ILL],
    [WINDOWS, 'a bad request', 400, '', REFUSED],
    [APPLE, 'a wrong path, not a dead device', 404, '{"reason":"BadPath"}', REFUSED],
    [APPLE, 'dead', 410, '{"reason":"Unregistered"}', GONE],
    [APPLE, 'our fault', 403, '{"reason":"BadJwtToken"}', OUR_FAULT],
    [APPLE, 'our fault', 401, '', OUR_FAULT],
    [APPLE, 'our fault', 400, '{"reason":"BadJwtToken"}', OUR_FAULT],
    [APPLE, 'our fault', 400, '{"reason":"ExpiredJwtToken"}', OUR_FAULT],
    [APPLE, 'made with another key', 400, '{"reason":"VapidPkHashMismatch"}', MISMATCH],
    [APPLE, 'a bad request of another kind', 400, '{"reason":"BadPath"}', REFUSED],
    [APPLE, 'throttled', 429, '{"reason":"TooManyRequests"}', THROTTLED],
    [APPLE, 'ill', 500, '', ILL],
    [APPLE, 'ill', 503, '{"reason":"ServiceUnavailable"}', ILL],
    [APPLE, 'of no meaning here', 406, '', REFUSED],
  ])('%s: %s (%i %s) is %s', (host, _, status, body, expected) => {
    expect(verdict(host, status, body)).toBe(expected);
  });
});

test.each([
  ['a day behind', -24, 'clock_differs'],
  ['twelve hours ahead', 12, 'clock_differs'],
  ['an hour ahead', 1, 'vapid_refused'],
])('a key that is refused by a service whose clock is %s', (_what, hours, code) => {
  const headers = new Headers({ date: new Date(NOW + hours * 3_600_000).toUTCString() });
  const answer = { status: 401, statusText: '', headers, body: 'Expired', retryAfter: null };
  expect(outcomeOfResponse(MOZILLA, answer, NOW)).toMatchObject({ outcome: 'misconfigured', code });
});

describe('at every push service', () => {
  test.each(HOSTS)('%s: nothing but 404 and 410 ever deletes a subscription', (host) => {
    const bodies = ['', UNAUTHORIZED, autopush(400, 106), autopush(401, 109), '{"reason":"Unregistered"}'];
    const deleting = new Set<number>();
    for (let status = 100; status < 600; status++) {
      for (const body of bodies) if (judge(host, status, body).outcome === 'gone') deleting.add(status);
    }
    expect([...deleting]).toEqual(host === APPLE ? [410] : [404, 410]);
  });

  test.each(HOSTS)('%s: 2xx and nothing else is sent', (host) => {
    for (let status = 100; status < 600; status++) {
      const outcome = judge(host, status, UNAUTHORIZED);
      if (status >= 200 && status < 300) expect(outcome).toEqual({ outcome: 'sent', status });
      else expect(outcome.outcome, String(status)).not.toBe('sent');
    }
  });

  test.each(HOSTS)('%s: what is the same everywhere', (host) => {
    for (let status = 500; status < 600; status++) expect(verdict(host, status)).toBe(ILL);
    for (const status of [300, 301, 302, 303, 304, 307, 308])
      expect(verdict(host, status)).toBe('failed redirected');
    expect(verdict(host, 401)).toBe(OUR_FAULT);
    expect(verdict(host, 403)).toBe(OUR_FAULT);
    expect(verdict(host, 408)).toBe(ILL);
    expect(verdict(host, 413)).toBe(TOO_LARGE);
    expect(verdict(host, 429)).toBe(THROTTLED);
    for (const status of [402, 405, 409, 411, 415, 418, 422, 431, 451])
      expect(verdict(host, status)).toBe(REFUSED);
  });

  test('one service’s words mean nothing in another’s mouth', () => {
    for (const host of [MOZILLA, WINDOWS, APPLE, LOCAL])
      expect(verdict(host, 400, UNAUTHORIZED)).toBe(REFUSED);
    for (const host of [...FCM, WINDOWS, APPLE, LOCAL])
      expect(verdict(host, 400, autopush(400, 110))).toBe(REFUSED);
  });
});

describe('what an outcome carries', () => {
  test('status, and the beginning of what was said', () => {
    expect(judge(LOCAL, 500, 'x'.repeat(1000))).toMatchObject({
      status: 500,
      message: `500 ${'x'.repeat(300)}`,
    });
    expect(judge(LOCAL, 500, '')).toMatchObject({ message: '500' });
  });

  test.each([
    ['a NUL byte', 'a\0b', '500 a b'],
    ['control characters', 'a\r\n\tb\u0085c', '500 a b c'],
    ['a surrogate pair cut in half by the limit', `${'x'.repeat(299)}😀`, `500 ${'x'.repeat(299)}\ufffd`],
  ])('a text that PostgreSQL can store: %s', (_, body, message) => {
    expect(judge(LOCAL, 500, body)).toMatchObject({ message });
  });

  test.each([429, 500, 503])('Retry-After of a %i', (status) => {
    expect(judge(LOCAL, status, '', '120')).toMatchObject({ retryAfterSeconds: 120 });
    expect(judge(LOCAL, status)).toMatchObject({ retryAfterSeconds: null });
  });

  test('Retry-After of a Windows 406', () => {
    expect(judge(WINDOWS, 406, '', '60')).toMatchObject({ outcome: 'retry', retryAfterSeconds: 60 });
  });
});
