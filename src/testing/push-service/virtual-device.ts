import { parseApplicationServerKey } from './application-server-key.ts';
import { createReceiverKeys, decryptContent, type ReceiverKeys } from './content-encryption.ts';
import type { MessageStore, PushMessage, Receiver, Subscription } from './message-store.ts';
import { ObservedList, type WaitOptions } from './observed-list.ts';
import type { PushHeaders } from './push-headers.ts';

/** What `PushSubscription.toJSON()` gives in a browser; keys are base64url without padding. */
export type PushSubscriptionJson = {
  endpoint: string;
  expirationTime: null;
  keys: { p256dh: string; auth: string };
};

/** A push as the device's service worker would see it. Times are milliseconds since 1970. */
export type DeviceMessage = PushHeaders & {
  readonly id: string;
  /** The decrypted content; null for a push without a body. */
  readonly text: string | null;
  /** The content parsed as JSON; undefined where it is none. */
  readonly json: unknown;
  readonly acceptedAt: number;
  readonly arrivedAt: number;
};

/** A push that arrived and could not be decrypted. */
export type DecryptionFailure = { readonly id: string; readonly arrivedAt: number; readonly error: unknown };

export type VirtualDeviceOptions = {
  /** The one VAPID public key (base64url) that may send to this device; every key may unless given. */
  readonly applicationServerKey?: string;
  /** Called after each message; what it throws is an uncaught exception, not the sender's problem. */
  readonly onMessage?: (message: DeviceMessage) => void;
};

/**
 * A device with real keys, subscribed at the local push service: it decrypts what arrives, as a browser does.
 */
export class VirtualDevice implements Receiver {
  readonly subscription: PushSubscriptionJson;
  /** Pushes that arrived but were not for these keys, or were damaged. */
  readonly failures: DecryptionFailure[] = [];
  readonly #keys: ReceiverKeys = createReceiverKeys();
  readonly #store: MessageStore;
  readonly #now: () => number;
  readonly #registration: Subscription;
  readonly #messages: ObservedList<DeviceMessage>;
  readonly #listeners = new Set<(message: DeviceMessage) => void>();
  #online = true;

  constructor(store: MessageStore, now: () => number, options: VirtualDeviceOptions = {}) {
    const { applicationServerKey, onMessage } = options;
    this.#store = store;
    this.#now = now;
    this.#registration = store.subscribe(
      this,
      applicationServerKey === undefined ? null : parseApplicationServerKey(applicationServerKey),
    );
    this.subscription = {
      endpoint: this.#registration.endpoint,
      expirationTime: null,
      keys: {
        p256dh: this.#keys.publicKey.toString('base64url'),
        auth: this.#keys.authSecret.toString('base64url'),
      },
    };
    this.#messages = new ObservedList('messages at the device');
    if (onMessage) this.#listeners.add(onMessage);
  }

  get endpoint(): string {
    return this.subscription.endpoint;
  }

  get messages(): readonly DeviceMessage[] {
    return this.#messages.items;
  }

  /** Calls `listener` for each message from now on; returns a function that ends that. */
  onMessage(listener: (message: DeviceMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The oldest message that no earlier call returned; waits for one if there is none. */
  next(options: WaitOptions = {}): Promise<DeviceMessage> {
    return this.#messages.take(options);
  }

  /** Resolves with the first `count` messages ever received once there are as many. */
  waitForMessages(count: number, options: WaitOptions = {}): Promise<DeviceMessage[]> {
    return this.#messages.waitFor(() => true, count, options);
  }

  /** From now on messages are kept by the push service for their TTL. */
  offline(): void {
    this.#online = false;
  }

  /** Comes back, and gets what was kept. */
  online(): void {
    this.#online = true;
    this.#store.redeliver(this.#registration);
  }

  /** Unsubscribes: the endpoint answers 410 from now on. */
  remove(): void {
    this.#store.unsubscribe(this.#registration);
  }

  /** Called by the push service with each message; false while the device is offline. */
  receive(message: PushMessage): boolean {
    if (!this.#online) return false;
    const { body, ...rest } = message;
    const arrivedAt = this.#now();
    let text: string | null;
    try {
      text = body === null ? null : decryptContent(body, this.#keys).toString();
    } catch (error) {
      this.failures.push({ id: message.id, arrivedAt, error });
      return true;
    }
    const received: DeviceMessage = { ...rest, text, json: parseJson(text), arrivedAt };
    this.#messages.add(received);
    for (const listener of this.#listeners) queueMicrotask(() => listener(received));
    return true;
  }

  /** Called by the push service when it stops: rejects everything that waits. */
  close(): void {
    this.#messages.close();
  }
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
