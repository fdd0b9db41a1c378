import { expect, test } from 'vitest';
import { useCrowd } from '../../support/crowd.ts';
import { claim, notify, plus, startOfClock } from '../../support/queue.ts';
import { FCM } from '../../support/subscriptions.ts';

const { db, user, users, flood } = useCrowd();

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

test('one user whose devices hang leaves room to others at a push service that may have ten under way', async () => {
  const { sql } = db();
  const one = await user(20, false);
  await sql`update push.hosts set max_in_flight = 10 where origin = ${FCM}`;
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
