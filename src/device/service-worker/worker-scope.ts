/**
 * What we use of a `ServiceWorkerGlobalScope`, in types that both the `dom` and the `webworker` library of TypeScript
 * have: the two exclude each other, and an app should be free to choose.
 */
export interface WorkerScope {
  readonly location: { readonly href: string; readonly hostname: string };
  readonly navigator: {
    setAppBadge?(contents?: number): Promise<void>;
    readonly locks?: { request<T>(name: string, work: () => Promise<T>): Promise<T> };
  };
  readonly registration: ServiceWorkerRegistration;
  readonly clients: WorkerClients;
  readonly indexedDB: IDBFactory;
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: Event) => void): void;
}

export interface WorkerClients {
  matchAll(options: { type: 'window'; includeUncontrolled?: boolean }): Promise<readonly WorkerWindow[]>;
  openWindow(url: string): Promise<unknown>;
  claim(): Promise<void>;
}

/** A `WindowClient`. */
export interface WorkerWindow {
  readonly id: string;
  readonly url: string;
  focus(): Promise<unknown>;
  navigate(url: string): Promise<unknown>;
  postMessage(message: unknown): void;
  postMessage(message: unknown, transfer: MessagePort[]): void;
}

export interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

export interface PushedEvent extends WorkerEvent {
  readonly data: { text(): string } | null;
  /** Declarative Web Push: the browser has read the message, and `data` is null. */
  readonly notification?: unknown;
  readonly appBadge?: unknown;
}

export interface ClickedEvent extends WorkerEvent {
  readonly notification: Notification;
  readonly action?: string;
}

export interface ChangedSubscriptionEvent extends WorkerEvent {
  readonly oldSubscription?: PushSubscription | null;
  readonly newSubscription?: PushSubscription | null;
}
