import type postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { clearAlerts, MORNING, makeAlert, recordQuotes } from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { generator } from '../../support/random-numbers.ts';
import { type Session, withSessions } from '../../support/sessions.ts';
import { throttle } from '../../support/throttles.ts';
import { useDatabase } from '../../support/use-database.ts';

const WRITERS = 8;
const RUNS = 100;
const SYMBOLS = ['A', 'B', 'C', 'D', 'E', 'F'];
const db = useDatabase();
let users: string[];
let alerts: string[];
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`delete from public.push_categories`;
  await sql`update push.settings set alerts_per_minute = 10`;
  users = [];
  alerts = [];
  for (let user = 0; user < 3; user += 1) {
    const { id } = await createUser(sql);
    users.push(id);
    for (const symbol of SYMBOLS) {
      alerts.push(await makeAlert(sql, { symbol, condition: 'crosses' }, id));
      await makeAlert(sql, { symbol, threshold: 1000 }, id);
    }
  }
  await recordQuotes(sql, quotesOf(0), MORNING);
});

const at = (run: number) => plus(MORNING, run * 60);
/** Each run is on the other side of 100 than the one before. */
const quotesOf = (run: number) =>
  SYMBOLS.map((symbol) => ({ symbol, value: run % 2 ? 101 : 99, quoted_at: at(run) }));
const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);

function shuffled<T>(items: T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** That each alert has fired so often, and each firing was told once. */
async function expectFirings(times: number): Promise<void> {
  const { sql } = db();
  const rows = await sql`
    select a.times_fired as fired, a.generation, count(n.id)::int as told
    from public.push_alerts as a left join public.push_notifications as n on n.tag = 'alert:' || a.id
    where a.id = any (${alerts}) group by a.id`;
  expect(
    rows.filter(({ fired, generation, told }) => fired !== times || generation !== times || told !== times),
  ).toEqual([]);
  expect(rows).toHaveLength(alerts.length);
}

/** Six writers at once, each of a symbol of its own that moves four times; all of them tell the same users. */
async function recordInBatches(after: (run: number) => PromiseLike<unknown> = async () => {}): Promise<void> {
  await withSessions(db().url, SYMBOLS.length, async (...sessions) => {
    for (let run = 1; run <= RUNS / 5; run += 1) {
      const answers = await Promise.all(
        SYMBOLS.map((symbol, index) =>
          recordQuotes(
            (sessions[index] as Session).sql,
            [101, 99, 101, 99].map((value, place) => ({
              symbol,
              value,
              quoted_at: plus(at(run), place - 10),
            })),
            at(run),
          ),
        ),
      );
      expect(sum(answers.map(({ fired }) => fired))).toBe(alerts.length * 4);
      await after(run);
    }
  });
}

const tend = (sql: postgres.Sql, run: number) => sql`select push.tick_alerts(10000, ${at(run)})`;

test(`${WRITERS} record the same quotes, each in another order, ${RUNS} times: each alert fires once, at once`, {
  timeout: 180_000,
}, async () => {
  const random = generator(7);
  await withSessions(db().url, WRITERS, async (...sessions) => {
    for (let run = 1; run <= RUNS; run += 1) {
      const answers = await Promise.all(
        sessions.map(({ sql }) => recordQuotes(sql, shuffled(quotesOf(run), random), at(run))),
      );
      expect(sum(answers.map(({ fired }) => fired))).toBe(alerts.length);
      expect(sum(answers.map(({ recorded }) => recorded))).toBe(SYMBOLS.length);
      expect(sum(answers.map(({ ignored }) => ignored.duplicate))).toBe(SYMBOLS.length * (WRITERS - 1));
    }
  });
  await expectFirings(RUNS);
});

test(`so it is while users change their alerts, levels move and the minute's job runs, ${RUNS} times`, {
  timeout: 300_000,
}, async () => {
  const { sql, url } = db();
  const random = generator(11);
  // Who is limited is waited for: here everybody, in one transaction and another.
  await throttle(sql, 'alerts', 1000);
  await sql`update push.settings set daily_ceiling = 100000`;
  const { id: follower } = await createUser(sql);
  for (const symbol of SYMBOLS) await makeAlert(sql, { symbol, condition: 'level', level: 'line' }, follower);

  const record = ({ sql: own }: Session, run: number) =>
    recordQuotes(own, shuffled(quotesOf(run), random), at(run));
  const change = async ({ sql: own }: Session, run: number) => {
    const order = shuffled(alerts, random).slice(0, 8);
    await own`
      update public.push_alerts as a set setup = ${`${run}`}
      from (select i.id from unnest(${order}::uuid[]) with ordinality as i (id, place) order by i.place) as i where a.id = i.id`;
  };
  const moveLevels = async ({ sql: own }: Session) => {
    const symbols = shuffled(SYMBOLS, random);
    await own`
      insert into public.push_levels (symbol, level, value)
      select s, 'line', ${98 + Math.floor(random() * 5)} from unnest(${symbols}::text[]) as s order by s
      on conflict (symbol, level) do update set value = excluded.value`;
  };
  await withSessions(url, WRITERS + 3, async (...sessions) => {
    const [editor, mover, tender, ...writers] = sessions as [Session, Session, Session, ...Session[]];
    for (let run = 1; run <= RUNS; run += 1) {
      await Promise.all([
        ...writers.map((writer) => record(writer, run)),
        change(editor, run),
        moveLevels(mover),
        tend(tender.sql, run),
      ]);
      // The next minute fires the alerts that a concurrent change held back.
      await tend(sql, run);
      if (run % 20 === 0) await expectFirings(run);
    }
  });
  await sql`update push.settings set daily_ceiling = null`;
});

test(`batches that bring several quotes of a symbol fire each crossing once, while others tell the same users, ${RUNS / 5} times`, {
  timeout: 180_000,
}, async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1000);
  await sql`update push.settings set alerts_per_minute = null`;
  await recordInBatches();
  await expectFirings((RUNS / 5) * 4);
});

test(`beyond the limit of their users each firing is told or counted, once, ${RUNS / 5} times`, {
  timeout: 180_000,
}, async () => {
  const { sql } = db();
  await recordInBatches((run) => tend(sql, run));
  await tend(sql, RUNS / 5 + 1);
  const rows = await sql`
    select (select sum(a.times_fired)::int from public.push_alerts as a where a.user_id = n.user_id) as fired,
      count(*) filter (where n.tag <> 'alerts:more')::int as told,
      (sum((n.params ->> 'count')::int) filter (where n.tag = 'alerts:more'))::int as counted,
      count(*) filter (where n.tag = 'alerts:more')::int as messages
    from public.push_notifications as n group by n.user_id`;
  expect(rows).toHaveLength(users.length);
  for (const { fired, told, counted, messages } of rows) {
    expect(fired).toBe((RUNS / 5) * 4 * SYMBOLS.length);
    expect(told + counted).toBe(fired);
    // Who writes at the same moment as others does not see what they tell: a few more than the limit, never fewer.
    expect(told).toBeGreaterThanOrEqual((RUNS / 5) * 10);
    expect(messages).toBeGreaterThan(0);
    expect(messages).toBeLessThanOrEqual(RUNS / 5);
  }
});
