import { beforeEach, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { refusalOf } from '../../support/refusal.ts';
import { addToLog, clearStatistics, ended, readStats, rollUp } from '../../support/statistics.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOON = new Date('2040-06-15T12:00:00Z');

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await clearStatistics(sql);
  await sql`update push.settings set max_statistic_labels = default`;
  await sql`delete from public.push_categories`;
  user = (await createUser(sql)).id;
});

async function notification(values: Record<string, string>): Promise<string> {
  const [row] = await db()
    .sql`insert into public.push_notifications ${db().sql({ user_id: user, title: 'Hello', ...values })} returning id`;
  return row?.id;
}

/** Statistics of the hour before noon. */
const hour = async (by: string[] = []) =>
  await readStats(db().sql, { from: plus(NOON, -HOUR), until: NOON, every: 'hour', by, now: NOON });

test('delivery rate: sent of attempted; what was taken back or held back was not attempted', async () => {
  const { sql } = db();
  const at = plus(NOON, -600);
  await addToLog(sql, [
    ...Array.from({ length: 6 }, () => ended(at)),
    ended(at, { state: 'gone' }),
    ended(at, { state: 'failed' }),
    ended(at, { state: 'expired', claims: 2 }),
    ended(at, { state: 'expired', claims: 0 }),
    ended(at, { state: 'suppressed', claims: 0 }),
    ended(at, { state: 'cancelled', claims: 1 }),
  ]);
  await rollUp(sql, NOON);
  expect(await hour()).toMatchObject([
    { deliveries: '12', attempted: '9', sent: '6', delivery_rate: '0.6667', click_rate: null },
  ]);
});

test('click rate: clicked of displayed; a platform that does not say what it displayed counts for neither', async () => {
  const { sql } = db();
  const rows = Array.from({ length: 5 }, () => ended(plus(NOON, -600)));
  await addToLog(sql, rows, await subscribe(sql, user));
  const said = (index: number, event: string) => ({ delivery_id: rows[index]?.id as string, event });
  await record(
    sql,
    [
      said(0, 'displayed'),
      said(0, 'clicked'),
      said(1, 'displayed'),
      said(2, 'displayed'),
      said(2, 'dismissed'),
      said(3, 'clicked'),
      said(3, 'action'),
    ],
    plus(NOON, -500),
  );
  await rollUp(sql, NOON);
  expect(await hour()).toMatchObject([
    { displayed: '3', clicked: '2', dismissed: '1', acted: '1', click_rate: '0.3333' },
  ]);
});

test('due to sent is a histogram of less than so many seconds; what was not sent is not in it', async () => {
  const { sql } = db();
  const at = plus(NOON, -600);
  await addToLog(sql, [
    ...[0.2, 0.9, 1, 29.9, 30, 90_000].map((seconds) => ended(at, { due_at: plus(at, -seconds) })),
    ended(at, { state: 'failed' }),
  ]);
  await rollUp(sql, NOON);
  expect((await hour())[0]?.due_to_sent).toEqual({ 1: 2, 2: 1, 30: 1, 60: 1, more: 1 });
});

test('what was parked for good when it was sent has no time from due to sent, and is counted', async () => {
  const { sql } = db();
  await addToLog(sql, [ended(plus(NOON, -600)), ended(plus(NOON, -600))]);
  await sql`update push.delivery_log set due_at = 'infinity' where id = (select max(id) from push.delivery_log)`;
  await rollUp(sql, NOON);
  const [counted] = await hour();
  expect(counted).toMatchObject({ deliveries: '2', sent: '2' });
  expect(counted?.due_to_sent).toEqual({ 2: 1 });
});

test('names are declared ones: a category counts as the one above it that is, all else as other', async () => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title) values ('alerts', 'A'), ('alerts:DAX', 'D')`;
  await sql`insert into public.push_templates (key, title) values ('welcome', 'Hello') on conflict do nothing`;
  const at = plus(NOON, -600);
  for (const category of ['alerts', 'alerts:DAX', 'alerts:DAX:future', 'alerts:SPX', 'my-words', 'our-words'])
    await addToLog(sql, [ended(at, { notification_id: await notification({ category }) })]);
  await addToLog(sql, [
    ended(at, { notification_id: await notification({ template: 'welcome', rule: 'gone_rule' }) }),
    ended(at, { host: 'https://gone.example', last_code: 'My words' }),
  ]);
  await rollUp(sql, NOON);
  const by = async (...labels: string[]) =>
    (await hour(labels)).map((row) =>
      [...labels.map((label) => row[label as 'rule']), row.deliveries].join(' '),
    );
  expect(await by('category')).toEqual(['alerts 2', 'alerts:DAX 2', 'other 2', ' 2']);
  expect(await by('template', 'rule')).toEqual(['welcome other 1', '  7']);
  expect(await by('channel', 'code')).toEqual(['other other 1', 'webpush  7']);
});

test('beyond so many names what comes is other, the most frequent ones first; room is made once they are gone', async () => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title) values ('a', 'A'), ('b', 'B'), ('c', 'C')`;
  // One of them is that of the push service.
  await sql`update push.settings set max_statistic_labels = 2`;
  const at = plus(NOON, -600);
  for (const category of ['a', 'b', 'b', 'b', 'c'])
    await addToLog(sql, [ended(at, { notification_id: await notification({ category }) })]);
  await rollUp(sql, NOON);
  const counts = async () =>
    (await hour(['category'])).map(({ category, deliveries }) => `${category} ${deliveries}`);
  expect(await counts()).toEqual(['b 3', 'other 2']);
});

test('days are those of a zone, also when its clocks change; in zones of half hours an hour counts where it begins', async () => {
  const { sql } = db();
  const now = new Date('2040-03-27T00:00:00Z');
  // In Vienna the 25th has 23 hours, from 23:00 to 22:00 UTC.
  const moments = ['24T22:59', '24T23:00', '25T21:59', '25T22:00', '25T18:20', '25T18:40', '25T19:00'];
  await addToLog(
    sql,
    moments.map((moment) => ended(new Date(`2040-03-${moment}:30Z`))),
  );
  await rollUp(sql, now);
  const days = async (zone: string) =>
    (await readStats(sql, { from: new Date('2040-03-24T12:00:00Z'), zone, now })).map(
      ({ bucket, deliveries }) => `${bucket.toISOString().slice(5, 16)} ${deliveries}`,
    );
  expect(await days('UTC')).toEqual(['03-24T00:00 2', '03-25T00:00 5']);
  expect(await days('Europe/Vienna')).toEqual(['03-23T23:00 1', '03-24T23:00 5', '03-25T22:00 1']);
  expect(await days('Asia/Kolkata')).toEqual(['03-24T18:30 4', '03-25T18:30 3']);
});

test('all in one is a row; the bucket in which a range begins or ends counts as a whole', async () => {
  const { sql } = db();
  await addToLog(
    sql,
    [-40 * DAY, -3 * DAY, -2 * HOUR, -600].map((seconds) => ended(plus(NOON, seconds))),
  );
  await rollUp(sql, NOON);
  const all = async (from: Date, until = NOON) =>
    (await readStats(sql, { from, until, every: 'all', now: NOON })).map(({ deliveries }) =>
      Number(deliveries),
    );
  expect(await all(plus(NOON, -50 * DAY))).toEqual([4]);
  expect(await all(plus(NOON, -3 * DAY))).toEqual([3]);
  expect(await all(plus(NOON, -2 * HOUR + 1800))).toEqual([2]);
  expect(await all(plus(NOON, -2 * HOUR), plus(NOON, -HOUR))).toEqual([1]);
  expect(await all(plus(NOON, -5 * HOUR), plus(NOON, -4 * HOUR))).toEqual([]);
});

test.each([
  ['an unknown bucket', { every: 'week' }, 'stats_every_unknown'],
  ['an unknown label', { by: ['user'] }, 'stats_by_unknown'],
  ['labels of both cubes', { by: ['service', 'category'] }, 'stats_by_mixed'],
  ['a range that is empty', { from: NOON }, 'stats_range_empty'],
  ['an unknown zone', { zone: 'Mars/Olympus' }, 'timezone_unknown'],
  ['minutes that are gone', { every: 'minute', from: plus(NOON, -49 * HOUR) }, 'stats_too_old'],
  ['hours that are gone', { every: 'hour', from: plus(NOON, -36 * DAY) }, 'stats_too_old'],
  [
    'days of a zone whose hours are gone',
    { zone: 'Asia/Tokyo', from: plus(NOON, -36 * DAY) },
    'stats_too_old',
  ],
])('%s is refused', async (_what, query, code) => {
  const refusal = await refusalOf(readStats(db().sql, { from: plus(NOON, -HOUR), now: NOON, ...query }));
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code });
});

test('servers read them with the secret key, no other role does, and never a part of them', async () => {
  const { sql } = db();
  const now = new Date();
  await addToLog(
    sql,
    Array.from({ length: 3 }, () => ended(plus(now, -120))),
  );
  await rollUp(sql, now);
  const from = plus(now, -DAY);
  expect(
    await asService(sql, (t) => t`select deliveries from public.push_stats(${from}, p_every => 'all')`),
  ).toEqual([{ deliveries: '3' }]);
  for (const refused of [
    () => asAnon(sql, (t) => t`select * from public.push_stats(${from})`),
    () => asUser(sql, user, (t) => t`select * from public.push_stats(${from})`),
    () => asService(sql, (t) => t`select * from push.stats(${from})`),
    () => asService(sql, (t) => t`select * from push.statistics`),
  ])
    expect((await refusalOf(refused())).sqlstate).toBe('42501');
  await sql`
    insert into push.statistics (every, bucket, cells, counted_at)
    select 'minute', date_trunc('minute', ${now}::timestamptz) - n * interval '1 minute', s.cells, now()
    from generate_series(5, 1100) as n, (select cells from push.statistics where every = 'minute') as s`;
  const minutes = asService(sql, (t) => t`select * from public.push_stats(${from}, p_every => 'minute')`);
  expect(await refusalOf(minutes)).toMatchObject({ sqlstate: 'PT400', code: 'stats_too_many_rows' });
});
