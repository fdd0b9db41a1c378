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

/**
 * What a device shows of a notification besides its text: the options of `showNotification()` of the same names, and of
 * an action also where it leads (`url`).
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
}

/** What a device needs to show one notification. */
export interface NotificationContent {
  notificationId: string;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
  category: string | null;
  topic: string | null;
  tag: string | null;
  presentation: Presentation | null;
}

/**
 * The bytes a device decrypts: UTF-8 JSON in the form of a Declarative Web Push message, which Safari 18.4+ shows
 * without a service worker and every other browser hands to the service worker.
 *
 * `navigate` is required by that form, so a notification without a URL leads to the app's root. Texts are shortened
 * until the message has at most 3052 bytes, or, where its data leaves no room for that, 3993: first the body, then the
 * title. Data is never cut; content whose data alone is too large (which the database refuses) comes out too large.
 */
export function encodePayload(content: NotificationContent): Uint8Array<ArrayBuffer> {
  const payload = encode(content);
  if (payload.length <= SAFE_PAYLOAD_BYTES) return payload;
  const { title, body } = content;
  const safe = shortened(content, payload.length - SAFE_PAYLOAD_BYTES);
  if (safe !== null) return encode(safe);
  if (payload.length <= MAX_PAYLOAD_BYTES) return payload;
  return encode(
    shortened(content, payload.length - MAX_PAYLOAD_BYTES) ?? {
      ...content,
      title: shortenText(title, MIN_TITLE_BYTES),
      body: body === null ? null : shortenText(body, MIN_BODY_BYTES),
    },
  );
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

function encode(content: NotificationContent): Uint8Array<ArrayBuffer> {
  const tag = content.tag ?? content.topic;
  return new TextEncoder().encode(
    JSON.stringify({
      web_push: 8030,
      notification: {
        title: content.title,
        ...(content.body === null ? {} : { body: content.body }),
        navigate: content.url ?? '/',
        ...(tag === null ? {} : { tag }),
        ...members(content),
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

/** The presentation in the names of Declarative Web Push (https://w3c.github.io/push-api/#declarative-push-message). */
function members({ presentation, url, topic, tag }: NotificationContent): Record<string, unknown> {
  const { actions, renotify, ...others } = presentation ?? {};
  return {
    ...others,
    // One action without a place to go to makes the whole message invalid there; so does renotify without a tag.
    ...(actions === undefined
      ? {}
      : {
          actions: actions.map(({ url: own, ...action }) => ({ ...action, navigate: own ?? url ?? '/' })),
        }),
    ...(renotify === undefined || (tag ?? topic) === null ? {} : { renotify }),
  };
}
