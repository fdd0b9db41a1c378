import { type LockName, withLock } from '../shared/protocol.ts';
import { openPushStore, type PushStore } from '../shared/push-store.ts';
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
  /** Does work while no other tab and no worker holds the lock. Not to be called within itself for the same lock. */
  withLock<T>(name: LockName, work: () => Promise<T>): Promise<T>;
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
  // One after the other in this tab, too: not every browser has locks.
  const last: { [name in LockName]?: Promise<unknown> } = {};
  return {
    environment,
    project,
    options,
    store() {
      store ??= (environment?.openPushStore ?? openPushStore)().catch(createMemoryStore);
      return store;
    },
    withLock(name, work) {
      const run = () => withLock(environment?.navigator.locks, name, work);
      const result = (last[name] ?? Promise.resolve()).then(run, run);
      last[name] = result;
      return result;
    },
    report: (error) => (options.onError ?? ((e) => console.warn('supapush:', e)))(error as Error),
  };
}
