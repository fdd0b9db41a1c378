import { beforeEach, expect, test } from 'vitest';
import { type InboxMessage, readInbox, readTitles } from '../../support/inbox.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus, startOfClock } from '../../support/queue.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  await clearQueue(db().sql);
  user = (await createUser(db().sql)).id;
});

test('a message comes with what it says, to whom, and when', async () => {
  const { sql } = db();
  await sql`
    select push.notify(${user}, 'Acme is won', 'It was new.', '/deals/7', '{"deal": 7}', 'deals:won', p_tag => 'deal:7')`;
  const [message] = await readInbox(sql, user);
  expect(message).toEqual({
    id: expect.any(String),
    title: 'Acme is won',
    body: 'It was new.',
    url: '/deals/7',
    params: { deal: 7 },
    category: 'deals:won',
    tag: 'deal:7',
    audience_topic: null,
    send_at: expect.any(String),
    read_at: null,
  });
});

test('own messages and those of topics stand in one order, the newest first', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1, 0);
  const [member] = userIds as [string];
  await notify(sql, member, { title: 'first' });
  await notifyTopic(sql, topic, { title: 'second' });
  await notify(sql, member, { title: 'third' });
  expect(await readTitles(sql, member)).toEqual(['third*', 'second*', 'first*']);
  const rows = await readInbox(sql, member);
  expect(rows.map(({ audience_topic }) => audience_topic)).toEqual([null, topic, null]);
});

test('pages follow each other without a gap or a repetition, whatever is sent meanwhile', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1, 0);
  const [member] = userIds as [string];
  // Many of one moment: there the id decides.
  await sql`
    insert into public.push_notifications (user_id, audience_topic, title)
    select case when n % 3 > 0 then ${member}::uuid end, case when n % 3 = 0 then ${topic} end, 'Message ' || n
    from generate_series(1, 50) as n`;
  await sql`
    insert into public.push_notifications (user_id, title, send_at, read_at)
    select ${member}, 'Older ' || n, now() - make_interval(secs => n), case when n % 3 = 0 then now() end
    from generate_series(1, 25) as n`;
  const seen: InboxMessage[] = [];
  for (let pages = 0; pages < 20; pages += 1) {
    const page = await readInbox(sql, member, { limit: 7, after: seen.at(-1) });
    if (page.length === 0) break;
    seen.push(...page);
    await notify(sql, member, { title: 'meanwhile' });
  }
  expect(new Set(seen.map(({ id }) => id)).size).toBe(75);
  expect(seen.filter(({ title }) => title === 'meanwhile')).toEqual([]);
  const [{ titles }] = (await sql`
    select array_agg(title order by send_at desc, id desc) as titles from public.push_notifications
    where title <> 'meanwhile'`) as [{ titles: string[] }];
  expect(seen.map(({ title }) => title)).toEqual(titles);
});

test('a page has 20 messages unless asked for others, 100 at most and one at least', async () => {
  const { sql } = db();
  await sql`
    insert into public.push_notifications (user_id, title) select ${user}, 'x' from generate_series(1, 120) as n`;
  expect(await readInbox(sql, user)).toHaveLength(20);
  expect(await readInbox(sql, user, { limit: 5 })).toHaveLength(5);
  expect(await readInbox(sql, user, { limit: 1000 })).toHaveLength(100);
  expect(await readInbox(sql, user, { limit: -1 })).toHaveLength(1);
});

test('what was scheduled long ago stands where it was sent', async () => {
  const { sql } = db();
  const start = startOfClock();
  await notify(sql, user, { title: 'scheduled first', sendAt: plus(start, 60) });
  await notify(sql, user, { title: 'sent first' });
  expect(await readTitles(sql, user)).toEqual(['sent first*']);
  await sql`select push.enqueue_due_notifications(10, ${plus(start, 61)})`;
  expect(await readTitles(sql, user)).toEqual(['scheduled first*', 'sent first*']);
});

test('before its time, and when it was taken back, it is not there', async () => {
  const { sql } = db();
  const later = await notify(sql, user, { title: 'later', sendAt: plus(new Date(), 3600) });
  const taken = await notify(sql, user, { title: 'taken back' });
  await sql`select push.cancel(${taken})`;
  expect(await readTitles(sql, user)).toEqual([]);
  await sql`select push.cancel(${later})`;
  expect(await readTitles(sql, user)).toEqual([]);
});

test('what only calls attention to others is not there', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1, 0);
  const [member] = userIds as [string];
  await sql`
    insert into public.push_notifications (user_id, audience_topic, title, inbox)
    values (${member}, null, 'Three updates', false), (null, ${topic}, 'Three news', false), (${member}, null, 'An update', true)`;
  expect(await readTitles(sql, member)).toEqual(['An update*']);
  expect(await readTitles(sql, member, { unreadOnly: true })).toEqual(['An update*']);
});

test('a category is read with all that lie below it, and no other that begins alike', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1, 0);
  const [member] = userIds as [string];
  for (const category of ['alerts', 'alerts:DAX', 'alerts_old', 'news', null]) {
    await sql`select push.notify(${member}, ${category ?? 'none'}, p_category => ${category})`;
  }
  await sql`select push.notify_topic(${topic}, 'of a topic', p_category => 'alerts:DAX:high')`;
  expect(await readTitles(sql, member, { category: 'alerts' })).toEqual([
    'of a topic*',
    'alerts:DAX*',
    'alerts*',
  ]);
  expect(await readTitles(sql, member, { category: 'alerts:DAX' })).toEqual(['of a topic*', 'alerts:DAX*']);
  expect(await readTitles(sql, member, { category: 'alerts', unreadOnly: true, limit: 1 })).toEqual([
    'of a topic*',
  ]);
});

test("a topic's messages are there from joining on, and not after leaving", async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 0);
  await notifyTopic(sql, topic, { title: 'before' });
  await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${user})`;
  await notifyTopic(sql, topic, { title: 'after' });
  expect(await readTitles(sql, user)).toEqual(['after*']);
  expect(await readTitles(sql, user, { unreadOnly: true })).toEqual(['after*']);
  await sql`delete from public.push_topic_members where user_id = ${user}`;
  expect(await readTitles(sql, user)).toEqual([]);
});
