import { isForLater } from '../shared/for-later.ts';
import { openPushStore, type PushStore } from '../shared/push-store.ts';
import { within } from '../shared/time-limit.ts';
import { Display } from './display.ts';
import type { PushOptions } from './push-options.ts';
import type { WorkerScope } from './worker-scope.ts';

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
  readonly settled = new Set<string>();
  readonly display = new Display(this);
  /** A sync event is being worked on. */
  syncing = false;
  #store: Promise<PushStore> | null = null;

  constructor(scope: WorkerScope, options: PushOptions) {
    this.scope = scope;
    this.options = options;
  }

  /** Works with the store, or rejects: no storage, no room, or no answer in time. */
  async stored<T>(use: (store: PushStore) => Promise<T>): Promise<T> {
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
  async storedOr<T>(use: (store: PushStore) => Promise<T>): Promise<T | undefined> {
    return await this.stored(use).catch(() => undefined);
  }

  /**
   * Does something to the device while no page does: the lock is the one that the client takes. Rejects when a page keeps it
   * too long; then it is done when the page has let go, if the worker still runs.
   */
  async aloneWithDevice<T>(work: () => Promise<T>): Promise<T> {
    const { locks } = this.scope.navigator;
    return await (locks ? within(NETWORK_LIMIT, locks.request('supapush device', work)) : work());
  }

  /** What a hook of the app returns, or undefined when it fails or does not come to an end. */
  async hook(call: () => unknown): Promise<unknown> {
    try {
      return await within(HOOK_LIMIT, Promise.resolve(call()));
    } catch (error) {
      console.error('supapush: a hook failed.', error);
      return undefined;
    }
  }

  async eventsUrl(): Promise<string | undefined> {
    return this.options.eventsUrl ?? (await this.storedOr((store) => store.get('events_url')));
  }

  /**
   * Posts to `push-events`: the answer, or null when it is to be asked again later: not reached, or `isForLater()`.
   */
  async post(url: string, body: unknown): Promise<Response | null> {
    try {
      const response = await ask(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return isForLater(response.status) ? null : response;
    } catch {
      return null;
    }
  }

  async fetchVapidKey(url: string): Promise<string | undefined> {
    const answer: unknown = await within(NETWORK_LIMIT, (await ask(url)).json());
    const key = (answer as { vapid_public_key?: unknown } | null)?.vapid_public_key;
    return typeof key === 'string' ? key : undefined;
  }

  /** Asks for a `sync` event once the network is back; where there is none, the next event of any kind has to do. */
  async syncLater(): Promise<void> {
    // A sync that fails is repeated by the browser, in minutes. Asked again meanwhile, Chromium repeats it at once, for ever.
    if (this.syncing) return;
    const registration = this.scope.registration as { sync?: { register(tag: string): Promise<void> } };
    await registration.sync?.register(SYNC_TAG).catch(() => undefined);
  }

  /** Tells the open pages of the app; the one that was focused for a click is told so. */
  async tellPages(message: { event: string; [detail: string]: unknown }, focused?: string): Promise<void> {
    const windows = await this.scope.clients.matchAll({ type: 'window', includeUncontrolled: true });
    for (const window of windows.filter(({ url }) => this.isApp(url))) {
      window.postMessage({
        type: 'supapush',
        ...message,
        ...(focused === undefined ? {} : { focused: window.id === focused }),
      });
    }
  }

  /** Whether a URL is within the worker's scope: other apps may live on the same origin. */
  isApp(url: string): boolean {
    return url.startsWith(this.scope.registration.scope);
  }
}

/** Requests without cookies, and ends what is not answered in time. Not by `AbortSignal.timeout()`: Chromium has that from 103 on. */
async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  const stop = new AbortController();
  const request = fetch(url, { ...init, credentials: 'omit', signal: stop.signal });
  return await within(NETWORK_LIMIT, request).catch((error) => {
    stop.abort();
    throw error;
  });
}
