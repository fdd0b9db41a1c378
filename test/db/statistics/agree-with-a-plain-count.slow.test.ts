import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { generator } from '../../support/random-numbers.ts';
import { record } from '../../support/receipts.ts';
import { withSessions } from '../../support/sessions.ts';
import {
  addToLog,
  clearStatistics,
  type Ended,
  ended,
  readStats,
  rollUp,
  type StatsQuery,
  settle,
} from '../../support/statistics.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
// Clocks change in New York a week later, and in Vienna two weeks after that.
const START = new Date('2040-03-04T21:07:00Z');
const HOSTS = ['https://fcm.googleapis.com', 'https://fcm.googleapis.com/v1', 'https://gone.example'];
const CODES = [null, null, 'timed_out', 'push_service_error', 'No code, but a sentence.'];
const STATES = ['sent', 'sent', 'sent', 'sent', 'gone', 'failed', 'expired', 'suppressed', 'cancelled'];
const EVENTS = ['displayed', 'displayed', 'clicked', 'dismissed', 'action'];

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await clearStatistics(sql);
  await sql`delete from public.push_categories`;
  await sql`insert into public.push_categories (key, title) values ('alerts', 'A'), ('alerts:DAX', 'D'), ('deals', 'D')`;
  await sql`insert into public.push_templates (key, title) values ('welcome', 'Hello') on conflict do nothing`;
  await sql`insert into public.push_topics (key, title) values ('news', 'News')`;
  // All that ever ended and was said of it, whatever the log still has.
  await sql`drop table if exists public.every_delivery, public.every_receipt`;
  await sql`create table public.every_delivery as select l.*, n.category, n.template, n.audience_topic as topic
    from push.delivery_log as l join public.push_notifications as n on n.id = l.notification_id with no data`;
  await sql`create table public.every_receipt as select delivery_id, event from push.receipts with no data`;
  await sql`create index on public.every_receipt (delivery_id)`;
});

/** Notifications of declared and undeclared names. */
async function makeNotifications(count: number, random: () => number): Promise<string[]> {
  const { sql } = db();
  const { id: user_id } = await createUser(sql);
  const pick = <T>(values: T[]): T => values[Math.floor(random() * values.length)] as T;
  const rows = Array.from({ length: count }, () => {
    const topic = random() < 0.2;
    return {
      user_id: topic ? null : user_id,
      audience_topic: topic ? 'news' : null,
      title: 'Hello',
      category: pick([null, 'alerts:DAX', 'alerts:SPX', 'deals', 'users-own-word']),
      template: pick([null, 'welcome']),
    };
  });
  const stored = await sql`insert into public.push_notifications ${sql(rows)} returning id`;
  // As old as the clock of these tests.
  await sql`update public.push_notifications set expires_at = '2041-01-01'`;
  return stored.map(({ id }) => id);
}

async function remember(rows: Ended[]): Promise<void> {
  await db().sql`
    insert into public.every_delivery
    select l.*, n.category, n.template, n.audience_topic from push.delivery_log as l
    left join public.push_notifications as n on n.id = l.notification_id
    where l.id = any (${rows.map(({ id }) => id)}::bigint[])`;
}

/** The same as push.stats(), counted row by row. */
async function count({ from, until, every = 'day', by = [], zone = 'UTC', now }: StatsQuery) {
  return await db().sql`
    with named as (
      select d.id, d.state as outcome, d.claims, d.finished_at, d.due_at,
        coalesce((select h.origin from push.hosts as h where h.origin = d.host), 'other') as service,
        coalesce((select h.channel from push.hosts as h where h.origin = d.host), 'other') as channel,
        case when d.last_code ~ '[A-Z]' then 'other' else d.last_code end as code,
        case when d.category in ('alerts:DAX', 'deals') then d.category when d.category like 'alerts:%' then 'alerts'
          when d.category is not null then 'other' end as category,
        d.template, d.topic, null::text as rule,
        array(select r.event from public.every_receipt as r where r.delivery_id = d.id) as said
      from public.every_delivery as d
      where d.finished_at >= date_trunc(${every}, ${from}::timestamptz, ${zone}) and d.finished_at < date_trunc('minute', ${now}::timestamptz)
        and d.finished_at < coalesce(${until ?? null}::timestamptz, 'infinity')
    )
    select date_trunc(${every}, n.finished_at, ${zone}) as bucket,
      case when 'channel' = any (${by}::text[]) then n.channel end as channel,
      case when 'service' = any (${by}::text[]) then n.service end as service,
      case when 'code' = any (${by}::text[]) then n.code end as code,
      case when 'category' = any (${by}::text[]) then n.category end as category,
      case when 'template' = any (${by}::text[]) then n.template end as template,
      case when 'rule' = any (${by}::text[]) then n.rule end as rule,
      case when 'topic' = any (${by}::text[]) then n.topic end as topic,
      case when 'outcome' = any (${by}::text[]) then n.outcome end as outcome,
      count(*) as deliveries,
      count(*) filter (where n.outcome in ('sent', 'gone', 'failed') or n.outcome = 'expired' and n.claims > 0) as attempted,
      count(*) filter (where n.outcome = 'sent') as sent,
      count(*) filter (where 'displayed' = any (n.said)) as displayed, count(*) filter (where 'clicked' = any (n.said)) as clicked,
      count(*) filter (where 'dismissed' = any (n.said)) as dismissed, count(*) filter (where 'action' = any (n.said)) as acted,
      round(count(*) filter (where 'displayed' = any (n.said) and 'clicked' = any (n.said))::numeric
        / nullif(count(*) filter (where 'displayed' = any (n.said)), 0), 4) as click_rate,
      count(*) filter (where n.outcome = 'sent' and n.finished_at - n.due_at < interval '5 seconds') as within_5
    from named as n
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    order by 1, 2, 3, 4, 5, 6, 7, 8, 9`;
}

async function expectSame(query: StatsQuery): Promise<void> {
  const told = await readStats(db().sql, query);
  const counted = await count(query);
  const by = query.by ?? [];
  const hasDelays = !by.some((label) => ['category', 'template', 'rule', 'topic'].includes(label));
  expect(
    told.map(({ due_to_sent, ...row }) => ({
      ...row,
      within_5: String(['1', '2', '5'].reduce((sum, bound) => sum + (due_to_sent?.[bound] ?? 0), 0)),
    })),
    JSON.stringify(query),
  ).toMatchObject(counted.map(({ within_5, ...row }) => ({ ...row, within_5: hasDelays ? within_5 : '0' })));
  expect(told.length, JSON.stringify(query)).toBe(counted.length);
}

async function expectAllSame(now: Date): Promise<void> {
  const days = plus(now, -34 * DAY);
  for (const query of [
    { from: START, by: [] },
    { from: START, by: ['channel', 'service', 'code', 'outcome'] },
    { from: START, by: ['category', 'template', 'topic', 'outcome'] },
    { from: plus(now, -2 * DAY), every: 'minute', by: ['service'] },
    { from: plus(now, -2 * DAY), every: 'minute', by: ['category'] },
    { from: days, every: 'hour', by: ['outcome'] },
    { from: days, every: 'hour', by: ['topic'] },
    { from: days, zone: 'Europe/Vienna' },
    { from: days, zone: 'America/New_York', by: ['category', 'outcome'] },
  ] satisfies Omit<StatsQuery, 'now'>[])
    await expectSame({ ...query, now });
}

test('whatever happens between two runs: late receipts, late commits, deletions, runs that break off, an emptied log', async () => {
  const { sql, url } = db();
  const random = generator(4);
  const pick = <T>(values: T[]): T => values[Math.floor(random() * values.length)] as T;
  const notifications = await makeNotifications(60, random);
  const deliveries: Ended[] = [];
  let late: Ended[] | undefined;
  let now = START;

  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    for (let round = 0; round < 60; round += 1) {
      // Some weeks first, then hours.
      const step = pick(
        round < 45 ? [60, 180, 7 * 3600, DAY, DAY, 2 * DAY, 3 * DAY] : [60, 60, 180, 1800, 7 * 3600],
      );
      const rows = Array.from({ length: 1 + Math.floor(random() * 25) }, () => {
        const at = plus(now, random() * step);
        return ended(at, {
          notification_id: pick(notifications),
          host: pick(HOSTS),
          state: pick(STATES),
          last_code: pick(CODES),
          claims: pick([0, 1, 3]),
          due_at: plus(at, -pick([0.2, 3, 40, 4000, 90_000])),
        });
      });
      now = plus(now, step);
      if (late === undefined && random() < 0.2) {
        late = rows;
        await app.sql`begin`;
        await addToLog(app.sql, rows);
      } else {
        await addToLog(sql, rows);
        await remember(rows);
        deliveries.push(...rows);
      }

      const said = Array.from({ length: 15 }, () => ({
        delivery_id: pick(deliveries.length > 0 ? deliveries : rows),
        event: pick(EVENTS),
      })).filter(({ delivery_id }) => delivery_id.finished_at > plus(now, -25 * DAY));
      await record(
        sql,
        said.map(({ delivery_id, event }) => ({ delivery_id: delivery_id.id, event })),
        now,
      );
      await sql`insert into public.every_receipt select r.delivery_id, r.event from push.receipts as r
        where not exists (select from public.every_receipt as e where (e.delivery_id, e.event) = (r.delivery_id, r.event))`;

      if (late !== undefined && random() < 0.3) {
        await app.sql`commit`;
        await remember(late);
        deliveries.push(...late);
        late = undefined;
      }
      if (random() < 0.25) {
        const id = pick(notifications);
        const [young] = await sql`
          select max(finished_at) < ${plus(now, 0)} and min(finished_at) > ${plus(now, -25 * DAY)} as yes
          from public.every_delivery where notification_id = ${id}`;
        if (young?.yes && !late?.some(({ notification_id }) => notification_id === id)) {
          await sql`delete from public.push_notifications where id = ${id}`;
          await sql`delete from public.every_delivery where notification_id = ${id}`;
          notifications.splice(notifications.indexOf(id), 1);
        }
      }
      if (random() < 0.2) {
        const broken = sql.begin(async (t) => {
          await rollUp(t, now);
          throw new Error('broken off');
        });
        await expect(broken).rejects.toThrow('broken off');
      }
      if (random() < 0.8) await rollUp(sql, now, pick([1, 30, 1_000_000]));
      if (random() < 0.4) await sql`select push.clean(1000, ${now})`;
    }
    await app.sql`commit`;
    if (late !== undefined) await remember(late);
  });

  for (const seconds of [60, 240]) {
    now = plus(now, seconds);
    await settle(sql, now);
  }
  await rollUp(sql, now);
  const [log] = await sql`select count(*)::int as rows from push.delivery_log`;
  const [all] = await sql`select count(*)::int as rows from public.every_delivery`;
  expect(log?.rows).toBeLessThan(all?.rows);
  await expectAllSame(now);
});
