import type { PushStore } from '../shared/push-store.ts';

/** Chromium, Firefox and Safari: what makes text into what a page under `require-trusted-types-for` runs. */
export interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): unknown };
}

/** What is looked at of `navigator`. */
export interface EnvironmentNavigator {
  readonly userAgent: string;
  readonly maxTouchPoints?: number;
  /** Safari on iOS and iPadOS: whether the page was opened from the Home Screen. */
  readonly standalone?: boolean;
  /** Chromium. */
  readonly userAgentData?: { readonly mobile: boolean; readonly platform: string };
  readonly serviceWorker?: Pick<ServiceWorkerContainer, 'register' | 'getRegistration'> & {
    addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
    removeEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  };
  readonly locks?: { request<T>(name: string, work: () => Promise<T>): Promise<T> };
  readonly permissions?: { query(descriptor: { name: 'notifications' }): Promise<EventTarget> };
}

/** The browser as the client sees it: a `Window` is one, and a test writes down another. */
export interface PushEnvironment {
  readonly navigator: EnvironmentNavigator;
  readonly isSecureContext: boolean;
  readonly location: { readonly href: string };
  readonly document: { readonly hidden: boolean };
  readonly PushManager?: unknown;
  readonly Notification?: Pick<typeof Notification, 'permission' | 'requestPermission'>;
  readonly BroadcastChannel?: typeof BroadcastChannel;
  readonly trustedTypes?: TrustedTypes;
  addEventListener(type: 'online' | 'visibilitychange', listener: () => void): void;
  removeEventListener(type: 'online' | 'visibilitychange', listener: () => void): void;
  readonly fetch: typeof fetch;
  /** Opens what page and service worker share; the function of this name in `push-store.ts` unless given. */
  openPushStore?(): Promise<PushStore>;
}

/** The browser that this runs in; undefined on a server that renders pages. */
export function browserEnvironment(): PushEnvironment | undefined {
  return typeof document === 'undefined' ? undefined : (window as unknown as PushEnvironment);
}
