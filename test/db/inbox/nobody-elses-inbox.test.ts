import { beforeEach, expect, test } from 'vitest';
import { countUnread, markAllRead, markRead, markUnread, readTitles } from '../../support/inbox.ts';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let topic: string;
let owner: string;
let stranger: string;
let own: string;
let ofTopic: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  const made = await createTopic(sql, 1, 0);
  topic = made.topic;
  [owner] = made.userIds as [string];
  stranger = (await createUser(sql)).id;
  own = await notify(sql, owner, { title: 'own' });
  ofTopic = await notifyTopic(sql, topic, { title: 'of the topic' });
});

test('a stranger finds nothing of it, and cannot mark it', async () => {
  const { sql } = db();
  expect(await readTitles(sql, stranger)).toEqual([]);
  expect(await countUnread(sql, stranger)).toBe(0);
  expect(await markRead(sql, stranger, [own, ofTopic])).toBe(0);
  expect(await markAllRead(sql, stranger)).toBe(0);
  expect(await readTitles(sql, owner)).toEqual(['of the topic*', 'own*']);
  await markRead(sql, owner, [own, ofTopic]);
  expect(await markUnread(sql, stranger, [own, ofTopic])).toBe(0);
  expect(await readTitles(sql, owner)).toEqual(['of the topic', 'own']);
});

test('a stranger cannot move the time until which another user has read a topic', async () => {
  const { sql } = db();
  const update = await asUser(
    sql,
    stranger,
    (t) => t`update public.push_topic_members set read_until = now() where user_id = ${owner}`,
  );
  expect(update.count).toBe(0);
  expect(await countUnread(sql, owner)).toBe(2);
});

test('a mark is made in no other name, and only for a message of a topic that its user is in', async () => {
  const { sql } = db();
  const insert = (userId: string, row: { notification_id: string; user_id?: string }) =>
    asUser(sql, userId, (t) => t`insert into public.push_reads ${t(row)}`);
  await insert(owner, { notification_id: ofTopic });
  const refused: Parameters<typeof insert>[] = [
    [stranger, { notification_id: ofTopic }],
    [stranger, { notification_id: ofTopic, user_id: owner }],
    [stranger, { notification_id: own }],
    [owner, { notification_id: own }],
    // That there is none is not told apart.
    [stranger, { notification_id: stranger }],
  ];
  for (const attempt of refused) expect((await refusalOf(insert(...attempt))).sqlstate).toBe('42501');
});

test('a scheduled message cannot be marked by its own user either', async () => {
  const { sql } = db();
  const later = await notify(sql, owner, { sendAt: plus(new Date(), 3600) });
  await markRead(sql, owner, [later]);
  const update = await asUser(sql, owner, (t) => t`update public.push_notifications set read_at = now()`);
  expect(update.count).toBe(1);
  const [row] = await sql`select read_at from public.push_notifications where id = ${later}`;
  expect(row).toEqual({ read_at: null });
});

test('what has become of it goes with the user, the message, and the topic', async () => {
  const { sql } = db();
  const marks = async () => (await sql`select from public.push_reads`).length;
  const again = () => markRead(sql, owner, [ofTopic]);
  await again();
  await sql`delete from public.push_notifications where id = ${ofTopic}`;
  expect(await marks()).toBe(0);
  ofTopic = await notifyTopic(sql, topic);
  await again();
  await sql`delete from public.push_topics`;
  expect(await marks()).toBe(0);
});

test('the service has no inbox of its own', async () => {
  for (const call of ['push_inbox()', 'push_unread_count()', 'push_mark_all_read()']) {
    const refused = asService(db().sql, (t) => t.unsafe(`select public.${call}`));
    expect((await refusalOf(refused)).sqlstate).toBe('42501');
  }
});
