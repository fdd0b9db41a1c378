import type { PushQueue, PushStore, Queued } from '../shared/push-store.ts';

/** A store that lasts as long as the page: for a private window, a full disk. */
export function createMemoryStore(): PushStore {
  const settings = new Map<string, unknown>();
  const queues: Record<PushQueue, Queued[]> = { receipts: [], actions: [] };
  let last = 0;
  return {
    get: async (key) => settings.get(key) as never,
    set: async (key, value) => void settings.set(key, value),
    delete: async (key) => void settings.delete(key),
    add: async (queue, value) => void queues[queue].push({ id: ++last, value }),
    all: async (queue) => [...queues[queue]],
    remove: async (queue, ids) => {
      queues[queue] = queues[queue].filter(({ id }) => !ids.includes(id));
    },
  };
}
