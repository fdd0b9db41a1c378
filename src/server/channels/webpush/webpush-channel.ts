import { decodeBase64Url } from '../../../shared/base64url.ts';
import { MAX_PAYLOAD_BYTES } from '../../notification/payload.ts';
import { createPreparedPayloads } from '../../notification/prepared-payloads.ts';
import type { Channel, ClaimedDelivery, Outcome } from '../channel.ts';
import { errorText } from '../error-text.ts';
import { postRequest, timeoutOf } from '../post-request.ts';
import { type ReceiptTokens, receiptOf } from '../receipt-tokens.ts';
import { storableText } from '../storable-text.ts';
import { isAllowedEndpoint } from './endpoint.ts';
import { encryptMessage } from './message-encryption.ts';
import { paddingFor } from './message-padding.ts';
import { outcomeOfResponse, pushServiceKind } from './outcome-of-response.ts';
import { createVapidAuthorization } from './vapid-authorization.ts';
import type { VapidSigner } from './vapid-keys.ts';

export interface WebPushOptions {
  /** The project's key pairs, newest first. A subscription is signed for with the key it was made with. */
  signers: [VapidSigner, ...VapidSigner[]];
  /** Signs the token of each delivery by which its device reports what became of it. */
  receipts: Pick<ReceiptTokens, 'sign'>;
  /** Messages are padded to a multiple of so many bytes; 0 (the default) for no padding. */
  padding?: number;
  /** Milliseconds for one request, from connecting to the last byte of the answer; twice that for a repeated one. */
  timeoutMs?: number;
  now?: () => number;
}

/** Sends by Web Push: RFC 8030 for the request, RFC 8291 for the encryption, RFC 8292 for who we are. */
export function createWebPushChannel({
  signers,
  receipts,
  padding = 0,
  timeoutMs = 10_000,
  now = Date.now,
}: WebPushOptions): Channel<'webpush'> {
  const [{ publicKey: newest }] = signers;
  const authorizations = new Map(
    signers.map((signer) => [signer.publicKey, createVapidAuthorization(signer, now)]),
  );
  const prepare = createPreparedPayloads();

  return {
    async send(delivery) {
      const problem = refusal(delivery);
      if (problem !== null) return problem;
      const authorizationFor = authorizations.get(delivery.target.vapidKey ?? newest);
      if (authorizationFor === undefined) return VAPID_KEY_UNKNOWN;
      const payload = prepare(delivery.content)(await receiptOf(delivery, receipts));
      if (payload.length > MAX_PAYLOAD_BYTES) {
        const message = `The message has ${payload.length} bytes. The limit is ${MAX_PAYLOAD_BYTES}.`;
        return { outcome: 'failed', status: null, code: 'payload_too_large', message };
      }
      const { endpoint, p256dh, auth } = delivery.target;
      const { origin } = new URL(endpoint);
      const secrets = [endpoint.slice(origin.length), p256dh, auth];
      let request: Awaited<ReturnType<typeof encryptedRequest>>;
      try {
        const authorization = await authorizationFor(origin);
        secrets.push(authorization);
        request = await encryptedRequest(delivery, payload, authorization, padding);
      } catch (error) {
        const message = storableText(errorText(error), secrets);
        return { outcome: 'failed', status: null, code: 'encryption_failed', message };
      }
      const options = { timeoutMs: timeoutOf(delivery, timeoutMs), secrets };
      const answer = await postRequest(endpoint, request, options);
      if (answer.status === null) return { ...answer, outcome: 'retry', retryAfterSeconds: null };
      return outcomeOfResponse(delivery.host, answer, now(), secrets);
    },
  };
}

// Not `misconfigured`: the key in the row is its owner's word, and one row must not stop a whole push service.
const VAPID_KEY_UNKNOWN: Outcome = {
  outcome: 'failed',
  status: null,
  code: 'vapid_key_unknown',
  message:
    'The subscription was made with a VAPID key that this project does not have. The device must subscribe again.',
};

/** Why this delivery must not even be tried, or null. */
function refusal({ target, host }: ClaimedDelivery<'webpush'>): Outcome | null {
  if (isAllowedEndpoint(target.endpoint, host)) return null;
  const message = 'The endpoint does not belong to the push service it was registered under.';
  return { outcome: 'failed', status: null, code: 'endpoint_not_allowed', message };
}

async function encryptedRequest(
  delivery: ClaimedDelivery<'webpush'>,
  payload: Uint8Array<ArrayBuffer>,
  authorization: string,
  padding: number,
) {
  const p256dh = decodeBase64Url(delivery.target.p256dh);
  const auth = decodeBase64Url(delivery.target.auth);
  if (p256dh?.length !== 65 || auth?.length !== 16)
    throw new TypeError('The keys of the subscription are not 65 and 16 bytes in base64url.');
  const body = await encryptMessage(
    payload,
    { p256dh, auth },
    { padding: paddingFor(payload.length, padding) },
  );
  const headers: Record<string, string> = {
    Authorization: authorization,
    'Content-Encoding': 'aes128gcm',
    'Content-Type': 'application/octet-stream',
    // Windows refuses a TTL of 0.
    TTL: String(pushServiceKind(delivery.host) === 'windows' ? Math.max(1, delivery.ttl) : delivery.ttl),
    Urgency: delivery.urgency,
    ...(delivery.content.collapseKey === null ? {} : { Topic: topicHeader(delivery.content.collapseKey) }),
  };
  return { headers, body };
}

/** Apple's service decodes the header, and refuses a length that base64url never has (400 BadWebPushTopic). */
function topicHeader(collapseKey: string): string {
  return collapseKey.length % 4 === 1 ? `${collapseKey}_` : collapseKey;
}
