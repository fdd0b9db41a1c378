import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { clearLimits, defineDigest, statusOf, write } from '../../support/digests.ts';
import { clearQueue, plus, setSetting, startOfClock } from '../../support/queue.ts';
import { deliveryStates } from '../../support/recipients.ts';
import { withSessions } from '../../support/sessions.ts';
import { throttle } from '../../support/throttles.ts';
import { createTopic, fanOut, fanOutAll, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await clearLimits(db().sql);
});

async function announce(topic: string, category: string | null = 'alerts'): Promise<string> {
  const [row] = await db().sql`select push.notify_topic(${topic}, 'Hello', p_category => ${category}) as id`;
  return row?.id;
}

const reasonsOf = async (id: string) =>
  (
    await db().sql`
    select s.user_id, d.state, d.last_code from push.deliveries d
    join public.push_subscriptions s on s.id = d.subscription_id where d.notification_id = ${id}`
  ).map((row) => ({ ...row }));

test('members who had theirs are left out, and the progress adds up', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  const { topic, userIds } = await createTopic(sql, 4, 2);
  const [full] = userIds;
  await write(sql, full as string, { category: 'alerts' });
  const id = await announce(topic);
  await fanOutAll(sql, 3);
  expect(await readProgress(sql, id)).toMatchObject({
    status: 'queued',
    members: 4,
    total: 8,
    queued: 6,
    suppressed: 2,
  });
  expect((await reasonsOf(id)).filter(({ last_code }) => last_code !== null)).toEqual(
    Array(2).fill({ user_id: full, state: 'suppressed', last_code: 'throttled' }),
  );
  // The message itself is everybody's to read.
  expect(await statusOf(sql, id)).toBe('queued');
});

test('each member is counted once, however many devices and chunks there are', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 2);
  const { topic, userIds } = await createTopic(sql, 5, 3);
  for (let index = 0; index < 3; index += 1) {
    await announce(topic);
    await fanOutAll(sql, 2, startOfClock());
  }
  expect(await deliveryStates(sql)).toEqual({ queued: 30, suppressed: 15 });
  expect(await statusOf(sql, await write(sql, userIds[0] as string, { category: 'alerts' }))).toBe(
    'suppressed',
  );
});

test('members without a device, and those who joined later, use up nothing', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  const { topic, userIds } = await createTopic(sql, 2, 0);
  await announce(topic);
  await fanOutAll(sql);
  expect(await sql`select from push.throttle_log`).toHaveLength(0);
  expect(await statusOf(sql, await write(sql, userIds[0] as string, { category: 'alerts' }))).toBe('queued');
});

test('a topic overflows into no digest', async () => {
  const { sql } = db();
  await defineDigest(sql, 'alerts');
  await throttle(sql, 'alerts', 1, '1 hour', { overflow: 'alerts' });
  const { topic } = await createTopic(sql, 2);
  for (let index = 0; index < 2; index += 1) await announce(topic);
  await fanOutAll(sql);
  expect(await deliveryStates(sql)).toEqual({ queued: 2, suppressed: 2 });
  expect(await sql`select from push.digests`).toHaveLength(0);
});

test('the ceiling of a day counts them, too', async () => {
  const { sql } = db();
  await setSetting(sql, 'daily_ceiling', 1);
  const { topic } = await createTopic(sql, 2);
  await announce(topic, null);
  await fanOutAll(sql);
  const id = await announce(topic, null);
  await fanOutAll(sql);
  expect((await reasonsOf(id)).map(({ last_code }) => last_code)).toEqual(['daily_ceiling', 'daily_ceiling']);
});

test('a member whose limit another session holds does not keep dispatchers waiting', async () => {
  const { sql, url } = db();
  await throttle(sql, 'alerts', 5);
  const { topic, userIds } = await createTopic(sql, 2);
  const id = await announce(topic);
  await withSessions(url, 1, async (...[app]) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await write(app.sql, userIds[0] as string, { category: 'alerts' });
    expect(await fanOut(sql, 10)).toBe(false);
    await app.sql`commit`;
  });
  // It is put off for a moment, so that dispatchers find nothing to do meanwhile.
  await fanOutAll(sql, 10, plus(startOfClock(), 5));
  expect(await readProgress(sql, id)).toMatchObject({ queued: 2 });
  expect(await openAlarms(sql)).not.toContain('fan_out_failed');
});

test('nothing is counted without a limit', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  const { topic } = await createTopic(sql, 2);
  for (let index = 0; index < 2; index += 1) await announce(topic, 'news');
  await fanOutAll(sql);
  expect(await deliveryStates(sql)).toEqual({ queued: 4 });
  expect(await sql`select from push.throttle_log`).toHaveLength(0);
});
