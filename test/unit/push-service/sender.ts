import { createPrivateKey, sign } from 'node:crypto';
import webpush from 'web-push';
import type { PushSubscriptionJson } from '../../../tools/local/push-service/push-service.ts';

export type VapidKeys = { publicKey: string; privateKey: string };

export function createVapidKeys(): VapidKeys {
  return webpush.generateVAPIDKeys();
}

export type SendOptions = {
  vapidKeys: VapidKeys;
  ttl?: number;
  topic?: string;
  urgency?: webpush.Urgency;
  /** Replaces headers of the request; undefined leaves one out. */
  headers?: Record<string, string | undefined>;
  body?: Buffer<ArrayBuffer>;
  signal?: AbortSignal;
};

/** Sends a push the way an application server with the `web-push` package does. */
export async function sendPush(
  subscription: PushSubscriptionJson,
  payload: string | null,
  options: SendOptions,
): Promise<Response> {
  const details = webpush.generateRequestDetails(subscription, payload ?? undefined, {
    vapidDetails: { subject: 'mailto:push@example.com', ...options.vapidKeys },
    TTL: options.ttl ?? 60,
    ...(options.topic === undefined ? {} : { topic: options.topic }),
    ...(options.urgency === undefined ? {} : { urgency: options.urgency }),
  });
  const headers = new Headers();
  for (const [name, value] of Object.entries({ ...details.headers, ...options.headers })) {
    // fetch sets the length itself.
    if (value !== undefined && name !== 'Content-Length') headers.set(name, String(value));
  }
  return fetch(details.endpoint, {
    method: 'POST',
    headers,
    body: options.body ?? (details.body ? new Uint8Array(details.body) : null),
    redirect: 'manual',
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

/** Signs a VAPID header with any claims, the wrong ones too. */
export function vapidHeader(
  keys: VapidKeys,
  claims: object,
  header: object = { typ: 'JWT', alg: 'ES256' },
): string {
  const point = Buffer.from(keys.publicKey, 'base64url');
  const privateKey = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
      d: keys.privateKey,
    },
  });
  const segment = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${segment(header)}.${segment(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `vapid t=${signed}.${signature.toString('base64url')}, k=${keys.publicKey}`;
}

/** A clock that stands still until it is moved. Starts at the real time, as `web-push` signs by that. */
export function createClock(): { now: () => number; advanceSeconds(seconds: number): void } {
  let time = Date.now();
  return {
    now: () => time,
    advanceSeconds(seconds) {
      time += seconds * 1000;
    },
  };
}
