import { randomBytes, randomUUID } from 'node:crypto';
import type { PushHeaders } from './push-headers.ts';

export type PushMessage = PushHeaders & {
  /** Names the message resource, and is the `version` of an autopush notification. */
  readonly id: string;
  /** The encrypted body as it was received; null for a push without one. */
  readonly body: Buffer | null;
  /** Milliseconds since 1970 by the push service's clock. */
  readonly acceptedAt: number;
};

/** The device behind a subscription. */
export type Receiver = {
  /** Hands a message over; true says that the device acknowledged it, false that it is away or has yet to. */
  receive(message: PushMessage): boolean;
};

export type Subscription = {
  readonly token: string;
  readonly endpoint: string;
  /** The one VAPID key that may send here (base64url, no padding); null admits every key. */
  readonly applicationServerKey: string | null;
  readonly receiver: Receiver;
  readonly undelivered: Map<string, PushMessage>;
  gone: boolean;
};

/** FCM keeps no more for a device that is away, and loses any of the others without a word. Here it is the oldest. */
const MAX_TOPICS = 4;

/**
 * The subscriptions of the push service and the messages their devices have not acknowledged.
 *
 * A message stays for its TTL, is handed over when the device is connected, and is forgotten when
 * acknowledged; one with a topic takes the place of the undelivered one with the same topic (RFC 8030
 * sections 5.2 and 5.4). Messages of at most four topics stay.
 */
export class MessageStore {
  readonly #origin: string;
  readonly #now: () => number;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #holders = new Map<string, Subscription>();

  constructor(origin: string, now: () => number) {
    this.#origin = origin;
    this.#now = now;
  }

  subscribe(receiver: Receiver, applicationServerKey: string | null): Subscription {
    const token = randomBytes(32).toString('base64url');
    const subscription: Subscription = {
      token,
      endpoint: `${this.#origin}/push/${token}`,
      applicationServerKey,
      receiver,
      undelivered: new Map(),
      gone: false,
    };
    this.#subscriptions.set(token, subscription);
    return subscription;
  }

  find(token: string): Subscription | undefined {
    return this.#subscriptions.get(token);
  }

  /** Ends a subscription: its endpoint is known as gone from now on, its messages are dropped. */
  unsubscribe(subscription: Subscription): void {
    subscription.gone = true;
    for (const id of subscription.undelivered.keys()) this.#holders.delete(id);
    subscription.undelivered.clear();
  }

  /**
   * Takes a message for a subscription and returns it with its id. With TTL 0 it is delivered now or never.
   */
  accept(subscription: Subscription, headers: PushHeaders, body: Buffer | null): PushMessage {
    const message: PushMessage = { ...headers, id: randomUUID(), body, acceptedAt: this.#now() };
    if (message.topic !== null) {
      for (const earlier of subscription.undelivered.values()) {
        if (earlier.topic === message.topic) this.acknowledge(subscription, earlier.id);
      }
    }
    const delivered = subscription.receiver.receive(message);
    if (!delivered && message.ttl > 0) {
      subscription.undelivered.set(message.id, message);
      this.#holders.set(message.id, subscription);
      const withTopic = [...subscription.undelivered.values()].filter(({ topic }) => topic !== null);
      if (withTopic.length > MAX_TOPICS) this.acknowledge(subscription, withTopic[0]?.id ?? '');
    }
    return message;
  }

  /** Hands everything unexpired and not acknowledged to the device, oldest first. */
  redeliver(subscription: Subscription): void {
    for (const message of [...subscription.undelivered.values()]) {
      if (this.#expired(message) || subscription.receiver.receive(message)) {
        this.acknowledge(subscription, message.id);
      }
    }
  }

  acknowledge(subscription: Subscription, id: string): void {
    if (subscription.undelivered.delete(id)) this.#holders.delete(id);
  }

  /** Withdraws an undelivered message; false if none has that id, or its TTL has passed. */
  withdraw(id: string): boolean {
    const subscription = this.#holders.get(id);
    const message = subscription?.undelivered.get(id);
    if (!subscription || !message) return false;
    this.acknowledge(subscription, id);
    return !this.#expired(message);
  }

  #expired(message: PushMessage): boolean {
    return message.acceptedAt + message.ttl * 1000 <= this.#now();
  }
}
