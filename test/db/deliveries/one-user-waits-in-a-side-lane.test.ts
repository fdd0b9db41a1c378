import { expect, test } from 'vitest';
import { SENT, useCrowd } from '../../support/crowd.ts';
import { claim, notify, plus, startOfClock } from '../../support/queue.ts';
import { createTopic } from '../../support/topics.ts';

const { db, user, users, flood, report } = useCrowd();

/** How many of this user's deliveries wait in lane 0, and how many in a side lane. */
async function lanesOf(userId: string): Promise<{ main: number; side: number }> {
  const [row] = await db().sql<{ main: number; side: number }[]>`
    select count(*) filter (where q.lane = 0)::int as main, count(*) filter (where q.lane > 0)::int as side
    from push.queue as q join public.push_subscriptions as s on s.id = q.subscription_id
    where s.user_id = ${userId}`;
  return row as { main: number; side: number };
}

test('beyond a hundred in one statement', async () => {
  const one = await user(1, false);
  await flood([one], 200);
  expect(await lanesOf(one)).toEqual({ main: 100, side: 100 });
});

test('beyond thirty that wait for one device, however they were written', async () => {
  const { sql } = db();
  const one = await user(1, false);
  for (let n = 0; n < 35; n++) await notify(sql, one);
  expect(await lanesOf(one)).toEqual({ main: 30, side: 5 });
});

test('what waits for the end of quiet hours is not too much', async () => {
  const { sql } = db();
  const one = await user(1, false);
  await flood([one], 30);
  await sql`update push.queue set due_at = now() + interval '8 hours', last_code = 'quiet_hours'`;
  await notify(sql, one);
  expect(await lanesOf(one)).toEqual({ main: 31, side: 0 });
});

test('a message to a topic waits in lane 0, whatever its members have', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 2);
  const [one] = userIds as [string];
  await flood([one], 100);
  await sql`select push.notify_topic(${topic}, 'To all')`;
  await sql`select push.fan_out()`;
  const rows = await sql`
    select q.lane from push.queue as q join public.push_notifications as n on n.id = q.notification_id
    where n.audience_topic = ${topic}`;
  expect(rows.map(({ lane }) => lane)).toEqual([0, 0]);
});

test('behind ten thousand of one user, a message of another is in the first claim', async () => {
  const { sql } = db();
  const one = await user(1, false);
  await flood([one], 10_000);
  const other = await user(1, false);
  await notify(sql, other);
  expect((await claim(sql, startOfClock())).map(({ user_id }) => user_id)).toContain(other);
});

test('while lane 0 is full, an eighth of the claims begin with a side lane', async () => {
  const { sql } = db();
  const one = await user(1, false);
  await flood([one], 1000);
  const now = startOfClock();
  // What this user has in lane 0 goes first.
  for (let taken = 100; taken > 0; ) {
    const claimed = await claim(sql, now, { limit: Math.min(taken, 20) });
    await report(claimed, now, () => SENT);
    taken = (await lanesOf(one)).main;
  }
  const many = await users(30, 1, false);
  await flood(many, 10);
  // Each of fifteen side lanes has its turn within 120 claims.
  const of = [];
  for (let turn = 0; turn < 120; turn++) {
    const claimed = await claim(sql, plus(startOfClock(), 1), { limit: 2 });
    await report(claimed, plus(startOfClock(), 1), () => SENT);
    of.push(...claimed.map(({ user_id }) => user_id === one));
  }
  expect(of.length).toBe(240);
  expect(of.filter((mine) => mine).length).toBe(2);
});

test('side lanes get what lane 0 leaves, and one user a share of each claim', async () => {
  const { sql } = db();
  const one = await user(1, false);
  await flood([one], 100);
  await sql`update push.queue set lane = 3`;
  expect(await claim(sql, startOfClock())).toHaveLength(25);
});

test('of one tag, the newest wins over what waits in another lane', async () => {
  const { sql } = db();
  const one = await user(1, false);
  for (let n = 0; n < 35; n++) await sql`select push.notify(${one}, ${`Price ${n}`}, p_tag => 'price')`;
  expect((await claim(sql, startOfClock())).map(({ title }) => title)).toEqual(['Price 34']);
});

test('what a busy dispatcher puts off is due again within half a minute', async () => {
  const { sql } = db();
  const one = await user(1, false);
  await flood([one], 300);
  const now = startOfClock();
  expect(await claim(sql, now, { busyUsers: [one] })).toEqual([]);
  const [row] = await sql<{ latest: Date }[]>`select max(due_at) as latest from push.queue`;
  expect(row?.latest.getTime()).toBeLessThanOrEqual(plus(now, 30).getTime());
});

test('what one statement writes waits in the order in which it was written', async () => {
  const { sql } = db();
  const [one, two] = (await users(2, 1, false)) as [string, string];
  await sql`
    insert into public.push_notifications (user_id, title)
    select case when n % 2 = 0 then ${one}::uuid else ${two}::uuid end, n::text from generate_series(1, 50) as n`;
  const rows = await sql<{ title: string }[]>`
    select n.title from push.queue as q join public.push_notifications as n on n.id = q.notification_id order by q.due_at, q.id`;
  expect(rows.map(({ title }) => Number(title))).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
});
