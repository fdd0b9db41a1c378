import { beforeEach } from 'vitest';
import { clearLimits, type Message, release, statusOf, write } from './digests.ts';
import { createUser, type TestDatabase } from './postgres.ts';
import { clearQueue, startOfClock } from './queue.ts';
import { subscribe } from './subscriptions.ts';
import { useDatabase } from './use-database.ts';

export interface Limits {
  db(): TestDatabase;
  /** A user with devices, new for each test. */
  user(): string;
  /** The ids of those devices. */
  devices(): readonly string[];
  /** Where each test's own clock starts. */
  start(): Date;
  /** Writes a message to the user that is sent then, and lets it come as the tick does; resolves with its status. */
  arrive(then: Date, message?: Message): Promise<string>;
}

/** A database where each test starts without digests, throttles and messages, with a user who has one device or more. */
export function useLimits({ devices: count = 1 }: { devices?: number } = {}): Limits {
  const db = useDatabase();
  let user = '';
  let devices: string[] = [];
  let start = new Date(0);
  beforeEach(async () => {
    const { sql } = db();
    await clearQueue(sql);
    await clearLimits(sql);
    user = (await createUser(sql)).id;
    devices = [];
    while (devices.length < count) devices.push(await subscribe(sql, user));
    start = startOfClock();
  });
  return {
    db,
    user: () => user,
    devices: () => devices,
    start: () => start,
    async arrive(then, message = {}) {
      const { sql } = db();
      const id = await write(sql, user, { ...message, send_at: then });
      await release(sql, then);
      return await statusOf(sql, id);
    },
  };
}
