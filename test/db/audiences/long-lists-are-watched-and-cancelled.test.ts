import type postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { connectBell, openAlarms } from '../../support/bell.ts';
import { createRefusal, readFanOut, refuse } from '../../support/lists.ts';
import { clearQueue, plus, setSetting, startOfClock } from '../../support/queue.ts';
import { readingOf } from '../../support/reading.ts';
import { refusalOf } from '../../support/refusal.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { saveTemplates } from '../../support/templates.ts';
import { createTopic, fanOut, fanOutAll } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const db = useDatabase();
let userIds: string[];
let now: Date;

beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  await setSetting(sql, 'notify_at_once', 5);
  await sql`delete from push.fan_outs`;
  await sql`delete from push.fan_out_recipients`;
  await sql`delete from public.push_templates`;
  await createRefusal(sql);
  ({ userIds } = await createTopic(sql, 7));
  now = startOfClock();
});

const notifyList = () => db().sql`select push.notify_many(${userIds}::uuid[], 'Hello', p_category => 'news')`;
const lists = async () => [...(await db().sql`select * from push.lists order by started_at`)];
const recipients = async () => (await db().sql`select from push.fan_out_recipients`).length;

async function cancel(id?: string, at = now): Promise<number> {
  const listId = id ?? (await readFanOut(db().sql)).id;
  const [row] = await db().sql<{ n: string }[]>`select push.cancel_list(${listId}, ${at}) as n`;
  return Number(row?.n);
}

async function clean(at: Date, limit = 1000): Promise<number> {
  const [row] = await db().sql<{ n: number }[]>`select (push.clean(${limit}, ${at}) ->> 'lists')::int as n`;
  return row?.n ?? -1;
}

test('how far a list has got can be seen, also when it has ended', async () => {
  const { sql } = db();
  await refuse(sql, userIds.slice(0, 1));
  await notifyList();
  const { id } = await readFanOut(sql);
  const said = {
    id,
    title: 'Hello',
    template: null,
    category: 'news',
    recipients: '7',
    started_at: expect.any(Date),
  };
  expect(await lists()).toEqual([
    { ...said, notified: '0', failed: '0', status: 'fanning_out', finished_at: null, last_error: null },
  ]);
  await fanOut(sql, 3, now);
  const failure = { failed: '1', last_error: 'no such tenant' };
  expect(await lists()).toEqual([
    { ...said, ...failure, notified: '2', status: 'fanning_out', finished_at: null },
  ]);
  await fanOutAll(sql, 3, now);
  expect(await lists()).toEqual([
    { ...said, ...failure, notified: '6', status: 'finished', finished_at: now },
  ]);
});

test('who was notified is taken off the list with their chunk', async () => {
  await notifyList();
  await fanOut(db().sql, 3, now);
  expect(await recipients()).toBe(4);
  await fanOutAll(db().sql, 3, now);
  expect(await recipients()).toBe(0);
});

test('a chunk, and cleaning, read users of the list they are about, however many are on others', async () => {
  const { sql } = db();
  // Statistics from when there was next to nothing.
  await sql`vacuum analyze push.fan_out_recipients, push.fan_outs`;
  await notifyList();
  await sql`
    with e as (insert into push.fan_outs (message, recipients, worked_at) values ('{}', 5000, '2040-01-01') returning id)
    insert into push.fan_out_recipients select e.id, gen_random_uuid() from e, generate_series(1, 5000)`;
  const tables = ['push.fan_out_recipients'];
  const works: ((t: postgres.TransactionSql) => Promise<unknown>)[] = [
    (t) => fanOut(t, 3, now),
    (t) => t`select push.clean_lists(1000, '1 day', ${now})`,
  ];
  for (const work of works) {
    const reading = await readingOf(sql, tables, work);
    expect(reading.sequentialScans).toEqual([]);
    expect(reading.rows).toBeLessThanOrEqual(30);
  }
});

test('a list that is cancelled notifies no other user, and says how many those are, each time', async () => {
  const { sql } = db();
  await notifyList();
  await fanOut(sql, 3, now);
  expect(await cancel()).toBe(4);
  expect(await fanOut(sql, 3, plus(now, 1))).toBe(false);
  expect(await sql`select from public.push_notifications`).toHaveLength(3);
  expect(await cancel(undefined, plus(now, 2))).toBe(4);
  expect(await lists()).toMatchObject([{ status: 'cancelled', notified: '3', finished_at: now }]);
});

test('one that has ended leaves no user to be cancelled, and there is none of an unknown id', async () => {
  await notifyList();
  await fanOutAll(db().sql, 10, now);
  expect(await cancel()).toBe(0);
  expect(await lists()).toMatchObject([{ status: 'finished' }]);
  expect(await refusalOf(cancel('eeeeeeee-0000-4000-8000-000000000000'))).toMatchObject({
    sqlstate: 'PT404',
    code: 'list_unknown',
  });
});

test('cancelling waits for the chunk that is just being made', async () => {
  const { sql, url } = db();
  await notifyList();
  const { id } = await readFanOut(sql);
  await withSessions(url, 2, async (...[dispatcher, operator]) => {
    if (!dispatcher || !operator) throw new Error('two sessions');
    await dispatcher.sql`begin`;
    await fanOut(dispatcher.sql, 3, now);
    const cancelled = operator.sql<{ n: string }[]>`select push.cancel_list(${id}, ${now}) as n`.execute();
    await untilBlocked(sql, operator);
    await dispatcher.sql`commit`;
    expect((await cancelled)[0]?.n).toBe('4');
  });
});

test('users who are left on a list that has ended go in batches, and those of one that goes on stay', async () => {
  const { sql } = db();
  await notifyList();
  await cancel();
  await sql`delete from push.fan_outs`;
  await notifyList();
  await cancel();
  await sql`select push.notify_many(${userIds}::uuid[], 'Another')`;
  expect(await recipients()).toBe(21);
  await clean(now, 4);
  expect(await recipients()).toBe(17);
  for (let batch = 0; batch < 4; batch += 1) await clean(now, 4);
  expect(await recipients()).toBe(7);
  await fanOutAll(sql, 10, now);
  expect((await sql`select distinct title from public.push_notifications`).map(({ title }) => title)).toEqual(
    ['Another'],
  );
});

test('a list that has ended goes when notifications do, its alarm a day after it was seen', async () => {
  const { sql } = db();
  await refuse(sql, userIds.slice(0, 1));
  await notifyList();
  await fanOutAll(sql, 10, now);
  expect(await clean(plus(now, DAY - 60))).toBe(0);
  expect(await openAlarms(sql)).toEqual(['fan_out_failed']);
  expect(await clean(plus(now, DAY + 60))).toBe(0);
  expect(await openAlarms(sql)).toEqual([]);
  expect(await clean(plus(now, 90 * DAY - 60))).toBe(0);
  expect(await clean(plus(now, 90 * DAY + 60))).toBe(1);
  expect(await lists()).toEqual([]);
});

test("a list whose category is its template's is listed and paused by it", async () => {
  const { sql } = db();
  await saveTemplates(sql, { title: 'Won', category: 'deals' });
  await sql`insert into public.push_categories (key, title) values ('deals', 'Deals') on conflict do nothing`;
  await sql`select push.notify_many(${userIds}::uuid[], p_template => 'deal_won')`;
  expect(await lists()).toMatchObject([{ title: null, template: 'deal_won', category: 'deals' }]);
  await sql`select push.pause('wrong deals', 'deals', p_now => ${now})`;
  expect(await fanOut(sql, 10, plus(now, 1))).toBe(false);
  expect(await sql`select from public.push_notifications`).toHaveLength(0);
});
