import type { Outcome } from '../channel.ts';
import { retryAfterSeconds } from '../retry-after.ts';
import { storableText } from '../storable-text.ts';
import { readWnsAnswer } from './wns-answer.ts';

/** What a push service answered. */
export interface PushServiceAnswer {
  status: number;
  /** Empty in HTTP/2. */
  statusText: string;
  retryAfter: string | null;
  headers: Headers;
  /** The beginning of the response body. */
  body: string;
}

type PushServiceKind = 'fcm' | 'mozilla' | 'windows' | 'apple' | 'other';

const KINDS: Record<string, PushServiceKind> = {
  'https://fcm.googleapis.com': 'fcm',
  'https://jmt17.google.com': 'fcm',
  'https://android.googleapis.com': 'fcm',
  'https://updates.push.services.mozilla.com': 'mozilla',
  'https://*.notify.windows.com': 'windows',
  'https://*.push.apple.com': 'apple',
};

/** Which push service stands behind a row of `push.hosts`. */
export function pushServiceKind(host: string): PushServiceKind {
  return KINDS[host] ?? 'other';
}

/**
 * Reads a push service's answer (RFC 8030 section 5, and what each service documents).
 *
 * Only 404 and 410 delete a subscription, and 404 not at Apple, where it means a wrong path. 401 and 403 mean that our
 * VAPID setup is wrong (`vapid_refused`), or that the subscription was made with another key (`vapid_mismatch`): deleting
 * on those is how a wrong key wipes out the subscriptions of all users. Which of the two it is, the database finds out from what
 * several users' devices get. Windows also says 410 when it blocks a sender, and may accept a request and drop its message:
 * it says so in headers.
 *
 * @param host the row of `push.hosts` the endpoint belongs to
 * @param now milliseconds since the epoch, for a `Retry-After` that is a date
 * @param secrets what must not be repeated from the answer
 */
export function outcomeOfResponse(
  host: string,
  answer: PushServiceAnswer,
  now: number,
  secrets: readonly string[] = [],
): Outcome {
  const { status } = answer;
  const kind = pushServiceKind(host);
  const wns = kind === 'windows' ? readWnsAnswer(answer) : null;
  const accepted = status >= 200 && status < 300;
  if (accepted && !wns?.lost) return { outcome: 'sent', status };
  const said = storableText(answer.body.trim() || (wns?.reason ?? ''), secrets);
  const message = storableText(`${status} ${said.slice(0, 300)}`).trim();
  const retry = (code: string): Outcome => ({
    outcome: 'retry',
    status,
    code,
    message,
    retryAfterSeconds: retryAfterSeconds(answer.retryAfter, now),
  });

  if (wns?.throttled) return retry('throttled');
  if (accepted) return { outcome: 'failed', status, code: 'dropped', message };
  if (status === 410 && wns?.senderBlocked)
    return { outcome: 'misconfigured', status, code: 'sender_blocked', message };
  if (status === 410 || (status === 404 && kind !== 'apple')) {
    return { outcome: 'gone', status, code: 'subscription_gone', message };
  }
  if (status === 401 || status === 403 || (status === 400 && refusesOurKey(kind, answer.body))) {
    const hours = hoursApart(answer.headers, now);
    if (hours >= CLOCK_HOURS) {
      const clocks = `Its clock and ours are ${hours} hours apart, and tokens are good for 12. It said: ${message}`;
      return { outcome: 'misconfigured', status, code: 'clock_differs', message: clocks };
    }
    const code = isMismatch(answer.body) ? 'vapid_mismatch' : 'vapid_refused';
    return { outcome: 'misconfigured', status, code, message };
  }
  if (status === 429 || (status === 406 && kind === 'windows')) return retry('throttled');
  if (status === 408 || status >= 500) return retry('push_service_error');
  if (status === 413) return { outcome: 'failed', status, code: 'payload_too_large', message };
  if (status >= 300 && status < 400) return { outcome: 'failed', status, code: 'redirected', message };
  return { outcome: 'failed', status, code: 'push_service_refused', message };
}

/** Services that say 400 where they mean that the VAPID credentials are wrong, or not those of the subscription. */
function refusesOurKey(kind: PushServiceKind, body: string): boolean {
  if (kind === 'fcm') return body.includes('UnauthorizedRegistration');
  if (kind === 'apple') return /VapidPkHashMismatch|(Bad|Expired|Missing|Invalid)JwtToken/.test(body);
  // autopush: 110 to 113 are about the Authorization and crypto headers.
  if (kind === 'mozilla') return /"errno"\s*:\s*11[0-3]\b/.test(body);
  return false;
}

/** Whether a refusal says that the key is not the one of this subscription. The text is for operators; nothing hangs on it. */
function isMismatch(body: string): boolean {
  return /VapidPkHashMismatch|do not correspond|public key mismatch/i.test(body);
}

// A token is good for 12 hours and is renewed an hour before its end; services refuse more than 24.
const CLOCK_HOURS = 11;

/** How far an answer's `Date` is from our clock, in whole hours; 0 without one. */
function hoursApart(headers: Headers, now: number): number {
  const theirs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(theirs) ? 0 : Math.floor(Math.abs(theirs - now) / 3_600_000);
}
