import { beforeEach, expect, test } from 'vitest';
import { countUnread, markUnread, readTitles } from '../../support/inbox.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus, queueOne } from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOutAll, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const readAt = async (id: string): Promise<Date | null> =>
  (await db().sql`select read_at from public.push_notifications where id = ${id}`)[0]?.read_at;

const deliveryOf = async (notificationId: string, userId: string): Promise<string> =>
  (
    await db().sql`
      select d.id from push.deliveries as d join public.push_subscriptions as s on s.id = d.subscription_id
      where d.notification_id = ${notificationId} and s.user_id = ${userId}`
  )[0]?.id;

test('a click marks the message as read, at the moment of the click', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id, notificationId, userId } = await queueOne(sql);
  const now = plus(new Date(), 100);
  await record(sql, [{ delivery_id, event: 'clicked', at: plus(now, -30) }], now);
  expect(await readAt(notificationId)).toEqual(plus(now, -30));
  expect(await countUnread(sql, userId)).toBe(0);
});

test.each(['displayed', 'dismissed', 'action'])('%s marks nothing', async (event) => {
  const { sql } = db();
  const { deliveryId: delivery_id, notificationId } = await queueOne(sql);
  await record(sql, [{ delivery_id, event }]);
  expect(await readAt(notificationId)).toBeNull();
});

test('what was read keeps its moment, and what is marked as unread after the click stays so', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id, notificationId, userId } = await queueOne(sql);
  const before = new Date('2026-01-01T00:00:00Z');
  await sql`update public.push_notifications set read_at = ${before} where id = ${notificationId}`;
  await record(sql, [{ delivery_id, event: 'clicked' }]);
  expect(await readAt(notificationId)).toEqual(before);
  await markUnread(sql, userId, [notificationId]);
  expect(await record(sql, [{ delivery_id, event: 'clicked' }])).toMatchObject({ repeated: 1 });
  expect(await readAt(notificationId)).toBeNull();
});

test('only that message, only of that user', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id, userId } = await queueOne(sql);
  const other = await queueOne(sql);
  const another = await notify(sql, userId);
  await record(sql, [{ delivery_id, event: 'clicked' }]);
  expect([await readAt(another), await readAt(other.notificationId)]).toEqual([null, null]);
});

test('what is clicked on a device after its user left is not read', async () => {
  const { sql } = db();
  const released = await queueOne(sql);
  await sql`delete from public.push_subscriptions where id = ${released.subscriptionId}`;
  const handedOver = await queueOne(sql);
  const { id: next } = await createUser(sql);
  await sql`update public.push_subscriptions set user_id = ${next} where id = ${handedOver.subscriptionId}`;
  for (const { deliveryId, notificationId } of [released, handedOver]) {
    expect(await record(sql, [{ delivery_id: deliveryId, event: 'clicked' }])).toMatchObject({ accepted: 1 });
    expect(await readAt(notificationId)).toBeNull();
  }
});

test("a topic's message is read by the member who clicked, and by no other member", async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 2);
  const id = await notifyTopic(sql, topic, { title: 'News' });
  await fanOutAll(sql);
  const [one, other] = userIds as [string, string];
  await record(sql, [{ delivery_id: await deliveryOf(id, one), event: 'clicked' }]);
  expect(await readTitles(sql, one)).toEqual(['News']);
  expect(await readTitles(sql, other)).toEqual(['News*']);
});

test('a member who marked it as unread and clicks then has read it; one who left the topic reads nothing', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 2);
  const id = await notifyTopic(sql, topic, { title: 'News' });
  await fanOutAll(sql);
  const [one, other] = userIds as [string, string];
  await sql`insert into public.push_reads (user_id, notification_id, read_at) values (${one}, ${id}, null)`;
  await sql`delete from public.push_topic_members where user_id = ${other}`;
  const clicks = [one, other].map(async (user) => ({
    delivery_id: await deliveryOf(id, user),
    event: 'clicked',
  }));
  await record(sql, await Promise.all(clicks));
  expect(await readTitles(sql, one)).toEqual(['News']);
  expect((await sql`select user_id from public.push_reads`).map((row) => row.user_id)).toEqual([one]);
});

test('two devices of a user that are clicked in one request read it once', async () => {
  const { sql } = db();
  const { id: userId } = await createUser(sql);
  await subscribe(sql, userId);
  await subscribe(sql, userId);
  const id = await notify(sql, userId);
  const deliveries = await sql<
    { id: string }[]
  >`select id from push.deliveries where notification_id = ${id}`;
  const counts = await record(
    sql,
    deliveries.map((row) => ({ delivery_id: row.id, event: 'clicked' })),
  );
  expect(counts).toMatchObject({ accepted: 2 });
  expect(await readAt(id)).not.toBeNull();
});
