import { beforeEach, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createTopic, fanOutAll, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function inboxOf(userId: string): Promise<string[]> {
  const rows = await asUser(
    db().sql,
    userId,
    (t) => t`select title from public.push_notifications order by title`,
  );
  return rows.map(({ title }) => title);
}

test('members read it beside their own messages, with a device or without, and no other user does', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1, 0);
  const [member] = userIds as [string];
  const other = await createUser(sql);
  await notifyTopic(sql, topic, { title: 'to all' });
  await notify(sql, member, { title: 'to one' });
  expect(await inboxOf(member)).toEqual(['to all', 'to one']);
  await fanOutAll(sql);
  expect(await inboxOf(member)).toEqual(['to all', 'to one']);
  expect(await inboxOf(other.id)).toEqual([]);
  const anon = asAnon(sql, (t) => t`select from public.push_notifications`);
  expect((await refusalOf(anon)).sqlstate).toBe('42501');
});

test('a member who joins later reads what was sent before; one who leaves no longer does', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  const late = await createUser(sql);
  await notifyTopic(sql, topic);
  await asUser(sql, late.id, (t) => t`insert into public.push_topic_members (topic) values (${topic})`);
  expect(await inboxOf(late.id)).toEqual(['Hello']);
  await asUser(sql, userIds[0] as string, (t) => t`delete from public.push_topic_members`);
  expect(await inboxOf(userIds[0] as string)).toEqual([]);
});

test('no member reads it before its time, or after it was taken back', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  await notifyTopic(sql, topic, { title: 'later', sendAt: plus(new Date(), 3600) });
  const taken = await notifyTopic(sql, topic, { title: 'taken back' });
  await asService(sql, (t) => t`select public.push_cancel(${taken})`);
  expect(await inboxOf(userIds[0] as string)).toEqual([]);
});

test('a member marks nothing of it: it is the same row for all', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  await notifyTopic(sql, topic);
  const update = await asUser(
    sql,
    userIds[0] as string,
    (t) => t`update public.push_notifications set read_at = now()`,
  );
  expect(update.count).toBe(0);
});

test('an inbox is read by index, however many messages others have', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  const { topic: elsewhere, userIds: others } = await createTopic(sql, 200, 0);
  await notifyTopic(sql, topic);
  await sql`
    insert into public.push_notifications (user_id, title)
    select u, 'x' from unnest(${others}::uuid[]) as u, generate_series(1, 50)`;
  await sql`
    insert into public.push_notifications (audience_topic, title) select ${elsewhere}, 'x' from generate_series(1, 500)`;
  await sql`analyze public.push_notifications`;
  const plan = await asUser(
    sql,
    userIds[0] as string,
    (t) => t`explain (format json) select title from public.push_notifications`,
  );
  const text = JSON.stringify(plan[0]);
  expect(text).toContain('"Node Type":"BitmapOr"');
  expect(text).toContain('(audience_topic = ANY');
  expect(text).not.toMatch(/"Node Type":"Seq Scan"/);
});
