import { deviceTag, type NotificationContent } from '../../notification/payload.ts';
import { encodeBase64Url } from '../base64url.ts';
import type { ClaimedDelivery, Urgency } from '../channel.ts';

/** The most that notification and data of one message may hold, names and values together. */
export const MAX_FCM_BYTES = 4096;

/** A message of FCM HTTP v1 (`projects.messages`), as far as it is used here. */
export interface FcmMessage {
  token: string;
  notification: { title: string; body?: string; image?: string };
  data: Record<string, string>;
  android: {
    priority: 'NORMAL' | 'HIGH';
    /** Seconds as a protobuf duration: `600s`. */
    ttl: string;
    collapse_key?: string;
    notification: {
      notification_priority: string;
      tag: string;
      /** Protobuf durations, the first of them a pause. */
      vibrate_timings?: string[];
    };
  };
  apns: {
    headers: Record<string, string>;
    payload: { aps: { 'mutable-content': 1; 'interruption-level'?: 'passive' } };
  };
}

// RFC 8030 section 5.3: "normal" reaches a device on battery, as chat messages do. FCM holds NORMAL back while the
// device dozes and APNs may hold 5 back to save power, so those two stand for what can wait until it charges.
const PRIORITIES: Record<Urgency, { delivery: 'NORMAL' | 'HIGH'; apns: string; notification: string }> = {
  'very-low': { delivery: 'NORMAL', apns: '5', notification: 'PRIORITY_MIN' },
  low: { delivery: 'NORMAL', apns: '5', notification: 'PRIORITY_LOW' },
  normal: { delivery: 'HIGH', apns: '10', notification: 'PRIORITY_DEFAULT' },
  high: { delivery: 'HIGH', apns: '10', notification: 'PRIORITY_HIGH' },
};

/**
 * The message by which an app's device gets a notification, in the terms of Android and of Apple.
 *
 * `data` holds text alone, as FCM demands: `notification_id`, and where there is one `url`, `category`, `params` and
 * `actions`, the latter two as JSON. Params are not spread into it: FCM reserves names such as `from`, and Apple's devices get `data` beside
 * `aps`. Of the presentation, apps get what they have a counterpart for: an https image, vibration (Android), silence, and
 * the actions to show by themselves.
 *
 * @param now milliseconds since the epoch; APNs wants to know when, not how long
 */
export async function fcmMessage(
  { target, content, urgency, ttl }: ClaimedDelivery<'fcm'>,
  now: number,
): Promise<FcmMessage> {
  const priority = PRIORITIES[urgency];
  const { topic } = content;
  const { image, actions, silent, vibrate } = content.presentation ?? {};
  return {
    token: target.token,
    notification: {
      title: content.title,
      ...(content.body === null ? {} : { body: content.body }),
      // A path would be one of the website, which the phone does not know.
      ...(image?.startsWith('https:') ? { image } : {}),
    },
    data: {
      notification_id: content.notificationId,
      ...(content.url === null ? {} : { url: content.url }),
      ...(content.category === null ? {} : { category: content.category }),
      ...(Object.keys(content.params).length === 0 ? {} : { params: JSON.stringify(content.params) }),
      ...(actions === undefined ? {} : { actions: JSON.stringify(actions) }),
    },
    android: {
      priority: priority.delivery,
      ttl: `${ttl}s`,
      // The tag replaces what the device shows, the key what still waits at FCM: only where the app asks for it, because
      // of the keys of a device that is away FCM keeps four, and loses the messages of the others.
      ...(topic === null ? {} : { collapse_key: topic }),
      notification: {
        // Low makes no sound; from Android 8 on the app's channel decides about that.
        notification_priority:
          silent === true && urgency !== 'very-low' ? 'PRIORITY_LOW' : priority.notification,
        tag: deviceTag(content),
        ...(vibrate === undefined ? {} : { vibrate_timings: [0, ...vibrate].map((ms) => `${ms / 1000}s`) }),
      },
    },
    apns: {
      headers: {
        'apns-priority': priority.apns,
        // 0: now or never, as TTL 0 means.
        'apns-expiration': ttl === 0 ? '0' : String(Math.floor(now / 1000) + ttl),
        'apns-collapse-id': await collapseId(content),
      },
      // Lets an app's notification service extension add to it what does not fit in here.
      payload: {
        aps: {
          'mutable-content': 1,
          ...(silent === true ? { 'interruption-level': 'passive' as const } : {}),
        },
      },
    },
  };
}

/** The tag on Apple's devices: at most 64 bytes, in a header. APNs sets no limit to their number, so each message has one. */
async function collapseId(content: NotificationContent): Promise<string> {
  if (content.tag === null) return deviceTag(content);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(content.tag));
  return encodeBase64Url(new Uint8Array(digest));
}

/** What FCM counts against its limit: the bytes of names and values of notification and data. */
export function payloadBytes({ notification, data }: FcmMessage): number {
  const text = new TextEncoder();
  return Object.entries({ ...notification, ...data }).reduce(
    (sum, [name, value]) => sum + text.encode(name).length + text.encode(value).length,
    0,
  );
}
