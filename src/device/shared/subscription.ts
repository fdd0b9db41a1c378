import { encodeBase64Url } from '../../shared/base64url.ts';
import type { KnownSubscription } from './push-store.ts';

/** Whether nothing can ever be sent to an endpoint: Chrome hands them out shortly after something was unsubscribed. */
export function isRemoved(endpoint: string): boolean {
  return endpoint.startsWith('https://permanently-removed.invalid/');
}

/** A subscription as the project knows it; what the browser does not say is ''. */
export function describeSubscription(subscription: PushSubscription, vapidKey: string): KnownSubscription {
  const { endpoint = '', keys: { p256dh = '', auth = '' } = {} } = subscription.toJSON();
  return { endpoint, p256dh, auth, vapid_key: vapidKey };
}

/** The public VAPID key a subscription was made with, base64url; undefined where the browser does not say. */
export function vapidKeyOf({ options }: Pick<PushSubscription, 'options'>): string | undefined {
  const key = options?.applicationServerKey;
  return key ? encodeBase64Url(new Uint8Array(key)) : undefined;
}
