import { beforeEach, expect, test } from 'vitest';
import { clearAlerts, course, MORNING, recordQuotes } from '../../support/alerts.ts';
import { plus } from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const DAY = 86_400;
beforeEach(() => clearAlerts(db().sql));

const tend = async (now: Date, limit = 10_000) =>
  (await db().sql`select push.tick_alerts(${limit}, ${now}) as done`)[0]?.done.quotes_deleted;
const kept = async () =>
  (await db().sql`select value from push.quote_history order by quoted_at`).map(({ value }) => value);

test('what is older than settings say goes, to the second, and the newest quote stays where it is', async () => {
  await course(db().sql, [1, 2, 3]);
  expect(await tend(plus(MORNING, 5 * DAY - 1))).toBe(0);
  expect(await tend(plus(MORNING, 5 * DAY + 60))).toBe(2);
  expect(await kept()).toEqual([3]);
  expect(await tend(plus(MORNING, 9 * DAY))).toBe(1);
  expect([...(await db().sql`select value from public.push_quotes`)]).toEqual([{ value: 3 }]);
});

test('it goes in batches of a bounded size, the oldest first', async () => {
  await course(
    db().sql,
    Array.from({ length: 12 }, (_, index) => index),
  );
  const later = plus(MORNING, 6 * DAY);
  expect(await tend(later, 1)).toBe(5);
  expect(await kept()).toEqual([5, 6, 7, 8, 9, 10, 11]);
  expect([await tend(later, 1), await tend(later, 1), await tend(later, 1)]).toEqual([5, 2, 0]);
});

test('two that tidy up at once do not wait for each other', async () => {
  const { sql, url } = db();
  await course(sql, [1, 2, 3]);
  await withSessions(url, 1, async (...[session]) => {
    const own = session?.sql as typeof sql;
    await own`begin`;
    await own`select push.tick_alerts(10000, ${plus(MORNING, 6 * DAY)})`;
    expect(await tend(plus(MORNING, 6 * DAY))).toBe(0);
    await own`commit`;
  });
  expect(await kept()).toEqual([]);
});

test('one of before that time is taken, and goes with the next tidying', async () => {
  await recordQuotes(db().sql, [{ symbol: 'DAX', value: 1 }], plus(MORNING, 7 * DAY));
  await recordQuotes(db().sql, [{ symbol: 'DAX', value: 9, quoted_at: MORNING }], plus(MORNING, 7 * DAY));
  expect(await kept()).toEqual([9, 1]);
  expect(await tend(plus(MORNING, 7 * DAY))).toBe(1);
});
