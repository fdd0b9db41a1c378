import type { KnownSubscription } from '../shared/push-store.ts';
import { isRemoved, vapidKeyOf } from '../shared/subscription.ts';
import type { DeviceRow } from './devices.ts';

/** What this browser has, here and now. */
export interface BrowserState {
  readonly permission: NotificationPermission | undefined;
  readonly userAgent: string | undefined;
  readonly subscription: Pick<PushSubscription, 'endpoint' | 'options'> | null;
}

/** What the store remembers of this device. */
export interface StoreState {
  /** What was registered last, until it was given up. */
  readonly subscription: KnownSubscription | undefined;
  /** The endpoint that was given up when its user signed out last. */
  readonly releasedEndpoint: string | undefined;
  /** Whose device this is; after a sign-out, whose it was. */
  readonly userId: string | undefined;
}

/** What the project says. */
export interface ProjectState {
  /** Its public VAPID key, base64url. */
  readonly vapidKey: string;
  /**
   * The user's row of the browser's subscription. `none`: this user has none. `removed`: none, since the user has removed this
   * device on another one. `taken`: another user has one, with other keys, as the attempt to write it has shown.
   */
  readonly row: DeviceRow | 'none' | 'removed' | 'taken';
}

/** Who is signed in, and what they did. */
export interface SessionState {
  readonly userId: string | null;
  /** What the user has just asked for on this device; they have given permission for `subscribe`. */
  readonly asked?: 'subscribe' | 'unsubscribe';
  /** Who has signed out just now, as far as this page knows. */
  readonly signedOut?: string | null;
}

export type Repair =
  /** Nothing is to be done. */
  | 'nothing'
  /** The browser's subscription ends, the screen is cleared, and the project is to forget the device. */
  | 'release'
  /** The browser has dropped the subscription by itself: the screen is cleared, and the row deleted. */
  | 'delete'
  /** What is found here is not enough: the project is to be asked, and then to be diagnosed again. */
  | 'ask'
  /** The device was another user's: the screen is cleared, for it shows what was for them; then as `ask`. */
  | 'hand-over'
  /** As `release`, and the next `sync()` leaves it so: the user does not want this device any more. */
  | 'give-up'
  /** All is well: the store takes note. */
  | 'keep'
  /** The row of the subscription is written, in place of the one before it. */
  | 'write'
  /** The browser subscribes anew; then as `write`. */
  | 'subscribe';

/**
 * Compares what browser, store and project have of this device, and says how they are put together again: one case for each
 * row of the table in docs/design/client.md. It looks at its arguments alone.
 *
 * @param project undefined as long as it was not asked
 */
export function diagnose(
  { permission, userAgent, subscription }: BrowserState,
  store: StoreState,
  project: ProjectState | undefined,
  { userId, asked, signedOut }: SessionState,
): Repair {
  // A tab may hear late of a sign-out: the device is the next user's by now.
  if (signedOut !== undefined && (store.userId ?? signedOut) !== signedOut) return 'nothing';
  if (asked === 'unsubscribe') return 'give-up';
  if (!userId) return 'release';

  const known = store.subscription;
  const isOwn = store.userId === userId;
  if (!asked) {
    if (permission !== 'granted') return known ? 'delete' : 'nothing';
    // A user who signs in again gets the device again. Another user has to subscribe, unless the device was left to them.
    if (!subscription && !known && !isOwn) return 'nothing';
  }
  if (!project) return known && !isOwn ? 'hand-over' : 'ask';

  const { row, vapidKey } = project;
  if (row === 'removed') return 'give-up';
  // Of what is taken, only a new subscription can be this user's.
  if (!subscription || row === 'taken') return 'subscribe';
  const isKnown = known?.endpoint === subscription.endpoint;
  // Safari does not always say which key it was made with; then it is the one that was noted.
  const madeWith = vapidKeyOf(subscription) ?? (isKnown ? known.vapid_key : vapidKey);
  if (madeWith !== vapidKey || isRemoved(subscription.endpoint)) return 'subscribe';
  // Registered once, and the row is gone: its push service may have said that nothing arrives there any more.
  if (row === 'none') return isKnown && isOwn ? 'subscribe' : 'write';
  return row.vapidKey === vapidKey && row.userAgent === userAgent ? 'keep' : 'write';
}
