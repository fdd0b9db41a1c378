import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings, openAlarms } from '../../support/bell.ts';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOut, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await connectBell(db().sql);
});

async function reachedUsers(notificationId: string): Promise<string[]> {
  const rows = await db().sql<{ user_id: string }[]>`
    select s.user_id from push.deliveries d join public.push_subscriptions s on s.id = d.subscription_id
    where d.notification_id = ${notificationId} order by 1`;
  return rows.map(({ user_id }) => user_id);
}

test('the caller writes one row and calls a dispatcher; no delivery is made in its transaction', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 10);
  const id = await notifyTopic(sql, topic);
  expect(await sql`select from push.deliveries`).toHaveLength(0);
  expect(await sql`select from public.push_notifications`).toHaveLength(1);
  expect(await readProgress(sql, id)).toMatchObject({ status: 'fanning_out', members: 0, total: 0 });
  expect(await countRings(sql)).toBe(1);
});

test('chunk by chunk every device of every member gets one delivery, and no other user has one', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 7, 2);
  await createTopic(sql, 3);
  const id = await notifyTopic(sql, topic);
  for (const members of [3, 6]) {
    expect(await fanOut(sql, 3)).toBe(true);
    expect(await readProgress(sql, id)).toMatchObject({ status: 'fanning_out', members, total: members * 2 });
  }
  expect(await fanOut(sql, 3)).toBe(true);
  expect(await readProgress(sql, id)).toMatchObject({ status: 'queued', members: 7, total: 14, queued: 14 });
  expect(await fanOut(sql, 3)).toBe(false);
  expect(await reachedUsers(id)).toEqual(userIds.flatMap((user) => [user, user]));
});

test('a chunk that ends with the last member is the last one', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 4);
  const id = await notifyTopic(sql, topic);
  expect(await fanOutAll(sql, 2)).toBe(2);
  expect(await readProgress(sql, id)).toMatchObject({ status: 'queued', members: 4, total: 4 });
});

test.each([
  ['no members', 0, 0],
  ['members without a device', 3, 0],
])('a topic of %s is done with after one chunk', async (_who, members, devices) => {
  const { sql } = db();
  const { topic } = await createTopic(sql, members, devices);
  const id = await notifyTopic(sql, topic);
  expect(await fanOutAll(sql)).toBe(1);
  expect(await readProgress(sql, id)).toMatchObject({ status: 'queued', members, total: 0, queued: 0 });
});

test('a chunk that is rolled back is made again, and none of it twice', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 6);
  const id = await notifyTopic(sql, topic);
  await fanOut(sql, 2);
  const crash = sql.begin(async (t) => {
    await fanOut(t, 2);
    throw new Error('as if the server died');
  });
  await expect(crash).rejects.toThrow('died');
  expect(await readProgress(sql, id)).toMatchObject({ members: 2, total: 2 });
  await fanOutAll(sql, 2);
  expect(await reachedUsers(id)).toEqual(userIds);
});

test('while one works on a message, another finds the next message, or nothing, and does not wait', async () => {
  const { sql, url } = db();
  const { topic } = await createTopic(sql, 4);
  const first = await notifyTopic(sql, topic);
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    await other.sql`begin`;
    expect(await fanOut(other.sql, 2)).toBe(true);
    expect(await fanOut(sql, 2)).toBe(false);
    const second = await notifyTopic(sql, topic);
    expect(await fanOut(sql, 2)).toBe(true);
    expect(await readProgress(sql, second)).toMatchObject({ members: 2 });
    await other.sql`commit`;
  });
  expect(await readProgress(sql, first)).toMatchObject({ members: 2 });
});

test('several messages take turns', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 9);
  const ids = [await notifyTopic(sql, topic), await notifyTopic(sql, topic)];
  const now = startOfClock();
  for (let chunk = 0; chunk < 4; chunk += 1) await fanOut(sql, 2, plus(now, chunk));
  for (const id of ids) expect(await readProgress(sql, id)).toMatchObject({ members: 4 });
});

test('a user who joins while it fans out is not notified, on either side of what is done', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 4);
  const id = await notifyTopic(sql, topic);
  await fanOut(sql, 2);
  for (const late of ['00000000-0000-4000-8000-000000000001', 'ffffffff-ffff-4fff-bfff-ffffffffffff']) {
    await createUser(sql, { id: late });
    await subscribe(sql, late);
    await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${late})`;
  }
  await fanOutAll(sql, 2);
  expect(await reachedUsers(id)).toEqual(userIds);
});

test('a member who leaves before their turn is not notified', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 4);
  const id = await notifyTopic(sql, topic);
  await fanOut(sql, 2);
  await sql`delete from public.push_topic_members where user_id = ${userIds[2] as string}`;
  await fanOutAll(sql, 2);
  expect(await reachedUsers(id)).toEqual(userIds.filter((_, index) => index !== 2));
});

test('a device that changes hands takes nothing of its former user along', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const heir = await createUser(sql);
  const [device] = await sql`
    select endpoint, p256dh, auth from public.push_subscriptions where user_id = ${userIds[0] as string}`;
  await subscribe(sql, heir.id, device as unknown as Record<string, string>);
  expect(await claim(sql, startOfClock())).toHaveLength(0);
  expect(await readProgress(sql, id)).toMatchObject({ total: 1, queued: 0, cancelled: 1 });
});

test('messages that others wrote before a chunk are claimed before it', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 2);
  await notifyTopic(sql, topic);
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const single = await notify(sql, user.id);
  const now = startOfClock();
  await fanOutAll(sql, 10, now);
  expect((await claim(sql, now, { limit: 1 })).map((row) => row.notification_id)).toEqual([single]);
});

test('a scheduled one fans out at its moment, to the members of that moment', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 2);
  const sendAt = plus(new Date(), 3600);
  const id = await notifyTopic(sql, topic, { sendAt });
  expect(await readProgress(sql, id)).toMatchObject({ status: 'scheduled', members: 0 });
  expect(await fanOutAll(sql, 10, plus(sendAt, 1))).toBe(0);
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${user.id})`;
  const [tick] = await sql`select push.tick(${plus(sendAt, 1)}) as result`;
  expect(tick?.result).toMatchObject({ released: 1, fanned_out: true });
  expect(await reachedUsers(id)).toEqual([...userIds, user.id].sort());
  expect(await readProgress(sql, id)).toMatchObject({ status: 'queued' });
});

test('once it does not matter any more, the rest is left out', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 4);
  const id = await notifyTopic(sql, topic, { ttl: 60 });
  await fanOut(sql, 2);
  await fanOutAll(sql, 2, plus(new Date(), 120));
  expect(await readProgress(sql, id)).toMatchObject({ status: 'queued', members: 2, total: 2 });
});

test('the tick fans out only while nothing else is due, and calls a dispatcher for the rest', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 4);
  await sql`update push.settings set fan_out_chunk = 2`;
  const id = await notifyTopic(sql, topic);
  await sql`delete from push.dispatchers`;
  const now = startOfClock();
  const tick = async (at: Date) => (await sql`select push.tick(${at}) as result`)[0]?.result;
  expect(await tick(now)).toMatchObject({ fanned_out: true, rung: true });
  expect(await tick(plus(now, 30))).toMatchObject({ fanned_out: false, rung: true });
  const claimed = await claim(sql, plus(now, 31));
  await complete(
    sql,
    plus(now, 32),
    claimed.map((row) => ({ ...row, outcome: 'sent' as const, status: 201 })),
  );
  expect(await tick(plus(now, 33))).toMatchObject({ fanned_out: true });
  expect(await readProgress(sql, id)).toMatchObject({ members: 4, sent: 2, queued: 2 });
  await sql`update push.settings set fan_out_chunk = 1000`;
});

test('what waits for a push service that throttles holds up no fan-out, unless there is very much of it', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 6);
  await notifyTopic(sql, topic);
  const now = startOfClock();
  const fanOutNext = async (seconds: number) =>
    (await sql`select public.push_fan_out(2, ${plus(now, seconds)}) as made`)[0]?.made;
  expect(await fanOutNext(0)).toBe(true);
  expect(await fanOutNext(1)).toBe(false);
  const hosts = await sql<{ host: string }[]>`select distinct host from push.queue`;
  await sql`update push.hosts set pace = 10, paced_at = ${now} where origin = any (${hosts.map(({ host }) => host)})`;
  expect(await fanOutNext(2)).toBe(true);
  await sql`update push.settings set backlog_per_dispatcher = 3`;
  expect(await fanOutNext(3)).toBe(false);
  await sql`update push.settings set backlog_per_dispatcher = 5000`;
  await sql`update push.hosts set pace = null, paced_at = null`;
});

test('a dispatcher does not leave while there is something to fan out', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 2, 0);
  await notifyTopic(sql, topic);
  const now = startOfClock();
  const dispatcher = '01234567-89ab-4def-8123-456789abcdef';
  await claim(sql, now, { dispatcher });
  const leave = async () =>
    (await sql`select public.push_leave(${dispatcher}, false, ${now}) as left`)[0]?.left;
  expect(await leave()).toBe(false);
  await fanOutAll(sql);
  expect(await leave()).toBe(true);
});

test('the service fans out through the RPC, in chunks of the settings', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 3);
  const [made] = await asService(
    sql,
    (t) =>
      t`select public.push_notify_topic(p_audience_topic => ${topic}, p_message => '{"title": "Hello"}') as id`,
  );
  const [row] = await asService(sql, (t) => t`select public.push_fan_out() as more`);
  expect(row?.more).toBe(true);
  const [progress] = await asService(sql, (t) => t`select * from public.push_progress(${made?.id})`);
  expect(progress).toMatchObject({ status: 'queued', total: '3', queued: '3' });
});

test('one that cannot be fanned out raises an alarm and stops neither the tick nor other messages', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 1);
  const poisoned = await notifyTopic(sql, topic);
  await sql.unsafe(`
    create function public.poison() returns trigger language plpgsql as $$
    begin
      if new.notification_id = '${poisoned}' then raise exception 'no'; end if;
      return new;
    end $$;
    create trigger poison before insert on push.queue for each row execute function public.poison()`);
  const healthy = await notifyTopic(sql, topic);
  const now = startOfClock();
  const [tick] = await sql`select push.tick(${now}) as result`;
  expect(tick?.result).toMatchObject({ fanned_out: false });
  expect(await openAlarms(sql)).toEqual(['fan_out_failed']);
  expect(await fanOut(sql, 10, now)).toBe(true);
  expect(await readProgress(sql, healthy)).toMatchObject({ status: 'queued', total: 1 });
  await sql`drop function public.poison() cascade`;
  await fanOutAll(sql, 10, plus(now, 10));
  expect(await openAlarms(sql)).toEqual([]);
  expect(await readProgress(sql, poisoned)).toMatchObject({ status: 'queued', total: 1 });
});

test('an unknown topic is refused', async () => {
  const { sql } = db();
  expect(await refusalOf(sql`select push.notify_topic('nothing', 'Hello')`)).toMatchObject({
    sqlstate: 'PT404',
    code: 'topic_unknown',
    hint: expect.stringMatching(/push_topics/),
  });
});

test('a topic that is deleted takes its messages along', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 2);
  await notifyTopic(sql, topic);
  await fanOutAll(sql, 1);
  await sql`delete from public.push_topics where key = ${topic}`;
  for (const table of ['public.push_notifications', 'push.fan_outs', 'push.queue'])
    expect(await sql.unsafe(`select from ${table}`)).toHaveLength(0);
});
