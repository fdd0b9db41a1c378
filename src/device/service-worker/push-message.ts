import type { PushedEvent } from './worker-scope.ts';

/** The options of `showNotification()`, those included that only some browsers have. */
export interface ShownOptions extends NotificationOptions {
  actions?: { action: string; title: string; icon?: string }[];
  image?: string;
  renotify?: boolean;
  timestamp?: number;
  vibrate?: number[];
  data: { supapush: NotificationMark; [param: string]: unknown };
}

/** What a notification of ours carries for the events to come. */
export interface NotificationMark {
  notification_id?: string;
  category?: string;
  /** Authenticates receipts: `<delivery id>.<mac>`. */
  receipt?: string;
  /** Its place among messages of its tag: the greater is the newer. */
  position?: number;
  /** Which showing it is: a message may come again, and then has the same receipt. */
  showing?: string;
  /** Where a click leads, as the sender said it: not checked yet. */
  navigate?: unknown;
  /** The same for actions, by their keys. */
  actions?: Record<string, unknown>;
  /** The sender has set the app's badge: a count of what is shown would undo it. */
  app_badge?: number;
}

/** A message as it will be shown. */
export interface PushMessage {
  title: string;
  options: ShownOptions;
}

type Fields = Record<string, unknown>;

const TEXTS = ['body', 'icon', 'badge', 'image', 'tag', 'lang'] as const;
const FLAGS = ['silent', 'renotify', 'requireInteraction'] as const;

/** The message of a push event as a browser or a push service handed it over: JSON, a text, or undefined for nothing. */
export function contentOf(event: Pick<PushedEvent, 'data' | 'notification' | 'appBadge'>): unknown {
  if (isObject(event.notification)) return { notification: event.notification, app_badge: event.appBadge };
  let text: string;
  try {
    text = event.data?.text() ?? '';
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether a message comes from Supapush, and not from another service that pushes to the same app. */
export function isOurs(content: unknown): boolean {
  const { data } = fieldsOf(content);
  return isObject(data) && isObject(data.supapush);
}

/**
 * What to show of a message, whatever it is: members of the wrong type are left out, and what has no title gets the
 * default. A text that is no JSON is the body, unless it is the rest of something broken: markup, or half a message.
 */
export function readMessage(
  content: unknown,
  defaults: { title: string; icon?: string; badge?: string },
): PushMessage {
  const fields = fieldsOf(content);
  const title = typeof fields.title === 'string' ? fields.title.trim() : '';
  const options: Fields = {};
  for (const name of ['icon', 'badge'] as const)
    if (defaults[name] !== undefined) options[name] = defaults[name];
  for (const name of TEXTS)
    if (typeof fields[name] === 'string' && fields[name] !== '') options[name] = fields[name];
  for (const name of FLAGS) if (typeof fields[name] === 'boolean') options[name] = fields[name];
  if (typeof content === 'string' && /^[^<{[]/.test(content.trim())) options.body = content.trim();
  if (['auto', 'ltr', 'rtl'].includes(String(fields.dir))) options.dir = fields.dir;
  if (Number.isSafeInteger(fields.timestamp)) options.timestamp = fields.timestamp;
  // Browsers refuse the whole notification for either of these contradictions.
  if (isVibration(fields.vibrate) && fields.silent !== true) options.vibrate = fields.vibrate;
  if (options.tag === undefined) delete options.renotify;

  const actions = (Array.isArray(fields.actions) ? fields.actions : []).filter(isAction);
  if (actions.length > 0) {
    options.actions = actions.map(({ action, title, icon }) => ({
      action,
      title,
      ...(typeof icon === 'string' && icon !== '' ? { icon } : {}),
    }));
  }
  const params = isObject(fields.data) ? fields.data : {};
  const badge = appBadgeOf(content);
  const mark: NotificationMark = {
    ...(isObject(params.supapush) ? params.supapush : {}),
    navigate: fields.navigate,
    ...(actions.length > 0
      ? { actions: Object.fromEntries(actions.map((a) => [a.action, a.navigate])) }
      : {}),
    ...(badge === null ? {} : { app_badge: badge }),
  };
  return { title: title || defaults.title, options: { ...options, data: { ...params, supapush: mark } } };
}

/** The mark of a notification of ours, or null when other code has shown it. */
export function markOf(notification: Notification): NotificationMark | null {
  const data: unknown = notification.data;
  return isObject(data) && isObject(data.supapush) ? data.supapush : null;
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A Declarative Web Push message has its fields in `notification`; other senders often have them at the top. */
function fieldsOf(content: unknown): Fields {
  if (!isObject(content)) return {};
  return isObject(content.notification) ? content.notification : content;
}

/** The specification has `app_badge` beside `notification`, as a number; WebKit also takes it inside, as a text. */
function appBadgeOf(content: unknown): number | null {
  const value = isObject(content) ? (content.app_badge ?? fieldsOf(content).app_badge) : null;
  const isNumber = typeof value === 'number' || typeof value === 'string';
  return isNumber && /^\d{1,9}$/.test(String(value)) ? Number(value) : null;
}

function isVibration(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((part) => Number.isSafeInteger(part) && part >= 0);
}

function isAction(
  value: unknown,
): value is { action: string; title: string; icon?: unknown; navigate?: unknown } {
  return isObject(value) && typeof value.action === 'string' && typeof value.title === 'string';
}
