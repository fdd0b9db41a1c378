import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const db = useDatabase();
let user: string;
let start: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`update push.cleaning set next_subscription_id = default`;
  user = (await createUser(sql)).id;
  start = startOfClock();
});

async function clean(now: Date, limit = 1000): Promise<number> {
  const [row] = await db().sql`select push.clean(${limit}, ${now}) as counts`;
  return row?.counts.subscriptions;
}

const devices = async () =>
  (await db().sql`select id from public.push_subscriptions`).map(({ id }) => id).sort();

test('a device that was never used goes 270 days after it was registered', async () => {
  await subscribe(db().sql, user);
  expect(await clean(plus(start, 269 * DAY))).toBe(0);
  expect(await clean(plus(start, 270 * DAY))).toBe(1);
});

test('one that was used counts from then, one that registered again from that', async () => {
  const { sql } = db();
  const used = await subscribe(sql, user);
  await notify(sql, user, { expiresAt: plus(start, 300 * DAY) });
  const later = plus(start, 200 * DAY);
  const claimed = await claim(sql, later);
  await complete(
    sql,
    later,
    claimed.map((row) => ({ ...row, outcome: 'sent' as const, status: 201 })),
  );
  const again = await subscribe(sql, user);
  await sql`update public.push_subscriptions set updated_at = ${later} where id = ${again}`;
  await subscribe(sql, user);
  expect(await clean(plus(start, 300 * DAY))).toBe(1);
  expect(await devices()).toEqual([used, again].sort());
  expect(await clean(plus(later, 271 * DAY))).toBe(2);
});

test('one for which something waits is kept: that may be its first use', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  await notify(sql, user, { expiresAt: plus(start, 300 * DAY) });
  expect(await clean(plus(start, 290 * DAY))).toBe(0);
});

test('one that has lapsed goes at once, and what waited for it is cancelled', async () => {
  const { sql } = db();
  await subscribe(sql, user, { expires_at: plus(start, DAY) });
  const stays = await subscribe(sql, user, { expires_at: plus(start, 3 * DAY) });
  await notify(sql, user);
  expect(await clean(plus(start, 2 * DAY))).toBe(1);
  expect(await devices()).toEqual([stays]);
  expect((await sql`select state from push.deliveries order by state`).map(({ state }) => state)).toEqual([
    'cancelled',
    'queued',
  ]);
});

test('null in the settings keeps them for ever', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  await sql`update push.settings set keep_unused_subscriptions = null`;
  expect(await clean(plus(start, 5000 * DAY))).toBe(0);
  await sql`update push.settings set keep_unused_subscriptions = default`;
});

test('a run looks at so many, and the next goes on where it ended, round and round', async () => {
  const { sql } = db();
  for (let index = 0; index < 5; index += 1) await subscribe(sql, user);
  const old = plus(start, 300 * DAY);
  expect(await clean(start, 20)).toBe(0);
  expect(await clean(old, 20)).toBe(2);
  expect(await clean(old, 20)).toBe(1);
  expect(await devices()).toHaveLength(2);
  expect(await clean(old, 20)).toBe(2);
});
