import type { PushStore } from '../shared/push-store.ts';

/** A store that lasts as long as the page: for a private window, a full disk. */
export function createMemoryStore(): PushStore {
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
