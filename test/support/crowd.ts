import { beforeEach } from 'vitest';
import { createUser } from './postgres.ts';
import {
  type Claimed,
  claim,
  clearQueue,
  complete,
  notify,
  type OutcomeReport,
  startOfClock,
} from './queue.ts';
import { createEndpoint, FCM, subscribe } from './subscriptions.ts';
import { useDatabase } from './use-database.ts';

export const SENT: OutcomeReport = { outcome: 'sent', status: 201 };

/** A database with an empty queue for each test of a file, and users with devices that share its push services. */
export function useCrowd() {
  const db = useDatabase();
  beforeEach(() => clearQueue(db().sql));

  /** Reports what became of claimed deliveries. */
  const report = (claimed: Claimed[], now: Date, outcome: (row: Claimed) => OutcomeReport) =>
    complete(
      db().sql,
      now,
      claimed.map((row) => ({ ...row, ...outcome(row) })),
    );

  /** A user with so many devices, each of which has taken a message unless `proven` is false. */
  async function user(devices: number, proven = true, origin: string = FCM): Promise<string> {
    const { sql } = db();
    const { id } = await createUser(sql);
    for (let n = 0; n < devices; n++) await subscribe(sql, id, { endpoint: createEndpoint(origin) });
    if (proven) {
      await notify(sql, id);
      const now = startOfClock();
      await report(await claim(sql, now), now, () => SENT);
    }
    return id;
  }

  async function users(count: number, devices: number, proven = true): Promise<string[]> {
    const made: string[] = [];
    for (let n = 0; n < count; n++) made.push(await user(devices, proven));
    return made;
  }

  /** So many messages to each of these users. */
  const flood = (ids: string[], each: number) => db().sql`
    insert into public.push_notifications (user_id, title, send_at)
    select id, 'Mine', now() from unnest(${ids}::uuid[]) as id, generate_series(1, ${each}::int)`;

  return { db, report, user, users, flood };
}
