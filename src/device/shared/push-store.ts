import type { SubscriptionKeys } from '../../shared/device-message.ts';

/** A push subscription as the project knows it. */
export interface KnownSubscription extends SubscriptionKeys {
  /** The public VAPID key it was made with, base64url. */
  vapid_key: string;
}

/** What is kept under a name. They stay in browsers for years, so they are a format like a table's columns. */
export interface PushSettings {
  /** Where `push-events` is. */
  events_url: string;
  /** The project's public VAPID key as last seen. */
  vapid_key: string;
  /** The subscription that was registered last. */
  subscription: KnownSubscription;
  /** Whose device this is. */
  user_id: string;
  /** The endpoint that was given up when its user signed out last. */
  released_endpoint: string;
  /** A device that was signed out while offline and is still to be released. */
  pending_release: SubscriptionKeys;
  /** The browser changed the subscription, and the project was not reached to be told. */
  pending_resubscribe: boolean;
}

/** Queues that survive the page and the worker: receipts for `push-events`, and what was done in the app offline. */
export type PushQueue = 'receipts' | 'actions';

/** A value in a queue; ids ascend in the order of adding. */
export interface Queued {
  id: number;
  value: unknown;
}

/** What page and service worker share on this device. Every method rejects with a `DOMException` when the browser refuses. */
export interface PushStore {
  get<K extends keyof PushSettings>(key: K): Promise<PushSettings[K] | undefined>;
  set<K extends keyof PushSettings>(key: K, value: PushSettings[K]): Promise<void>;
  delete(key: keyof PushSettings): Promise<void>;
  add(queue: PushQueue, value: unknown): Promise<void>;
  /** Everything in a queue, the oldest first. */
  all(queue: PushQueue): Promise<Queued[]>;
  remove(queue: PushQueue, ids: number[]): Promise<void>;
}

const NAME = 'supapush';
const VERSION = 1;

/**
 * Opens the IndexedDB database `supapush`, which page and service worker share.
 *
 * Rejects where there is none to be had: a private window of some browsers, a full disk, storage that is switched off.
 */
export async function openPushStore(factory: IDBFactory = indexedDB): Promise<PushStore> {
  const opening = factory.open(NAME, VERSION);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('settings');
    for (const queue of ['receipts', 'actions'])
      opening.result.createObjectStore(queue, { autoIncrement: true });
  };
  const database = await resultOf(opening);
  // A newer version in another tab can open the database only once all others have closed it.
  database.onversionchange = () => database.close();
  return storeOf(database);
}

function storeOf(database: IDBDatabase): PushStore {
  const reading = (name: string): IDBObjectStore => database.transaction(name).objectStore(name);

  // A request that succeeded can still be lost: a full disk is noticed at the commit.
  const write = (name: string, change: (store: IDBObjectStore) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction(name, 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      change(transaction.objectStore(name));
    });

  return {
    get: async (key) => await resultOf(reading('settings').get(key)),
    set: (key, value) => write('settings', (store) => store.put(value, key)),
    delete: (key) => write('settings', (store) => store.delete(key)),
    add: (queue, value) => write(queue, (store) => store.add(value)),
    all: async (queue) => {
      const store = reading(queue);
      const [ids, values] = await Promise.all([resultOf(store.getAllKeys()), resultOf(store.getAll())]);
      return values.map((value: unknown, index) => ({ id: ids[index] as number, value }));
    },
    remove: (queue, ids) =>
      write(queue, (store) => {
        for (const id of ids) store.delete(id);
      }),
  };
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
