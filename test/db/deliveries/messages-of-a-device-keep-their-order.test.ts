import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  type Claimed,
  claim,
  clearQueue,
  complete,
  notify,
  type OutcomeReport,
  plus,
  startOfClock,
} from '../../support/queue.ts';
import { createEndpoint, FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const SENT: OutcomeReport = { outcome: 'sent', status: 201 };

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

test('of a burst to one user, each device gets the older message first', async () => {
  const { sql } = db();
  const one = await user(20, false);
  for (let n = 0; n < 20; n++) await notify(sql, one, { title: String(n).padStart(4, '0') });
  const start = startOfClock();
  const last = new Map<string, string>();
  let late = 0;
  let sent = 0;
  for (let look = 0; sent < 400; look++) {
    const claimed = await claim(sql, plus(start, look / 10));
    for (const { endpoint, title } of claimed) {
      const before = last.get(endpoint as string) ?? '';
      if (before > title) late++;
      else last.set(endpoint as string, title);
    }
    sent += claimed.length;
    await report(claimed, plus(start, look / 10), () => SENT);
  }
  expect(late).toBe(0);
});
