import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { type Claimed, claim, clearQueue, complete, plus, startOfClock } from '../../support/queue.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const WEEK = 7 * DAY;
/** The seconds in the ids of deliveries count from here. */
const EPOCH = Date.UTC(2025, 0, 1) / 1000;

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await db().sql`truncate push.delivery_log`;
});

/** So many deliveries to ten users, which wait for up to 28 days. */
async function fill(count: number): Promise<void> {
  const { sql } = db();
  const users: string[] = [];
  for (let user = 0; user < 10; user++) users.push((await createUser(sql)).id);
  for (const user of users) await subscribe(sql, user);
  await sql`
    insert into public.push_notifications (user_id, title, ttl)
    select (${users}::uuid[])[1 + n % 10], 'Message ' || n, 2419200 from generate_series(1, ${count}::int) as n`;
}

const sent = (rows: Claimed[]) => rows.map((row) => ({ ...row, outcome: 'sent' as const, status: 201 }));

/** The log, by part: of which deliveries it tells. */
async function log(): Promise<Map<number, string[]>> {
  const rows = await db().sql<{ part: number; id: string }[]>`
    select replace(tableoid::regclass::text, 'push.delivery_log_', '')::int as part, id from push.delivery_log order by id`;
  const parts = new Map<number, string[]>();
  for (const { part, id } of rows) parts.set(part, [...(parts.get(part) ?? []), id]);
  return parts;
}

const partOf = async (): Promise<number> => [...(await log()).keys()][0] as number;
const waiting = async () => (await db().sql`select from push.queue`).length;

test('a late report of what the log no longer has changes nothing', async () => {
  const { sql } = db();
  await fill(20);
  const start = startOfClock();
  const first = await claim(sql, start, { limit: 20 });
  // Half is reported. The others lose their lease, and are cancelled.
  await complete(sql, start, sent(first.slice(0, 10)));
  await sql`select push.recover_leases(${plus(start, 3600)})`;
  await sql`select push.cancel(id) from unnest(${first.slice(10).map((row) => row.notification_id)}::uuid[]) as id`;
  expect([...(await log()).values()][0]).toHaveLength(20);
  // Emptied, as after a month.
  const [row] = await sql`select push.clean(1000, ${plus(start, 32 * DAY)}) as counts`;
  expect(row?.counts).toMatchObject({ log_parts: 1 });

  expect(await complete(sql, plus(start, 32 * DAY), sent(first))).toMatchObject({ recorded: 0, states: {} });
  expect([(await log()).size, await waiting()]).toEqual([0, 0]);
});

test('reports that come while their part of the log is emptied wait for it, and none is lost', async () => {
  const { sql, url } = db();
  await fill(40);
  const start = startOfClock();
  const [old, late] = [await claim(sql, start, { limit: 20 }), await claim(sql, start, { limit: 20 })];
  await complete(sql, plus(start, -40 * DAY), sent(old));
  const part = await partOf();
  await withSessions(url, 2, async (cleaner, reporter) => {
    await cleaner.sql`begin`;
    const [row] = await cleaner.sql`select push.drop_log_part(${part}, ${plus(start, -30 * DAY)}) as emptied`;
    expect(row?.emptied).toBe(true);
    const reported = complete(reporter.sql, start, sent(late));
    await untilBlocked(sql, reporter);
    await cleaner.sql`commit`;
    expect(await reported).toMatchObject({ states: { sent: 20 } });
  });
  const ids = late.map(({ delivery_id }) => delivery_id).sort();
  expect([...((await log()).get(part) ?? [])].sort()).toEqual(ids);
  expect(await waiting()).toBe(0);
});

test('a part to which a report is being written is not emptied, whatever else is in it', async () => {
  const { sql, url } = db();
  await fill(40);
  const start = startOfClock();
  const [old, late] = [await claim(sql, start, { limit: 20 }), await claim(sql, start, { limit: 20 })];
  await complete(sql, plus(start, -40 * DAY), sent(old));
  const part = await partOf();
  const emptied = async () =>
    (await sql`select push.drop_log_part(${part}, ${plus(start, -30 * DAY)}) as emptied`)[0]?.emptied;
  await withSessions(url, 1, async (reporter) => {
    await reporter.sql`begin`;
    await complete(reporter.sql, start, sent(late));
    expect(await emptied()).toBe(false);
    await reporter.sql`commit`;
  });
  // Now it has something newer.
  expect(await emptied()).toBe(false);
  expect((await log()).get(part)).toHaveLength(40);
});

test('the week changes in the middle of a drain: each delivery ends once, in the part of its own week', async () => {
  const { sql } = db();
  const COUNT = 400;
  await fill(COUNT);
  // Half of them were made in the last second of this week, half in the first of the next.
  const week = Math.floor((Date.now() / 1000 - EPOCH) / WEEK) + 1;
  await sql`
    update push.queue as q set id = ((${week * WEEK}::bigint - (w.place <= ${COUNT / 2})::int) << 22) | w.place
    from (select id, row_number() over (order by id) as place from push.queue) as w where w.id = q.id`;
  const made = (await sql<{ id: string }[]>`select id from push.queue order by id`).map(({ id }) => id);
  const change = new Date((EPOCH + week * WEEK) * 1000);

  // Two dispatchers take turns; what one has claimed it reports when the other has claimed, too.
  const dispatchers = [randomUUID(), randomUUID()];
  const handedOut: string[] = [];
  let held: Claimed[] = [];
  for (let turn = 0; handedOut.length < COUNT && turn < 40; turn++) {
    // A second a turn: the week changes at the fifth.
    const now = plus(change, turn - 5);
    const claimed = await claim(sql, now, { limit: 60, dispatcher: dispatchers[turn % 2] as string });
    handedOut.push(...claimed.map(({ delivery_id }) => delivery_id));
    await complete(sql, now, sent(held));
    held = claimed;
  }
  await complete(sql, plus(change, 3600), sent(held));

  expect(handedOut.toSorted()).toEqual(made.toSorted());
  expect(await waiting()).toBe(0);
  const parts = await log();
  expect(parts.get((week - 1) % 8)).toEqual(made.slice(0, COUNT / 2));
  expect(parts.get(week % 8)).toEqual(made.slice(COUNT / 2));
  const states =
    await sql`select state, count(*)::int as n, count(distinct id)::int as ids from push.deliveries group by state`;
  expect([...states]).toEqual([{ state: 'sent', n: COUNT, ids: COUNT }]);

  // The week that is over goes first, and takes none of the next along.
  const clean = async (now: Date) => (await sql`select push.clean(1000, ${now}) as counts`)[0]?.counts;
  expect(await clean(plus(change, 30 * DAY + 600))).toMatchObject({ log_parts: 1, deliveries: 0 });
  expect([...(await log()).keys()]).toEqual([week % 8]);
  expect((await log()).get(week % 8)).toHaveLength(COUNT / 2);
});
