/** The most a push message holds in the clear: 4096 − 86 header − 16 tag − 1 delimiter (RFC 8291 section 4). */
export const MAX_PAYLOAD_BYTES = 3993;

/** What a device needs to show one notification. */
export interface NotificationContent {
  notificationId: string;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
  category: string | null;
  topic: string | null;
}

/**
 * The bytes a device decrypts: UTF-8 JSON in the form of a Declarative Web Push message, which Safari 18.4+ shows
 * without a service worker and every other browser hands to the service worker.
 *
 * `navigate` is required by that form, so a notification without a URL leads to the app's root.
 */
export function encodePayload(content: NotificationContent): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify({
      web_push: 8030,
      notification: {
        title: content.title,
        ...(content.body === null ? {} : { body: content.body }),
        navigate: content.url ?? '/',
        ...(content.topic === null ? {} : { tag: content.topic }),
        data: {
          ...content.params,
          supapush: {
            notification_id: content.notificationId,
            ...(content.category === null ? {} : { category: content.category }),
          },
        },
      },
      mutable: true,
    }),
  );
}
