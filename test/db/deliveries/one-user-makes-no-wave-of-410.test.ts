import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
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

async function users(count: number, devices: number, proven = true): Promise<string[]> {
  const made: string[] = [];
  for (let n = 0; n < count; n++) made.push(await user(devices, proven));
  return made;
}

test('twenty devices of one user that answer 410 raise no alarm and keep no dead device of others', async () => {
  const { sql } = db();
  const others = await users(30, 1);
  const one = await user(20);
  await notify(sql, one);
  const now = plus(startOfClock(), 3600);
  await report(await claim(sql, now), now, () => ({
    outcome: 'gone',
    status: 410,
    code: 'subscription_gone',
  }));
  expect(await openAlarms(sql)).toEqual([]);
  const dead = others[0] as string;
  await notify(sql, dead);
  const later = plus(now, 60);
  await report(await claim(sql, later), later, () => ({
    outcome: 'gone',
    status: 410,
    code: 'subscription_gone',
  }));
  expect(await sql`select from public.push_subscriptions where user_id = ${dead}`).toHaveLength(0);
});
