import type { ClaimedDelivery } from '../../../src/channels/channel.ts';
import type { NotificationContent } from '../../../src/notification/payload.ts';

/** A notification as the queue hands it over. */
export function content(values: Partial<NotificationContent> = {}): NotificationContent {
  return {
    notificationId: '00000000-0000-4000-8000-000000000001',
    title: 'Hello',
    body: 'World',
    url: null,
    params: {},
    category: null,
    topic: null,
    ...values,
  };
}

/** A delivery to this device, as a dispatcher claimed it. */
export function deliveryTo(
  device: { endpoint: string; subscription: { keys: { p256dh: string; auth: string } } },
  values: Partial<ClaimedDelivery> = {},
): ClaimedDelivery {
  return {
    deliveryId: 1,
    attempt: 1,
    channel: 'webpush',
    host: new URL(device.endpoint).origin,
    endpoint: device.endpoint,
    ...device.subscription.keys,
    vapidKey: null,
    content: content(),
    urgency: 'normal',
    ttl: 60,
    ...values,
  };
}
