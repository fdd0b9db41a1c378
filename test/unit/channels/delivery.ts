import type { ClaimedDelivery, Target } from '../../../src/server/channels/channel.ts';
import type { NotificationContent } from '../../../src/server/notification/payload.ts';

/** A notification as the queue hands it over. */
export function content(values: Partial<NotificationContent> = {}): NotificationContent {
  return {
    notificationId: '00000000-0000-4000-8000-000000000001',
    title: 'Hello',
    body: 'World',
    url: null,
    params: {},
    category: null,
    collapseKey: null,
    tag: null,
    presentation: null,
    position: null,
    appUrl: null,
    ...values,
  };
}

type WebPushTarget = Omit<Target<'webpush'>, 'channel'>;

/** What a test changes of a delivery: its own values, and those of its target beside them. */
export type DeliveryValues = Partial<Omit<ClaimedDelivery<'webpush'>, 'target'> & WebPushTarget>;

/** A delivery to this device, as a dispatcher claimed it. */
export function deliveryTo(
  device: { endpoint: string; subscription: { keys: { p256dh: string; auth: string } } },
  values: DeliveryValues = {},
): ClaimedDelivery<'webpush'> {
  const { keys } = device.subscription;
  const {
    endpoint = device.endpoint,
    p256dh = keys.p256dh,
    auth = keys.auth,
    vapidKey = null,
    ...others
  } = values;
  return {
    deliveryId: 1,
    claimNumber: 1,
    userId: '0b1f6a52-0000-4000-8000-000000000002',
    host: new URL(device.endpoint).origin,
    target: { channel: 'webpush', endpoint, p256dh, auth, vapidKey },
    content: content(),
    urgency: 'normal',
    ttl: 60,
    ...others,
  };
}
