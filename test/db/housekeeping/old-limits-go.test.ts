import { beforeEach, expect, test } from 'vitest';
import { clearLimits, closeDigests, defineDigest, statusOf, write } from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, plus, setSetting, startOfClock } from '../../support/queue.ts';
import { throttle } from '../../support/throttles.ts';
import { useDatabase } from '../../support/use-database.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const db = useDatabase();
let user: string;
let start: Date;
beforeEach(async () => {
  await clearQueue(db().sql);
  await clearLimits(db().sql);
  user = (await createUser(db().sql)).id;
  start = startOfClock();
});

async function clean(now: Date, limit = 1000): Promise<number> {
  const [row] = await db().sql<{ n: number }[]>`select (push.clean(${limit}, ${now}) ->> 'limits')::int as n`;
  return row?.n ?? 0;
}

test('a digest goes when the log has kept it long enough after its end, one that is open does not', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  const id = await write(sql, user, { digest_key: 'deals' });
  await closeDigests(sql, plus(start, HOUR));
  await write(sql, user, { digest_key: 'deals' });
  expect(await clean(plus(start, 30 * DAY))).toBe(0);
  expect(await clean(plus(start, 30 * DAY + HOUR))).toBe(1);
  expect(await sql`select from push.digest_windows where open`).toHaveLength(1);
  // The inbox keeps its messages as long as any other.
  expect(await statusOf(sql, id)).toBe('digested');
});

test('what a throttle counted goes when it limits nothing any more', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1, '2 hours');
  await write(sql, user, { category: 'alerts' });
  expect(await clean(plus(start, 2 * HOUR - 60))).toBe(0);
  expect(await statusOf(sql, await write(sql, user, { category: 'alerts' }))).toBe('suppressed');
  expect(await clean(plus(start, 2 * HOUR + 60))).toBe(1);
});

test('what a ceiling counted goes when it is that day nowhere any more', async () => {
  const { sql } = db();
  await setSetting(sql, 'daily_ceiling', 1);
  await write(sql, user);
  expect(await clean(plus(start, DAY))).toBe(0);
  expect(await clean(plus(start, 2 * DAY))).toBe(1);
});

test('no more of a kind goes at once than asked for', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  for (let index = 0; index < 3; index += 1)
    await write(sql, (await createUser(sql)).id, { category: 'alerts' });
  expect(await clean(plus(start, 2 * HOUR), 2)).toBe(2);
  expect(await clean(plus(start, 2 * HOUR), 2)).toBe(1);
});
