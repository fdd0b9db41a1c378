import type { Channel, Outcome } from '../channel.ts';
import { type PostResult, postRequest, timeoutOf } from '../post-request.ts';
import { type ReceiptTokens, receiptOf } from '../receipt-tokens.ts';
import { createAccessTokens } from './access-token.ts';
import { fcmMessage, MAX_FCM_BYTES, payloadBytes } from './fcm-message.ts';
import { fcmErrorCode, outcomeOfFcm } from './outcome-of-fcm.ts';
import { messagesUrl, type ServiceAccount } from './service-account.ts';

export interface FcmOptions {
  account: ServiceAccount;
  /** Signs the token of each delivery by which its device reports what became of it. */
  receipts: Pick<ReceiptTokens, 'sign'>;
  /** Milliseconds for one request, from connecting to the last byte of the answer; twice that for a repeated one. */
  timeoutMs?: number;
  now?: () => number;
}

/** Sends by Firebase Cloud Messaging, HTTP v1 (`projects.messages.send`), to apps on Android and Apple's devices. */
export function createFcmChannel({
  account,
  receipts,
  timeoutMs = 10_000,
  now = Date.now,
}: FcmOptions): Channel<'fcm'> {
  const tokens = createAccessTokens(account, { timeoutMs, now });

  return {
    async send(delivery) {
      const url = messagesUrl(delivery.host, account);
      if (url === null) {
        const message = `FCM_SERVICE_ACCOUNT is not for the FCM service in push.hosts, ${delivery.host}.`;
        return { outcome: 'misconfigured', status: null, code: 'fcm_account_elsewhere', message };
      }
      const message = await fcmMessage(delivery, await receiptOf(delivery, receipts), now());
      const bytes = payloadBytes(message);
      if (bytes > MAX_FCM_BYTES) {
        const said = `The message has ${bytes} bytes. The limit is ${MAX_FCM_BYTES}.`;
        return { outcome: 'failed', status: null, code: 'payload_too_large', message: said };
      }
      const body = JSON.stringify({ message });
      const secrets = [delivery.target.token];
      const post = (accessToken: string): Promise<PostResult> => {
        secrets.push(accessToken);
        const headers = { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' };
        return postRequest(url, { headers, body }, { timeoutMs: timeoutOf(delivery, timeoutMs), secrets });
      };
      const outcomeOf = (answer: PostResult): Outcome =>
        answer.status === null
          ? { ...answer, outcome: 'retry', retryAfterSeconds: null }
          : outcomeOfFcm(answer, now(), secrets);

      const access = await tokens.get();
      if ('problem' in access) return access.problem;
      const answer = await post(access.token);
      if (!refusesAccessToken(answer)) return outcomeOf(answer);
      const other = await tokens.replace(access.token);
      if (other === null) return outcomeOf(answer);
      return 'problem' in other ? other.problem : outcomeOf(await post(other.token));
    },
  };
}

/** 401 is also said of the credentials for Apple that Firebase holds; another access token changes nothing about those. */
function refusesAccessToken(answer: PostResult): boolean {
  return answer.status === 401 && fcmErrorCode(answer.body) !== 'THIRD_PARTY_AUTH_ERROR';
}
