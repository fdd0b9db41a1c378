import { encodeBase64Url } from '../../../shared/base64url.ts';
import {
  deviceTag,
  type InterruptionLevel,
  MIN_BODY_BYTES,
  MIN_TITLE_BYTES,
  type NotificationContent,
} from '../../notification/payload.ts';
import { shortenText } from '../../notification/shorten-text.ts';
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
      /** An app that has not made this channel gets the default one of its manifest, or FCM's own. */
      channel_id?: string;
      /** Before Android 8; since then the channel has a sound. */
      sound?: string;
      /** The number on the app's icon, where the launcher shows one. */
      notification_count?: number;
      /** Protobuf durations, the first of them a pause. */
      vibrate_timings?: string[];
    };
  };
  apns: {
    headers: Record<string, string>;
    payload: {
      aps: {
        'mutable-content': 1;
        sound?: string | { critical: 1; name: string; volume: 1 };
        badge?: number;
        'thread-id'?: string;
        'interruption-level'?: InterruptionLevel;
      };
    };
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
 * `data` holds text alone, as FCM demands: `notification_id`, and where there is one `receipt`, `url`, `category`, `position`,
 * `params` and `actions`, the latter two as JSON. Params are not spread into it: FCM reserves names such as `from`, and Apple's devices get
 * `data` beside `aps`. Of the presentation, apps get what they have a counterpart for: an https image, vibration (Android),
 * sound, badge, channel (Android), thread (Apple), interruption level, and the actions to show by themselves. What is not silent
 * sounds. Texts are shortened until the message has at most 4096 bytes, first the body, then the title; data is never cut.
 *
 * @param receipt the token by which the device reports what became of it, or nothing
 * @param now milliseconds since the epoch; APNs wants to know when, not how long
 */
export async function fcmMessage(
  delivery: ClaimedDelivery<'fcm'>,
  receipt: string,
  now: number,
): Promise<FcmMessage> {
  const { target, content, urgency, ttl } = delivery;
  const { collapseKey } = content;
  const { image, actions, silent, vibrate, appBadge, channel, thread, ...presentation } =
    content.presentation ?? {};
  const level = presentation.interruptionLevel ?? (silent === true ? 'passive' : undefined);
  const sound = silent === true || level === 'passive' ? undefined : (presentation.sound ?? 'default');
  const channelId = channel ?? content.category?.split(':')[0];
  return shortened({
    token: target.token,
    notification: {
      title: content.title,
      ...(content.body === null ? {} : { body: content.body }),
      // A path would be one of the website, which the phone does not know.
      ...(image?.startsWith('https:') ? { image } : {}),
    },
    data: {
      notification_id: content.notificationId,
      ...(receipt === '' ? {} : { receipt }),
      ...(content.url === null ? {} : { url: content.url }),
      ...(content.category === null ? {} : { category: content.category }),
      ...(content.position === null ? {} : { position: String(content.position) }),
      ...(Object.keys(content.params).length === 0 ? {} : { params: JSON.stringify(content.params) }),
      ...(actions === undefined ? {} : { actions: JSON.stringify(actions) }),
    },
    android: {
      priority: PRIORITIES[urgency].delivery,
      ttl: `${ttl}s`,
      // The tag replaces what the device shows, the key what still waits at FCM: only where the app asks for it, because
      // of the keys of a device that is away FCM keeps four, and loses the messages of the others.
      ...(collapseKey === null ? {} : { collapse_key: collapseKey }),
      notification: {
        notification_priority: androidPriority(urgency, level),
        tag: deviceTag(content),
        ...(channelId === undefined ? {} : { channel_id: channelId }),
        // A resource has no extension there.
        ...(sound === undefined ? {} : { sound: sound.replace(/\.[^.]*$/, '') }),
        ...(appBadge === undefined ? {} : { notification_count: appBadge }),
        ...(vibrate === undefined ? {} : { vibrate_timings: [0, ...vibrate].map((ms) => `${ms / 1000}s`) }),
      },
    },
    apns: {
      headers: {
        'apns-priority': PRIORITIES[urgency].apns,
        // 0: now or never, as TTL 0 means.
        'apns-expiration': ttl === 0 ? '0' : String(Math.floor(now / 1000) + ttl),
        'apns-collapse-id': await collapseId(content),
      },
      payload: {
        aps: {
          // Lets an app's notification service extension report that it was displayed, and add what does not fit in here.
          'mutable-content': 1,
          ...(sound === undefined
            ? {}
            : { sound: level === 'critical' ? { critical: 1, name: sound, volume: 1 } : sound }),
          ...(appBadge === undefined ? {} : { badge: appBadge }),
          ...(thread === undefined ? {} : { 'thread-id': thread }),
          ...(level === undefined ? {} : { 'interruption-level': level }),
        },
      },
    },
  });
}

/** How loud it is before Android 8; since then the app's channel decides. Low makes no sound. */
function androidPriority(urgency: Urgency, level: InterruptionLevel | undefined): string {
  switch (level) {
    case 'passive':
      return urgency === 'very-low' ? 'PRIORITY_MIN' : 'PRIORITY_LOW';
    case 'time-sensitive':
      return 'PRIORITY_HIGH';
    case 'critical':
      return 'PRIORITY_MAX';
    default:
      return PRIORITIES[urgency].notification;
  }
}

/** The message with so much less text that it fits, or as little as is left at least. */
function shortened(message: FcmMessage): FcmMessage {
  const excess = payloadBytes(message) - MAX_FCM_BYTES;
  if (excess <= 0) return message;
  const { title, body, ...others } = message.notification;
  const bodyBytes = body === undefined ? 0 : byteLength(body);
  const fromBody = Math.min(excess, Math.max(bodyBytes - MIN_BODY_BYTES, 0));
  const titleBytes = Math.max(byteLength(title) - (excess - fromBody), MIN_TITLE_BYTES);
  return {
    ...message,
    notification: {
      title: excess > fromBody ? shortenText(title, titleBytes) : title,
      ...(body === undefined ? {} : { body: fromBody > 0 ? shortenText(body, bodyBytes - fromBody) : body }),
      ...others,
    },
  };
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The tag on Apple's devices: at most 64 bytes, in a header. APNs sets no limit to their number, so each message has one. */
async function collapseId(content: NotificationContent): Promise<string> {
  if (content.tag === null) return deviceTag(content);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(content.tag));
  return encodeBase64Url(new Uint8Array(digest));
}

/** What FCM counts against its limit: the bytes of names and values of notification and data. */
export function payloadBytes({ notification, data }: FcmMessage): number {
  return Object.entries({ ...notification, ...data }).reduce(
    (sum, [name, value]) => sum + byteLength(name) + byteLength(value),
    0,
  );
}
