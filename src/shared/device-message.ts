/**
 * What a device without a session says to the Edge Function `push-events`, as JSON by `POST`. Defined here once: pages and service
 * workers write it, the function reads it. Names are snake_case, as everywhere on the wire.
 */
export type DeviceMessage<Receipt = DeviceReceipt> =
  | { receipts: Receipt[] }
  | { resubscribe: { old: SubscriptionKeys; new: RenewedSubscription } }
  | { release: SubscriptionKeys };

/** What proves a push subscription: only the browser and the project have all three. Keys are base64url without padding. */
export interface SubscriptionKeys {
  endpoint: string;
  p256dh: string;
  auth: string;
}

/** The subscription that takes the place of another one; `vapid_key` is the public VAPID key it was made with, base64url. */
export interface RenewedSubscription extends SubscriptionKeys {
  vapid_key?: string | null | undefined;
}

/** What became of a notification on a device. */
export const RECEIPT_EVENTS = ['displayed', 'clicked', 'action', 'dismissed'] as const;
export type ReceiptEvent = (typeof RECEIPT_EVENTS)[number];

/** What became of one delivery. */
export interface DeviceReceipt {
  /** The token of the payload: `<delivery id>.<mac>`. */
  receipt: string;
  event: ReceiptEvent;
  /** The key of the action that was chosen, at most `MAX_ACTION_LENGTH` characters. */
  action?: string | null | undefined;
  /** When, by the device's clock, in ISO 8601; now unless given. */
  at?: string | null | undefined;
}

/** How many receipts one message has at most, the oldest first. */
export const MAX_RECEIPTS = 100;
export const MAX_ACTION_LENGTH = 100;

/** What `push-events` answers to `GET`. */
export interface PushEventsStatus {
  function: 'push-events';
  status: 'ok';
  /** Base64url. */
  vapid_public_key: string;
}
