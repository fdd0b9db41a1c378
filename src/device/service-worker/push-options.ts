import type { ReceiptEvent } from '../../shared/device-message.ts';
import type { PushMessage } from './push-message.ts';

/** What was clicked, and where it leads. */
export interface PushClick {
  /** The key of the action, '' for the notification itself. */
  action: string;
  /** Absolute, and already checked: of this origin or one of `allowOrigins`. */
  url: string;
  notificationId: string | null;
  category: string | null;
  /** The notification's params. */
  data: Record<string, unknown>;
}

/** How `installPush()` behaves; everything is optional. */
export interface PushOptions {
  /** Where `push-events` answers. Without it, where the client found it when the device was registered. */
  eventsUrl?: string;
  /** The title of a message that has none or cannot be read; the host's name unless you say. */
  defaultTitle?: string;
  /** The icon and the small monochrome badge of messages that have none of their own. */
  icon?: string;
  badge?: string;
  /** Origins besides the app's own that a click may lead to, such as `https://help.example.com`. */
  allowOrigins?: string[];
  /**
   * What a click does when the app is open at another URL. `navigate` (the default): the page is asked, and goes there by
   * itself if it listens to `push.onOpen()`; without a listener it stays as it is and another window is opened; a page without
   * the client is navigated, and loaded anew. `message`: the page gets the focus and a `message` with the URL, and the rest is
   * left to it. `window`: another one is opened.
   */
  openIn?: 'navigate' | 'message' | 'window';
  /** Which receipts are sent; all of them unless you say. */
  receipts?: ReceiptEvent[];
  /** False leaves the app icon's badge to the app. */
  appBadge?: boolean;
  /** True where the app has a push handler of its own: messages that are not Supapush's are left to it. */
  leaveOthers?: boolean;
  /** True makes a new version of the worker take over at once, open pages included. `sw.js` does so as a worker of its own. */
  claim?: boolean;
  /** May change a message before it is shown. It is shown in any case: browsers take push away from those who show nothing. */
  onPush?(message: PushMessage): unknown;
  /** Returning false says that the click has been dealt with, and nothing is opened. */
  onClick?(click: PushClick): unknown;
}
