import { beforeEach, expect, test } from 'vitest';
import {
  countUnread,
  markAllRead,
  markRead,
  markUnread,
  readInbox,
  readTitles,
} from '../../support/inbox.ts';
import { asUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus } from '../../support/queue.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let topic: string;
let user: string;
let other: string;
// One message for the user alone and two to the topic, the newest last.
let own: string;
let first: string;
let second: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  const made = await createTopic(sql, 2, 0);
  topic = made.topic;
  [user, other] = made.userIds as [string, string];
  own = await notify(sql, user, { title: 'own' });
  first = await notifyTopic(sql, topic, { title: 'first' });
  second = await notifyTopic(sql, topic, { title: 'second' });
});

async function sentAt(id: string): Promise<string> {
  const [row] = await db().sql<{ at: string }[]>`
    select send_at::text as at from public.push_notifications where id = ${id}`;
  return (row as { at: string }).at;
}

test('what was marked as read is read, by that member alone, and the rest is counted', async () => {
  const { sql } = db();
  expect(await countUnread(sql, user)).toBe(3);
  expect(await markRead(sql, user, [own, first])).toBe(1);
  expect(await readTitles(sql, user)).toEqual(['second*', 'first', 'own']);
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['second*']);
  expect(await countUnread(sql, user)).toBe(1);
  expect(await readTitles(sql, other)).toEqual(['second*', 'first*']);
  expect(await countUnread(sql, other)).toBe(2);
});

test('marking it again changes nothing: the time of the first reading stays', async () => {
  const { sql } = db();
  await markRead(sql, user, [own, first]);
  const before = await readInbox(sql, user);
  expect(await markRead(sql, user, [own, first, own])).toBe(1);
  expect(await readInbox(sql, user)).toEqual(before);
});

test('marked as unread it is unread again, and read again', async () => {
  const { sql } = db();
  await markRead(sql, user, [own, first, second]);
  expect(await markUnread(sql, user, [own, first])).toBe(2);
  expect(await readTitles(sql, user)).toEqual(['second', 'first*', 'own*']);
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['first*', 'own*']);
  expect(await markRead(sql, user, [first])).toBe(1);
  expect(await readTitles(sql, user)).toEqual(['second', 'first', 'own*']);
});

test('all at once costs a topic no row, and what comes later is unread', async () => {
  const { sql } = db();
  expect(await markAllRead(sql, user)).toBe(0);
  expect(await readTitles(sql, user)).toEqual(['second', 'first', 'own']);
  expect([...(await sql`select from public.push_reads`)]).toEqual([]);
  await notifyTopic(sql, topic, { title: 'third' });
  expect(await readTitles(sql, user)).toEqual(['third*', 'second', 'first', 'own']);
  expect(await countUnread(sql, user)).toBe(1);
  expect(await countUnread(sql, other)).toBe(3);
});

test('what all at once had made read can be marked as unread, until all is read once more', async () => {
  const { sql } = db();
  await markAllRead(sql, user);
  expect(await markUnread(sql, user, [first, own])).toBe(2);
  expect(await readTitles(sql, user)).toEqual(['second', 'first*', 'own*']);
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['first*', 'own*']);
  expect(await markUnread(sql, user, [second])).toBe(3);
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['second*', 'first*', 'own*']);
  expect(await markAllRead(sql, user)).toBe(0);
  expect(await readTitles(sql, user)).toEqual(['second', 'first', 'own']);
  expect([...(await sql`select from public.push_reads`)]).toEqual([]);
});

test('all until the newest that was shown leaves what came after it', async () => {
  const { sql } = db();
  expect(await markAllRead(sql, user, await sentAt(first))).toBe(1);
  expect(await readTitles(sql, user)).toEqual(['second*', 'first', 'own']);
  expect(await markAllRead(sql, user, await sentAt(own))).toBe(1);
});

test('an app whose clock is ahead marks nothing that its user has not seen', async () => {
  const { sql } = db();
  expect(await markAllRead(sql, user, 'infinity')).toBe(0);
  await notifyTopic(sql, topic, { title: 'third' });
  await notify(sql, user, { title: 'fourth' });
  expect(await countUnread(sql, user)).toBe(2);
});

test('a message that one session is still writing while another marks all stays unread', async () => {
  const { sql } = db();
  await sql.begin(async (writer) => {
    await notifyTopic(writer, topic, { title: 'being written' });
    expect(await markAllRead(sql, user)).toBe(0);
  });
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['being written*']);
  expect(await countUnread(sql, user)).toBe(1);
});

test('a member who joins again begins again', async () => {
  const { sql } = db();
  await markRead(sql, user, [own]);
  await markUnread(sql, user, [first]);
  await sql`delete from public.push_topic_members where user_id = ${user}`;
  expect(await countUnread(sql, user)).toBe(0);
  await asUser(sql, user, (t) => t`insert into public.push_topic_members (topic) values (${topic})`);
  expect(await countUnread(sql, user)).toBe(0);
  await notifyTopic(sql, topic, { title: 'third' });
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['third*']);
  expect(await countUnread(sql, user)).toBe(1);
});

test('what is not sent yet, was taken back, or is for no inbox, counts for no user', async () => {
  const { sql } = db();
  await notify(sql, user, { sendAt: plus(new Date(), 3600) });
  await notifyTopic(sql, topic, { sendAt: plus(new Date(), 3600) });
  for (const id of [await notify(sql, user), await notifyTopic(sql, topic)])
    await sql`select push.cancel(${id})`;
  await sql`
    insert into public.push_notifications (user_id, audience_topic, title, inbox)
    values (${user}, null, 'Summary', false), (null, ${topic}, 'Summary', false)`;
  expect(await countUnread(sql, user)).toBe(3);
  expect(await markAllRead(sql, user)).toBe(0);
  const [row] = await sql`
    select count(read_at)::int as read from public.push_notifications where user_id = ${user}`;
  expect(row).toEqual({ read: 1 });
});

test('a hundred stand for a hundred and more', async () => {
  const { sql } = db();
  await sql`
    insert into public.push_notifications (audience_topic, title) select ${topic}, 'x' from generate_series(1, 96) as n`;
  expect(await countUnread(sql, user)).toBe(99);
  await sql`
    insert into public.push_notifications (user_id, title) select ${user}, 'x' from generate_series(1, 96) as n`;
  expect(await countUnread(sql, user)).toBe(100);
  expect(await countUnread(sql, other)).toBe(98);
});

test('two devices that mark the same messages in other orders do not stop each other', async () => {
  const { sql } = db();
  const ids = await Promise.all(Array.from({ length: 30 }, () => notify(sql, user)));
  const topics = await Promise.all(Array.from({ length: 30 }, () => notifyTopic(sql, topic)));
  const all = [...ids, ...topics];
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([
      markRead(sql, user, all),
      markRead(sql, user, all.toReversed()),
      markAllRead(sql, user),
      markUnread(sql, user, all),
    ]);
  }
  await markAllRead(sql, user);
  expect(await countUnread(sql, user)).toBe(0);
});
