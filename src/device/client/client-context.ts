import type { PushStore } from '../shared/push-store.ts';
import type { PushEnvironment } from './environment.ts';
import { createMemoryStore } from './memory-store.ts';
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
  /** Reports an error of background work, which no caller waits for. */
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
      store ??= (environment?.openStore() ?? Promise.reject()).catch(createMemoryStore);
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
