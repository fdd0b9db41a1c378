import type postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { clearStatistics, readStats, rollUp, settle } from '../../support/statistics.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const NOON = new Date('2040-06-15T12:00:00Z');
const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await clearStatistics(db().sql);
});

/** Pages of shared memory that a statement looks at. */
async function costOf(query: string): Promise<number> {
  return await db().sql.begin(async (t) => {
    // The first time, a session reads what it needs to plan as well.
    await t.unsafe(query);
    const [row] = await t.unsafe<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }[]>(
      `explain (analyze, buffers, timing off, format json) ${query}`,
    );
    if (!row) throw new Error('There is no plan.');
    const [{ Plan: plan }] = row['QUERY PLAN'];
    return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
  });
}

/** How often this session has looked into each of these tables or changed it, as far as it was not told to the others yet. */
async function readUses(sql: postgres.TransactionSql): Promise<Record<string, number>> {
  const rows = await sql<{ relname: string; uses: string }[]>`
    select relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd + n_tup_del as uses
    from pg_stat_xact_user_tables where schemaname = 'push' and (relname like 'statistic%' or relname = 'queue')`;
  return Object.fromEntries(rows.map(({ relname, uses }) => [relname, Number(uses)]));
}

const usesSince = (after: Record<string, number>, before: Record<string, number>) =>
  Object.fromEntries(Object.entries(after).map(([table, uses]) => [table, uses - (before[table] ?? 0)]));

test('a message on its way touches no table of statistics; a late receipt leaves a mark', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  for (let device = 0; device < 3; device += 1) await subscribe(sql, id);
  const now = startOfClock();
  const uses = await sql.begin(async (t) => {
    const before = await readUses(t);
    await notify(t, id);
    const claimed = await claim(t, now);
    expect(claimed).toHaveLength(3);
    await complete(t, now, [
      { ...(claimed[0] as (typeof claimed)[0]), outcome: 'sent', status: 201 },
      { ...(claimed[1] as (typeof claimed)[0]), outcome: 'gone', status: 410, code: 'subscription_gone' },
      { ...(claimed[2] as (typeof claimed)[0]), outcome: 'retry', status: 503, code: 'push_service_error' },
    ]);
    return usesSince(await readUses(t), before);
  });
  expect(uses).toMatchObject({
    statistics: 0,
    statistic_labels: 0,
    statistics_progress: 0,
    statistics_recounts: 0,
  });
  // What would be seen if there were any.
  expect(uses.queue).toBeGreaterThan(0);

  const [sent] = await sql`select id from push.delivery_log where state = 'sent'`;
  await record(sql, [{ delivery_id: sent?.id, event: 'displayed' }], plus(now, 30));
  expect(await sql`select from push.statistics_recounts`).toHaveLength(0);
  await record(sql, [{ delivery_id: sent?.id, event: 'clicked' }], plus(now, 90));
  expect(await sql`select from push.statistics_recounts`).toHaveLength(1);
});

test('queue and log have no trigger for statistics', async () => {
  const rows = await db().sql`
    select t.tgrelid::regclass::text as table, p.proname as function from pg_trigger as t
    join pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid in ('push.queue'::regclass, 'push.delivery_log'::regclass) and not t.tgisinternal
    order by 1, 2`;
  expect([...rows]).toEqual([
    { table: 'push.delivery_log', function: 'count_finished_deliveries' },
    { table: 'push.queue', function: 'wake_for_deliveries' },
  ]);
});

test('a run reads what can still change, however much the log has', async () => {
  const { sql } = db();
  // Ten minutes of two thousand each, and one late receipt.
  await sql`
    insert into push.delivery_log (id, notification_id, subscription_id, host, state, created_at, due_at, finished_at)
    select n, gen_random_uuid(), gen_random_uuid(), 'https://fcm.googleapis.com', 'sent', w.at, w.at, w.at
    from generate_series(0, 19999) as n cross join lateral (select ${plus(NOON, -600)}::timestamptz + n * interval '30 ms' as at) as w`;
  await sql`vacuum analyze push.delivery_log`;
  await settle(sql, plus(NOON, 200));
  await settle(sql, plus(NOON, 400));
  expect((await rollUp(sql, plus(NOON, 400))).deliveries).toBe(0);
  expect(await costOf(`select push.roll_up(1000000, '${plus(NOON, 460).toISOString()}')`)).toBeLessThan(500);

  const device = await subscribe(sql, (await createUser(sql)).id);
  await sql`update push.delivery_log set subscription_id = ${device} where id = 1`;
  await record(sql, [{ delivery_id: 1, event: 'clicked' }], plus(NOON, 500));
  // A minute of two thousand waits four seconds for what else comes.
  expect((await rollUp(sql, plus(NOON, 502))).deliveries).toBe(0);
  expect((await rollUp(sql, plus(NOON, 505))).deliveries).toBe(2000);
  expect((await rollUp(sql, plus(NOON, 565))).deliveries).toBe(0);
  const [stats] = await readStats(sql, { from: plus(NOON, -DAY), every: 'all', now: plus(NOON, 600) });
  expect(stats).toMatchObject({ deliveries: '20000', clicked: '1' });
});

test('a month of ten million deliveries is read in a few pages', async () => {
  const { sql } = db();
  // Sixty combinations of labels in every hour, and in every day.
  await sql`
    insert into push.statistic_labels (cube, channel, service, outcome, code, sent_within, category, template, rule, topic)
    select case when n <= 20 then 'services' else 'messages' end, 'webpush', 'https://' || (n % 5) || '.example',
      case n % 4 when 0 then 'failed' else 'sent' end, 'c' || n, case n % 4 when 0 then 0 else 2 end, 'category' || n, '', '', ''
    from generate_series(1, 60) as n`;
  await sql`
    insert into push.statistics (every, bucket, cells, counted_at)
    select e.every, e.bucket, array(select row(l.id, e.size / 20, e.size / 20, 90, 9, 9, 1, 1)::push.statistic from push.statistic_labels as l), now()
    from (
      select 'hour' as every, ${NOON}::timestamptz - n * interval '1 hour' as bucket, 14000 as size from generate_series(0, 720) as n
      union all
      select 'day', date_trunc('day', ${NOON}::timestamptz) - n * interval '1 day', 330000 from generate_series(0, 395) as n
    ) as e`;
  await sql`vacuum analyze push.statistics, push.statistic_labels`;
  const month = (rest: string) =>
    costOf(
      `select * from push.stats('${plus(NOON, -30 * DAY).toISOString()}', '${NOON.toISOString()}', ${rest}, p_now => '${NOON.toISOString()}')`,
    );
  expect(await month(`'day', '{category}'`)).toBeLessThan(150);
  expect(await month(`'day', '{service,code}', 'Europe/Vienna'`)).toBeLessThan(1500);
  const [size] = await sql`select pg_total_relation_size('push.statistics') as bytes`;
  expect(Number(size?.bytes)).toBeLessThan(4_000_000);
});
