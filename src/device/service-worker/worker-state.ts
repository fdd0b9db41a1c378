import type { DeviceMessage, PushEventsStatus } from '../../shared/device-message.ts';
import { MESSAGE_TYPE, type WorkerMessage, type WorkerNotice, withLock } from '../shared/protocol.ts';
import { eventsRequest, isForLater } from '../shared/push-events.ts';
import { openPushStore, type PushStore } from '../shared/push-store.ts';
import { within } from '../shared/time-limit.ts';
import { Display } from './display.ts';
import type { PushOptions } from './push-options.ts';
import type { WorkerScope, WorkerWindow } from './worker-scope.ts';

/** Milliseconds after which storage, a hook of the app or the network is given up, so that every event comes to its end. */
const STORE_LIMIT = 2000;
const HOOK_LIMIT = 3000;
const NETWORK_LIMIT = 10_000;

/** The name of our background sync. */
export const SYNC_TAG = 'supapush';

/** What the parts of a worker have in common. */
export class WorkerState {
  readonly scope: WorkerScope;
  options: PushOptions;
  /** The receipts of what was clicked, or closed by us: some browsers say right afterwards that it was closed. */
  readonly notDismissed = new Set<string>();
  readonly display = new Display(this);
  /** A sync event is being worked on. */
  syncing = false;
  #store: Promise<PushStore> | null = null;

  constructor(scope: WorkerScope, options: PushOptions) {
    this.scope = scope;
    this.options = options;
  }

  /** Works with the store, or rejects: no storage, no room, or no answer in time. */
  async withStore<T>(use: (store: PushStore) => Promise<T>): Promise<T> {
    try {
      this.#store ??= openPushStore(this.scope.indexedDB);
      return await within(STORE_LIMIT, this.#store.then(use));
    } catch (error) {
      // The connection may be what is broken.
      this.#store = null;
      throw error;
    }
  }

  /** Reads from the store; undefined when it cannot be read. */
  async readStore<T>(read: (store: PushStore) => Promise<T>): Promise<T | undefined> {
    return await this.withStore(read).catch(() => undefined);
  }

  /**
   * Changes the device while no page does. Rejects when a page keeps the lock too long; then the work is done when the page has
   * let go, if the worker still runs.
   */
  async withDeviceLock<T>(work: () => Promise<T>): Promise<T> {
    const { locks } = this.scope.navigator;
    return await (locks ? within(NETWORK_LIMIT, withLock(locks, 'device', work)) : work());
  }

  /** What a hook of the app returns, or undefined when it fails or does not come to an end. */
  async callHook(call: () => unknown): Promise<unknown> {
    try {
      return await within(HOOK_LIMIT, Promise.resolve(call()));
    } catch (error) {
      console.error('supapush: a hook failed.', error);
      return undefined;
    }
  }

  async eventsUrl(): Promise<string | undefined> {
    return this.options.eventsUrl ?? (await this.readStore((store) => store.get('events_url')));
  }

  /**
   * Posts to `push-events`: the answer, or null when it is to be asked again later: not reached, or `isForLater()`.
   */
  async post(url: string, message: DeviceMessage): Promise<Response | null> {
    try {
      const response = await request(url, eventsRequest(message));
      return isForLater(response.status) ? null : response;
    } catch {
      return null;
    }
  }

  /** Asks the project for its public VAPID key; undefined where its address is unknown. */
  async fetchVapidKey(): Promise<string | undefined> {
    const url = await this.eventsUrl();
    if (url === undefined) return undefined;
    const answer: unknown = await within(NETWORK_LIMIT, (await request(url)).json());
    const key = (answer as Partial<PushEventsStatus> | null)?.vapid_public_key;
    return typeof key === 'string' ? key : undefined;
  }

  /** Asks for a `sync` event once the network is back; where there is none, the next event of any kind has to do. */
  async syncLater(): Promise<void> {
    // A sync that fails is repeated by the browser, in minutes. Asked again meanwhile, Chromium repeats it at once, for ever.
    if (this.syncing) return;
    const registration = this.scope.registration as { sync?: { register(tag: string): Promise<void> } };
    await registration.sync?.register(SYNC_TAG).catch(() => undefined);
  }

  /** Tells the open pages of the app; `notice` may be another one for each of them. */
  async tellPages(notice: WorkerNotice | ((page: WorkerWindow) => WorkerNotice)): Promise<void> {
    const windows = await this.scope.clients.matchAll({ type: 'window', includeUncontrolled: true });
    for (const window of windows.filter(({ url }) => this.isApp(url))) {
      const told = typeof notice === 'function' ? notice(window) : notice;
      window.postMessage({ type: MESSAGE_TYPE, ...told } satisfies WorkerMessage);
    }
  }

  /** Whether a URL is within the worker's scope: other apps may live on the same origin. */
  isApp(url: string): boolean {
    return url.startsWith(this.scope.registration.scope);
  }
}

/** Requests without cookies, and ends what is not answered in time. Not by `AbortSignal.timeout()`: Chromium has that from 103 on. */
async function request(url: string, init: RequestInit = {}): Promise<Response> {
  const stop = new AbortController();
  const answer = fetch(url, { ...init, credentials: 'omit', signal: stop.signal });
  return await within(NETWORK_LIMIT, answer).catch((error) => {
    stop.abort();
    throw error;
  });
}
