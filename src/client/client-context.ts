import type { PushStore } from '../browser/push-store.ts';
import type { PushEnvironment } from './environment.ts';
import type { PushClientOptions } from './push-client.ts';
import type { Project } from './supabase.ts';

/** What the parts of the client share. */
export interface ClientContext {
  readonly environment: PushEnvironment | undefined;
  readonly project: Project;
  readonly options: PushClientOptions;
  /** What page and service worker share; in memory where the browser keeps nothing. */
  store(): Promise<PushStore>;
  /** One at a time, in all tabs. Not to be called within itself for the same name. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Tells of an error that nobody waits for. */
  report(error: unknown): void;
}

/** Puts the parts together that every other one needs. */
export function createContext(
  environment: PushEnvironment | undefined,
  project: Project,
  options: PushClientOptions,
): ClientContext {
  let store: Promise<PushStore> | undefined;
  const queues = new Map<string, Promise<unknown>>();
  return {
    environment,
    project,
    options,
    store() {
      store ??= (environment?.openStore() ?? Promise.reject()).catch(memoryStore);
      return store;
    },
    alone(name, work) {
      const turn = () => environment?.navigator.locks?.request(`supapush ${name}`, work) ?? work();
      const mine = (queues.get(name) ?? Promise.resolve()).then(turn);
      queues.set(
        name,
        mine.catch(() => undefined),
      );
      return mine;
    },
    report: (error) => (options.onError ?? ((e) => console.warn('supapush:', e)))(error as Error),
  };
}

// A private window, a full disk: what is kept lasts as long as the page then.
function memoryStore(): PushStore {
  const settings = new Map<string, unknown>();
  const queues = { receipts: new Map<number, unknown>(), actions: new Map<number, unknown>() };
  let last = 0;
  return {
    get: async (key) => settings.get(key) as never,
    set: async (key, value) => void settings.set(key, value),
    delete: async (key) => void settings.delete(key),
    add: async (queue, value) => void queues[queue].set(++last, value),
    all: async (queue) => [...queues[queue]].map(([id, value]) => ({ id, value })),
    remove: async (queue, ids) => {
      for (const id of ids) queues[queue].delete(id);
    },
  };
}
