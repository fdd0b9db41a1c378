import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, startOfClock } from '../../support/queue.ts';
import { subscribe, subscribeApp } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let anna: string;
let ben: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`update push.settings set unread_badge = false`;
  [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await subscribe(sql, anna);
  await subscribeApp(sql, anna);
  await subscribe(sql, ben);
});

const notify = (user: string, presentation: object | null = null, inbox = true) => db().sql`
  insert into public.push_notifications (user_id, title, presentation, inbox)
  values (${user}, 'Hello', ${presentation === null ? null : db().sql.json(presentation as never)}, ${inbox})`;

/** What each device is handed, by user. */
async function handed(user: string) {
  const rows = await claim(db().sql, startOfClock());
  return rows.filter(({ user_id }) => user_id === user).map(({ presentation }) => presentation);
}

test('"unread" is the count of its user at that moment, on each device, and not that of another user', async () => {
  const { sql } = db();
  await notify(anna);
  await notify(anna);
  await notify(ben);
  await claim(sql, startOfClock());
  const unread = { app_badge: 'unread', sound: 'chime.caf' };
  await notify(anna, unread);
  await notify(ben, unread);
  const rows = await claim(sql, startOfClock());
  const badges = (user: string) =>
    rows.filter(({ user_id }) => user_id === user).map(({ presentation }) => presentation);
  expect(badges(anna)).toEqual([
    { app_badge: 3, sound: 'chime.caf' },
    { app_badge: 3, sound: 'chime.caf' },
  ]);
  expect(badges(ben)).toEqual([{ app_badge: 2, sound: 'chime.caf' }]);
});

test('what was read meanwhile, or is in no inbox, is not counted', async () => {
  const { sql } = db();
  await notify(anna);
  await notify(anna, null, false);
  await asUser(sql, anna, (t) => t`select public.push_mark_all_read()`);
  await claim(sql, startOfClock());
  await notify(anna, { app_badge: 'unread' });
  expect(await handed(anna)).toEqual([{ app_badge: 1 }, { app_badge: 1 }]);
});

test('without a word of it there is none', async () => {
  await notify(anna, { sound: 'chime.caf' });
  await notify(anna);
  expect(await handed(anna)).toEqual([{ sound: 'chime.caf' }, { sound: 'chime.caf' }, null, null]);
});

test('where the project wants it, it is in each message that says no other', async () => {
  const { sql } = db();
  await sql`update push.settings set unread_badge = true`;
  await notify(ben);
  expect(await handed(ben)).toEqual([{ app_badge: 1 }]);
  await notify(ben, { silent: true });
  expect(await handed(ben)).toEqual([{ silent: true, app_badge: 2 }]);
  await notify(ben, { app_badge: 7 });
  expect(await handed(ben)).toEqual([{ app_badge: 7 }]);
});

test('members of a topic each get theirs', async () => {
  const { sql } = db();
  await sql`insert into public.push_topics (key, title) values ('news', 'News')`;
  await sql`insert into public.push_topic_members (topic, user_id) values ('news', ${anna}), ('news', ${ben})`;
  await notify(anna);
  await claim(sql, startOfClock());
  await sql`select push.notify_topic('news', 'Version 2', p_presentation => '{"app_badge": "unread"}')`;
  await sql`select public.push_fan_out()`;
  const rows = await claim(sql, startOfClock());
  const badge = (user: string) => rows.find(({ user_id }) => user_id === user)?.presentation;
  expect([badge(anna), badge(ben)]).toEqual([{ app_badge: 2 }, { app_badge: 1 }]);
});
