/**
 * What the pages and the service worker of one browser agree on: the locks they take and the messages they exchange, each
 * defined here alone. What both say to the project is in `src/shared/device-message.ts`.
 */

/** Marks our messages: pages and workers of an app exchange others, too. */
export const MESSAGE_TYPE = 'supapush';

interface Marked {
  readonly type: typeof MESSAGE_TYPE;
}

/** What a page tells the service worker. */
export interface PageMessage extends Marked {
  /**
   * `hello`: asks for the version; comes with a port, at which the worker answers with a `WorkerAnswer`. `flush`: send what
   * waits. `clear`: close what is shown, it was for another user.
   */
  readonly event: 'hello' | 'flush' | 'clear';
}

/** What our push handler answers; a worker without it says nothing. */
export interface WorkerAnswer extends Marked {
  readonly version: typeof PROTOCOL_VERSION;
}

/** Of what pages and the worker say to each other. */
export const PROTOCOL_VERSION = 1;

/** What a page hears from the service worker. */
export type WorkerMessage = Marked & (WorkerNotice | OpenQuestion);

/** What the service worker tells all pages of the app. */
export type WorkerNotice = DisplayedNotice | ClickedNotice | ReportedNotice | SubscriptionNotice;

/** A notification was shown. */
export interface DisplayedNotice {
  readonly event: 'displayed';
  readonly notificationId: string | null;
  readonly category: string | null;
  readonly title: string;
  readonly body: string | null;
  /** The notification's params. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A notification was clicked. */
export interface ClickedNotice {
  readonly event: 'clicked';
  /** The key of the action, '' for the notification itself. */
  readonly action: string;
  readonly url: string;
  readonly notificationId: string | null;
  readonly category: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  /** Whether this page got the focus for it. */
  readonly focused: boolean;
}

/** The project knows of the click: the message counts as read. */
export interface ReportedNotice {
  readonly event: 'reported';
  readonly notificationId: string | null;
}

/** The browser has changed the subscription; `registered` says whether the project knows the new one. */
export interface SubscriptionNotice {
  readonly event: 'subscription-changed';
  readonly registered: boolean;
}

/** Asks a page after a click whether it shows a URL; comes with a port, at which the page answers with an `OpenAnswer`. */
export interface OpenQuestion {
  readonly event: 'open';
  /** Absolute, and within the worker's scope. */
  readonly url: string;
  /** Milliseconds since 1970: a page that was frozen until later stays as it is, since another window has been opened. */
  readonly until: number;
}

/** Whether the page goes there by itself. If not, it stays as it is, since the user may be typing in it. */
export interface OpenAnswer {
  readonly opens: boolean;
}

/** The channel on which the tabs of an app tell each other what has changed. */
export const TAB_CHANNEL = 'supapush';
export type TabMessage = 'device' | 'inbox';

/**
 * What only one tab or worker does at a time. `device`: changing the subscription, the store or the row of this device.
 * `actions`: doing what users did offline.
 */
export type LockName = 'device' | 'actions';

/** Does work while no other tab and no worker holds the lock; at once where the browser has no Web Locks. */
export function withLock<T>(
  locks: { request<T>(name: string, work: () => Promise<T>): Promise<T> } | undefined,
  name: LockName,
  work: () => Promise<T>,
): Promise<T> {
  return locks?.request(`supapush ${name}`, work) ?? work();
}
