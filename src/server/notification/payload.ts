import { jsonBytes, shortenText } from './shorten-text.ts';

/** The most a push message holds in the clear: 4096 − 86 header − 16 tag − 1 delimiter (RFC 8291 section 4). */
export const MAX_PAYLOAD_BYTES = 3993;

/** What reaches more devices: some browsers and push services lose longer messages. */
export const SAFE_PAYLOAD_BYTES = 3052;

/**
 * What is left at least of a text that is shortened, in JSON bytes. `push.payload_bytes()` in the migrations counts with
 * the same numbers, so that whatever the database accepts can be made to fit.
 */
export const MIN_TITLE_BYTES = 64;
export const MIN_BODY_BYTES = 128;

/** The longest receipt token: a delivery's id of 19 digits, a point, and 16 bytes in base64url. `push.payload_bytes()` counts it. */
export const MAX_RECEIPT_BYTES = 42;

/**
 * What a device shows of a notification besides its text: the options of `showNotification()` of the same names, of an
 * action also where it leads (`url`), and what apps have besides.
 */
export interface Presentation {
  icon?: string;
  badge?: string;
  image?: string;
  actions?: { action: string; title: string; icon?: string; url?: string }[];
  requireInteraction?: boolean;
  silent?: boolean;
  /** Milliseconds of vibration and pause in turns. */
  vibrate?: number[];
  renotify?: boolean;
  /** The number on the app's icon; the database has put the unread count here where that was asked for. */
  appBadge?: number;
  /** Apps: `default`, or a file of the app such as `chime.caf`. */
  sound?: string;
  /** Android: the notification channel. */
  channel?: string;
  /** Apple: notifications of one thread are shown as a group. */
  thread?: string;
  interruptionLevel?: InterruptionLevel;
}

/** Apple's levels: https://developer.apple.com/documentation/usernotifications/unnotificationinterruptionlevel */
export type InterruptionLevel = 'passive' | 'active' | 'time-sensitive' | 'critical';

/** What a device needs to show one notification. */
export interface NotificationContent {
  notificationId: string;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
  category: string | null;
  collapseKey: string | null;
  tag: string | null;
  /** Its place among messages of its tag, of which the greater is the newer; null where it replaces none. */
  position: number | null;
  presentation: Presentation | null;
  /** The app's origin, which makes paths whole URLs; null leaves them. */
  appUrl: string | null;
}

/**
 * What a device tells notifications apart by: showing one takes the place of the one with the same tag.
 *
 * Without a tag of the app's it is the notification's id: a push service may be given the same message again, and a repeat
 * then takes the place of the first, and makes no sound.
 */
export function deviceTag({
  tag,
  collapseKey,
  notificationId,
}: Pick<NotificationContent, 'tag' | 'collapseKey' | 'notificationId'>): string {
  return tag ?? collapseKey ?? notificationId;
}

/** A message that is ready but for its receipt token (ASCII), which each delivery has of its own; '' for none. */
export type PreparedPayload = (receipt: string) => Uint8Array<ArrayBuffer>;

/**
 * The bytes a device decrypts: UTF-8 JSON in the form of a Declarative Web Push message, which Safari 18.4+ shows
 * without a service worker and every other browser hands to the service worker.
 *
 * `navigate` is required by that form, so a notification without a URL leads to the app's root. It also wants whole URLs
 * there, which paths become where the content has an `appUrl`. Texts are shortened until the message has at most 3052
 * bytes, or, where its data leaves no room for that, 3993: first the body, then the title. Paths stay paths in a message
 * that would not fit otherwise. Data is never cut; content whose data alone is too large (which the database refuses)
 * comes out too large.
 */
export function preparePayload(content: NotificationContent): PreparedPayload {
  const payload = encode(fitted(content));
  const end = payload.subarray(payload.length - END.length);
  const start = payload.subarray(0, payload.length - END.length);
  return (receipt) => {
    const whole = new Uint8Array(payload.length + receipt.length);
    whole.set(start);
    encoder.encodeInto(receipt, whole.subarray(start.length));
    whole.set(end, start.length + receipt.length);
    return whole;
  };
}

/** One message with its receipt token; for many of the same content, see `preparePayload`. */
export function encodePayload(content: NotificationContent, receipt: string): Uint8Array<ArrayBuffer> {
  return preparePayload(content)(receipt);
}

const encoder = new TextEncoder();
/** What stands behind the receipt, the last member of the last member of the last but one. */
const END = '"}}},"mutable":true}';

/** The content with its texts shortened as far as they have to be. */
function fitted(content: NotificationContent): NotificationContent {
  const bytes = encode(content).length + MAX_RECEIPT_BYTES;
  if (bytes <= SAFE_PAYLOAD_BYTES) return content;
  const safe = shortened(content, bytes - SAFE_PAYLOAD_BYTES);
  if (safe !== null) return safe;
  if (bytes <= MAX_PAYLOAD_BYTES) return content;
  const short = shortened(content, bytes - MAX_PAYLOAD_BYTES);
  if (short !== null) return short;
  if (content.appUrl !== null) return fitted({ ...content, appUrl: null });
  const { title, body } = content;
  return {
    ...content,
    title: shortenText(title, MIN_TITLE_BYTES),
    body: body === null ? null : shortenText(body, MIN_BODY_BYTES),
  };
}

/** The content with `excess` bytes less of text, the body's before the title's; null when they cannot be spared. */
function shortened(content: NotificationContent, excess: number): NotificationContent | null {
  const { title, body } = content;
  const bodyBytes = body === null ? 0 : jsonBytes(body);
  const titleBytes = jsonBytes(title);
  const fromBody = Math.min(excess, Math.max(bodyBytes - MIN_BODY_BYTES, 0));
  const fromTitle = excess - fromBody;
  if (fromTitle > Math.max(titleBytes - MIN_TITLE_BYTES, 0)) return null;
  return {
    ...content,
    title: shortenText(title, titleBytes - fromTitle),
    body: body === null ? null : shortenText(body, bodyBytes - fromBody),
  };
}

/** The message with an empty receipt. */
function encode(content: NotificationContent): Uint8Array<ArrayBuffer> {
  // Ours stands last, also where params have an entry of that name: its place is known then.
  const { supapush: _taken, ...params } = content.params;
  return encoder.encode(
    JSON.stringify({
      web_push: 8030,
      ...(content.presentation?.appBadge === undefined ? {} : { app_badge: content.presentation.appBadge }),
      notification: {
        title: content.title,
        ...(content.body === null ? {} : { body: content.body }),
        navigate: absolute(content.url ?? '/', content.appUrl),
        tag: deviceTag(content),
        ...members(content),
        data: {
          ...params,
          supapush: {
            notification_id: content.notificationId,
            ...(content.category === null ? {} : { category: content.category }),
            ...(content.position === null ? {} : { position: content.position }),
            receipt: '',
          },
        },
      },
      mutable: true,
    }),
  );
}

function absolute(url: string, appUrl: string | null): string {
  return appUrl !== null && url.startsWith('/') ? appUrl + url : url;
}

/** The presentation in the names of Declarative Web Push (https://w3c.github.io/push-api/#declarative-push-message). */
function members({
  presentation,
  url,
  collapseKey,
  tag,
  appUrl,
}: NotificationContent): Record<string, unknown> {
  const {
    actions,
    renotify,
    appBadge: _onIcon,
    sound: _inApps,
    channel: _ofAndroid,
    thread: _ofApple,
    interruptionLevel,
    ...others
  } = presentation ?? {};
  return {
    ...(interruptionLevel === 'passive' && others.vibrate === undefined ? { silent: true } : {}),
    ...others,
    // One action without a place to go to makes the whole message invalid there.
    ...(actions === undefined
      ? {}
      : {
          actions: actions.map(({ url: own, ...action }) => ({
            ...action,
            navigate: absolute(own ?? url ?? '/', appUrl),
          })),
        }),
    // Without a tag of the app's, only a repeat of the same message would ring.
    ...(renotify === undefined || (tag ?? collapseKey) === null ? {} : { renotify }),
  };
}
