import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { withSessions } from '../../support/sessions.ts';
import { addToLog, clearStatistics, ended, readStats, rollUp, settle } from '../../support/statistics.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOON = new Date('2040-06-15T12:00:00Z');
const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await clearStatistics(db().sql);
});

const kept = async () =>
  (await db().sql`select every, count(*)::int as n from push.statistics group by every order by every`).map(
    ({ every, n }) => `${every} ${n}`,
  );
const deliveries = async (now: Date) =>
  (await readStats(db().sql, { from: plus(NOON, -60 * DAY), now })).reduce(
    (sum, row) => sum + Number(row.deliveries),
    0,
  );
const clean = async (now: Date) => (await db().sql`select push.clean(1000, ${now}) as counts`)[0]?.counts;

test('minutes for two days, hours for five weeks, days for thirteen months, labels as long as they are used', async () => {
  const { sql } = db();
  await addToLog(sql, [ended(plus(NOON, -90)), ended(plus(NOON, -HOUR)), ended(plus(NOON, -DAY))]);
  await settle(sql, plus(NOON, 240));
  expect(await kept()).toEqual(['day 2', 'hour 2', 'minute 3']);
  await settle(sql, plus(NOON, 47 * HOUR));
  expect(await kept()).toEqual(['day 2', 'hour 2', 'minute 2']);
  await settle(sql, plus(NOON, 50 * HOUR));
  expect(await kept()).toEqual(['day 2', 'hour 2']);
  await settle(sql, plus(NOON, 40 * DAY));
  expect(await kept()).toEqual(['day 2']);
  expect(await deliveries(plus(NOON, 41 * DAY))).toBe(3);
  await rollUp(sql, plus(NOON, 390 * DAY));
  expect(await kept()).toEqual(['day 2']);
  await rollUp(sql, plus(NOON, 400 * DAY));
  expect(await kept()).toEqual([]);
  expect(await sql`select from push.statistic_labels`).toHaveLength(0);
});

test('the log is emptied only of what was counted, a week later at the latest; then nothing is counted again', async () => {
  const { sql, url } = db();
  const rows = [ended(NOON), ended(plus(NOON, 60))];
  await addToLog(sql, rows);
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    // The job is at work, so that the cleaning cannot count.
    await other.sql`begin`;
    await other.sql`select pg_advisory_xact_lock(hashtextextended('supapush.statistics', 0))`;
    expect(await clean(plus(NOON, 36 * DAY))).toMatchObject({ log_parts: 0 });
    await other.sql`commit`;
    expect(await clean(plus(NOON, 36 * DAY))).toMatchObject({ log_parts: 1 });
    expect(await deliveries(plus(NOON, 37 * DAY))).toBe(2);
    // A mark that comes after that.
    await sql`select push.recount_later(array[${NOON}::timestamptz], ${plus(NOON, 36 * DAY)})`;
    await settle(sql, plus(NOON, 36 * DAY + 60));
    await rollUp(sql, plus(NOON, 36 * DAY + 60));
    expect(await deliveries(plus(NOON, 37 * DAY))).toBe(2);
    expect(await sql`select from push.statistics_recounts`).toHaveLength(0);

    await addToLog(sql, [ended(plus(NOON, 37 * DAY))]);
    await other.sql`begin`;
    await other.sql`select pg_advisory_xact_lock(hashtextextended('supapush.statistics', 0))`;
    expect(await clean(plus(NOON, 73 * DAY))).toMatchObject({ log_parts: 0 });
    expect(await clean(plus(NOON, 74 * DAY + 1))).toMatchObject({ log_parts: 1 });
    await other.sql`rollback`;
  });
});

test('a receipt that comes after days counts where its delivery ended, also once its minutes are gone', async () => {
  const { sql } = db();
  const row = ended(NOON);
  await addToLog(sql, [row], await subscribe(sql, (await createUser(sql)).id));
  await settle(sql, plus(NOON, 240));
  await settle(sql, plus(NOON, 3 * DAY));
  await record(sql, [{ delivery_id: row.id, event: 'clicked' }], plus(NOON, 20 * DAY));
  await rollUp(sql, plus(NOON, 20 * DAY + 60));
  expect(await readStats(sql, { from: plus(NOON, -DAY), now: plus(NOON, 21 * DAY) })).toMatchObject([
    { bucket: new Date('2040-06-15T00:00:00Z'), clicked: '1' },
  ]);
});

test('an old hour that is counted again has its receipts, as long as the log has its deliveries', async () => {
  const { sql } = db();
  const row = ended(NOON);
  const device = await subscribe(sql, (await createUser(sql)).id);
  // A week goes from the log at once: of this one, something ended days later.
  await addToLog(sql, [row, ended(plus(NOON, 4 * DAY))], device);
  await record(sql, [{ delivery_id: row.id, event: 'clicked' }], plus(NOON, 30));
  await settle(sql, plus(NOON, 240));
  const clicked = async (now: Date) =>
    (await readStats(sql, { from: plus(NOON, -DAY), until: plus(NOON, DAY), now })).map((day) => day.clicked);
  expect(await clean(plus(NOON, 32 * DAY))).toMatchObject({ log_parts: 0, receipts: 0 });
  await sql`select push.recount_later(array[${NOON}::timestamptz], ${plus(NOON, 32 * DAY)})`;
  await settle(sql, plus(NOON, 32 * DAY + 60));
  expect(await clicked(plus(NOON, 32 * DAY + 60))).toEqual(['1']);
  expect(await clean(plus(NOON, 35 * DAY))).toMatchObject({ log_parts: 1 });
  expect(await clean(plus(NOON, 35 * DAY))).toMatchObject({ receipts: 1 });
});

test('an hour has its receipts also where deliveries are kept for less than the two days of its minutes', async () => {
  const { sql } = db();
  const row = ended(NOON);
  const device = await subscribe(sql, (await createUser(sql)).id);
  await addToLog(sql, [row, ended(plus(NOON, 4 * DAY))], device);
  await record(sql, [{ delivery_id: row.id, event: 'clicked' }], plus(NOON, 30));
  await settle(sql, plus(NOON, 240));
  await sql`update push.settings set keep_deliveries = '1 day'`;
  try {
    await clean(plus(NOON, 2 * DAY - HOUR));
    await settle(sql, plus(NOON, 3 * DAY));
    const [day] = await readStats(sql, { from: plus(NOON, -DAY), now: plus(NOON, 3 * DAY) });
    expect(day?.clicked).toBe('1');
  } finally {
    await sql`update push.settings set keep_deliveries = default`;
  }
});

test('what a transaction ends that commits hours later is counted, and no run waits for it', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await addToLog(app.sql, [ended(NOON)]);
    // Its number is the greatest that there is so far.
    for (const minute of [3, 4, 5]) await rollUp(sql, plus(NOON, minute * 60));
    await addToLog(sql, [ended(plus(NOON, 7 * HOUR))]);
    await rollUp(sql, plus(NOON, 8 * HOUR));
    expect(await deliveries(plus(NOON, 8 * HOUR))).toBe(1);
    await app.sql`commit`;
  });
  await settle(sql, plus(NOON, 8 * HOUR + 60));
  await settle(sql, plus(NOON, 8 * HOUR + 240));
  expect(await deliveries(plus(NOON, 9 * HOUR))).toBe(2);
});

test('what is deleted with its notification is not counted any more, also before its minute has settled', async () => {
  const { sql } = db();
  const { id: user_id } = await createUser(sql);
  const made = await sql`insert into public.push_notifications ${sql([
    { user_id, title: 'A' },
    { user_id, title: 'B' },
  ])} returning id`;
  await addToLog(
    sql,
    made.map(({ id }, index) => ended(plus(NOON, -index * HOUR), { notification_id: id })),
  );
  await rollUp(sql, plus(NOON, 60));
  expect(await deliveries(plus(NOON, 60))).toBe(2);
  await sql`delete from public.push_notifications where id = ${made[0]?.id}`;
  await rollUp(sql, plus(NOON, 120));
  expect(await deliveries(plus(NOON, 120))).toBe(1);
  await settle(sql, plus(NOON, 240));
  await sql`delete from auth.users where id = ${user_id}`;
  await rollUp(sql, plus(NOON, 300));
  expect(await kept()).toEqual([]);
});

test('a clock that is set back counts its minutes again', async () => {
  const { sql } = db();
  await addToLog(sql, [ended(plus(NOON, -30))]);
  await rollUp(sql, plus(NOON, 3 * HOUR));
  await addToLog(sql, [ended(plus(NOON, 30))]);
  await rollUp(sql, plus(NOON, 20));
  await rollUp(sql, plus(NOON, 70));
  expect(await deliveries(plus(NOON, 100))).toBe(2);
});

test('a backlog is counted a part in each run, and is an alarm when it lasts for an hour', async () => {
  const { sql } = db();
  await addToLog(
    sql,
    Array.from({ length: 30 }, (_, minute) => ended(plus(NOON, minute * 60))),
  );
  const alarms = async () =>
    (await sql`select message from push.alarms where code = 'statistics_behind' and resolved_at is null`).map(
      ({ message }) => message,
    );
  expect(await rollUp(sql, plus(NOON, 3 * HOUR), 10)).toMatchObject({ deliveries: 10 });
  expect(await deliveries(plus(NOON, 3 * HOUR))).toBe(10);
  expect(await alarms()).toEqual([]);
  await rollUp(sql, plus(NOON, 4 * HOUR), 10);
  expect(await alarms()).toEqual([expect.stringContaining('2040-06-15 12:20 UTC')]);
  const [health] = await asService(
    sql,
    (t) => t`select public.push_health(${plus(NOON, 4 * HOUR)}) as health`,
  );
  expect(health?.health.reasons).toContainEqual({
    code: 'statistics_behind',
    message: expect.stringContaining('supapush-statistics'),
  });
  await rollUp(sql, plus(NOON, 4 * HOUR + 60), 1000);
  expect(await alarms()).toEqual([]);
  expect(await deliveries(plus(NOON, 5 * HOUR))).toBe(30);
});

test('two at once: the second does nothing', async () => {
  const { sql, url } = db();
  await addToLog(sql, [ended(NOON)]);
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    await other.sql`begin`;
    await rollUp(other.sql, plus(NOON, 60));
    expect(await rollUp(sql, plus(NOON, 60))).toEqual({});
    await other.sql`commit`;
  });
  expect(await deliveries(plus(NOON, 60))).toBe(1);
});
