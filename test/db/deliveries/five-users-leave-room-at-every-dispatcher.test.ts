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

async function users(count: number, devices: number, proven = true): Promise<string[]> {
  const made: string[] = [];
  for (let n = 0; n < count; n++) made.push(await user(devices, proven));
  return made;
}

/** So many messages to each of these users. */
const flood = (ids: string[], each: number) => db().sql`
  insert into public.push_notifications (user_id, title, send_at)
  select id, 'Mine', now() from unnest(${ids}::uuid[]) as id, generate_series(1, ${each}::int)`;

test('five users whose devices hang leave room to others, also with four dispatchers', async () => {
  const { sql } = db();
  const five = await users(5, 20, false);
  await flood(five, 20);
  const start = startOfClock();
  const dispatchers = [0, 1, 2, 3].map(() => new Map<string, number>());
  let looks = 0;
  for (let round = 0; round < 12; round++)
    for (const held of dispatchers) {
      const busyUsers = [...held].filter(([, number]) => number >= 25).map(([id]) => id);
      for (const { user_id } of await claim(sql, plus(start, looks++ / 10), { busyUsers }))
        held.set(user_id, (held.get(user_id) ?? 0) + 1);
    }
  const other = await user(1, false);
  await notify(sql, other);
  expect((await claim(sql, plus(start, looks / 10))).map(({ user_id }) => user_id)).toContain(other);
});

test('one user whose devices hang leaves room to others at a push service that was slowed to ten', async () => {
  const { sql } = db();
  const one = await user(20, false);
  await sql`update push.hosts set slowed_to = 10, slowed_at = now() + interval '1 hour' where origin = ${FCM}`;
  await flood([one], 10);
  const start = startOfClock();
  let held = 0;
  for (let look = 0; look < 10; look++)
    held += (await claim(sql, plus(start, look / 10), { busyUsers: held >= 25 ? [one] : [] })).length;
  const other = await user(1, false);
  await notify(sql, other);
  expect((await claim(sql, plus(start, 1.9))).map(({ user_id }) => user_id)).toContain(other);
});

test('with little room, a claim still sees past one user who has a backlog', async () => {
  const { sql } = db();
  const one = await user(20, false);
  await sql`update push.hosts set max_in_flight = 40 where origin = ${FCM}`;
  const busy = await users(38, 1, false);
  await flood(busy, 1);
  const start = startOfClock();
  expect(await claim(sql, start)).toHaveLength(38);
  await flood([one], 50);
  const other = await user(1, false);
  await notify(sql, other);
  const seen: string[] = [];
  for (let look = 10; look < 20; look++) {
    const claimed = await claim(sql, plus(start, look / 10), { busyUsers: [one] });
    seen.push(...claimed.map(({ user_id }) => user_id));
  }
  expect(seen).toContain(other);
});
