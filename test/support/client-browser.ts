import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { createPushClientIn } from '../../src/device/client/create-push-client.ts';
import type { PushEnvironment } from '../../src/device/client/environment.ts';
import { createMemoryStore } from '../../src/device/client/memory-store.ts';
import type { PushClient, PushClientOptions } from '../../src/device/client/push-client.ts';
import type { PushStore } from '../../src/device/shared/push-store.ts';
import type { VirtualDevice } from '../../src/testing/push-service/virtual-device.ts';
import type { Stack } from '../../tools/local/stack.ts';
import { BROWSERS, type RecordedBrowser } from './recorded-browsers.ts';

/** A subscription as a browser hands it out; the device behind it decrypts what arrives. */
type Subscription = PushSubscription & { device: VirtualDevice };

/** One browser profile: what its tabs share. The API and the push service behind it are real. */
export interface ClientBrowser {
  readonly environment: PushEnvironment;
  readonly store: PushStore;
  /** What the user allowed so far, and what the user answers when asked. */
  permission: NotificationPermission;
  answer: NotificationPermission;
  /** Whether anything can be reached, and how many requests were made while nothing could. */
  online: boolean;
  requestsOffline: number;
  subscription: Subscription | null;
  /** What `subscribe()` ends with first, one after the other: an error, or an endpoint that it gives. */
  readonly troubles: (Error | string)[];
  /** What pages have told the service worker, besides asking who it is. */
  readonly toldWorker: unknown[];
  /** Whether that has our push handler, and how often it was asked who it is. */
  hasPushHandler: boolean;
  hellos: number;
  /** How often the user was asked. */
  asked: number;
  /** How often the browser subscribed. */
  subscribed: number;
  readonly supabase: SupabaseClient;
  /** Another tab, or the first one. */
  open(options?: PushClientOptions, supabase?: SupabaseClient): PushClient;
  /** A client of the same network, with a session of its own. */
  createSupabase(): SupabaseClient;
  /** The network is back. */
  comeOnline(): void;
  /** The user looks at the tabs, or no longer. */
  show(visible: boolean): void;
  /** The service worker speaks to its pages, and hears what they say to that. */
  tellPages(message: unknown): unknown[];
  /** Closes all tabs. */
  close(): void;
}

/** A browser with nothing in it, by the features of one that was recorded. */
export function createBrowser(stack: Stack, recorded: RecordedBrowser = BROWSERS.firefox): ClientBrowser {
  const id = randomUUID();
  const listeners = new EventTarget();
  // Many tabs of one browser listen.
  setMaxListeners(0, listeners);
  let visible = true;
  const workers = new EventTarget();
  const tabs: PushClient[] = [];

  const reach: typeof fetch = (input, init) => {
    // As undici and browsers say it.
    if (!browser.online) {
      browser.requestsOffline++;
      return Promise.reject(new TypeError('fetch failed'));
    }
    return fetch(input, init);
  };

  const subscribe = async (options?: PushSubscriptionOptionsInit): Promise<PushSubscription> => {
    const trouble = browser.troubles.shift();
    if (trouble instanceof Error) throw trouble;
    if (browser.permission !== 'granted') throw Object.assign(new Error('No.'), { name: 'NotAllowedError' });
    const key = String(options?.applicationServerKey);
    const device = stack.pushService.createDevice({ applicationServerKey: key });
    const endpoint = trouble ?? device.endpoint;
    const subscription = {
      device,
      endpoint,
      expirationTime: null,
      options: {
        userVisibleOnly: true,
        applicationServerKey: Uint8Array.from(Buffer.from(key, 'base64url')).buffer,
      },
      toJSON: () => ({ ...device.subscription, endpoint }),
      unsubscribe: async () => {
        device.remove();
        if (browser.subscription === subscription) browser.subscription = null;
        return true;
      },
    } as unknown as Subscription;
    browser.subscribed++;
    browser.subscription = subscription;
    return subscription;
  };

  const registration = {
    active: {
      scriptURL: 'https://app.example/sw.js',
      postMessage(message: { event: string }, [port]: MessagePort[] = []) {
        if (message.event !== 'hello') return void browser.toldWorker.push(message);
        browser.hellos++;
        if (browser.hasPushHandler) port?.postMessage({ type: 'supapush', version: 1 });
      },
    },
    pushManager: { subscribe, getSubscription: async () => browser.subscription },
  } as unknown as ServiceWorkerRegistration;

  const environment: PushEnvironment = {
    ...recorded,
    location: { href: 'https://app.example/' },
    navigator: {
      ...recorded.navigator,
      ...(recorded.navigator.serviceWorker && {
        serviceWorker: {
          register: async () => registration,
          getRegistration: async () => registration,
          addEventListener: (type, listener) => workers.addEventListener(type, listener as EventListener),
          removeEventListener: (type, listener) =>
            workers.removeEventListener(type, listener as EventListener),
        },
      }),
      locks: { request: (name, work) => navigator.locks.request(`${name} ${id}`, work) as never },
    },
    ...(recorded.Notification && {
      Notification: {
        get permission() {
          return browser.permission;
        },
        requestPermission: async () => {
          browser.asked++;
          if (browser.permission === 'default') browser.permission = browser.answer;
          return browser.permission;
        },
      },
    }),
    BroadcastChannel: class extends BroadcastChannel {
      constructor(name: string) {
        super(`${name} ${id}`);
      }
    },
    addEventListener: listeners.addEventListener.bind(listeners),
    removeEventListener: listeners.removeEventListener.bind(listeners),
    document: {
      get hidden() {
        return !visible;
      },
    },
    fetch: reach,
    openPushStore: async () => browser.store,
  };

  const createSupabase = () =>
    createClient(stack.url, stack.publishableKey, {
      auth: { persistSession: false, autoRefreshToken: false },
      global: { fetch: reach },
    });

  const browser: ClientBrowser = {
    environment,
    store: createMemoryStore(),
    permission: 'default',
    answer: 'granted',
    online: true,
    requestsOffline: 0,
    subscription: null,
    troubles: [],
    toldWorker: [],
    hasPushHandler: true,
    hellos: 0,
    asked: 0,
    subscribed: 0,
    supabase: createSupabase(),
    createSupabase,
    open(options = {}, supabase = browser.supabase) {
      const tab = createPushClientIn(environment, supabase, options);
      tabs.push(tab);
      return tab;
    },
    comeOnline() {
      browser.online = true;
      listeners.dispatchEvent(new Event('online'));
    },
    show(now) {
      visible = now;
      listeners.dispatchEvent(new Event('visibilitychange'));
    },
    tellPages(message) {
      const answers: unknown[] = [];
      const ports = [{ postMessage: (answer: unknown) => void answers.push(answer) } as MessagePort];
      const event = new MessageEvent('message', { data: message });
      workers.dispatchEvent(Object.defineProperty(event, 'ports', { value: ports }));
      return answers;
    },
    close: () => {
      for (const tab of tabs) tab.dispose();
    },
  };
  return browser;
}

/** Signs a new user up at this client; returns the user's id. */
export async function signUp(supabase: SupabaseClient): Promise<{ id: string; email: string }> {
  const email = `${randomUUID()}@example.com`;
  const { data, error } = await supabase.auth.signUp({ email, password: PASSWORD });
  if (error || !data.user) throw new Error(`Sign-up failed: ${error?.message}`);
  return { id: data.user.id, email };
}

/** Signs in a user who signed up before. */
export async function signIn(supabase: SupabaseClient, email: string): Promise<void> {
  const { error } = await supabase.auth.signInWithPassword({ email, password: PASSWORD });
  if (error) throw new Error(`Sign-in failed: ${error.message}`);
}

const PASSWORD = 'correct horse battery staple';
