import type { ClaimedDelivery } from '../../../../src/server/channels/channel.ts';
import type { NotificationContent } from '../../../../src/server/notification/payload.ts';

type Changes = Partial<Omit<ClaimedDelivery<'fcm'>, 'content' | 'target'>> & {
  token?: string;
  content?: Partial<NotificationContent>;
};

/** A claimed delivery to an app. */
export function appDelivery({
  token = 'abc:APA91b-token-of-the-device',
  content,
  ...changes
}: Changes = {}): ClaimedDelivery<'fcm'> {
  return {
    deliveryId: 1,
    claimNumber: 1,
    userId: '0b1f6a52-0000-4000-8000-000000000002',
    host: 'https://fcm.googleapis.com/v1',
    target: { channel: 'fcm', token },
    content: {
      notificationId: '0b1f6a52-0000-4000-8000-000000000001',
      title: 'Acme is won',
      body: null,
      url: null,
      params: {},
      category: null,
      collapseKey: null,
      tag: null,
      presentation: null,
      position: null,
      appUrl: null,
      ...content,
    },
    urgency: 'normal',
    ttl: 600,
    ...changes,
  };
}
