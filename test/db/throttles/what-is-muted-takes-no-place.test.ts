import { expect, test } from 'vitest';
import {
  closeDigests,
  defineDigest,
  outcomeOf,
  readSummaries,
  statusOf,
  write,
} from '../../support/digests.ts';
import { plus, setSetting } from '../../support/queue.ts';
import { throttle } from '../../support/throttles.ts';
import { createTopic, fanOutAll, notifyTopic } from '../../support/topics.ts';
import { useLimits } from '../../support/use-limits.ts';

const HOUR = 3600;
const { db, user, devices, arrive } = useLimits();

const prefer = (values: Record<string, unknown>) =>
  db()
    .sql`insert into public.push_preferences ${db().sql({ user_id: user(), ...values } as Record<string, string>)}`;

test('a muted message waits in no digest, and its deliveries say that it is muted', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await prefer({ muted_categories: ['crm'] });
  const id = await write(sql, user(), { digest_key: 'deals', category: 'crm:deals' });
  expect(await outcomeOf(sql, id)).toEqual(['queued', 'suppressed muted']);
  expect(await sql`select from push.digests`).toHaveLength(0);
});

test('nor does it use up a throttle, or the day', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  await setSetting(sql, 'daily_ceiling', 1);
  await prefer({ muted_categories: ['alerts:DAX'] });
  await write(sql, user(), { category: 'alerts:DAX' });
  const id = await write(sql, user(), { category: 'alerts' });
  expect(await outcomeOf(sql, id)).toEqual(['queued', 'queued']);
});

test('what one device at least wants counts', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  await prefer({ muted_categories: ['alerts'] });
  await sql`
    insert into public.push_device_preferences (subscription_id, user_id, muted_categories)
    values (${devices()[0] as string}, ${user()}, '{}')`;
  expect(await statusOf(sql, await write(sql, user(), { category: 'alerts' }))).toBe('queued');
  expect(await statusOf(sql, await write(sql, user(), { category: 'alerts' }))).toBe('suppressed');
});

test('members of a topic who muted it keep their places', async () => {
  const { sql } = db();
  await setSetting(sql, 'daily_ceiling', 1);
  const { topic, userIds } = await createTopic(sql, 2);
  await sql`insert into public.push_preferences (user_id, enabled) values (${userIds[0] as string}, false)`;
  await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const rows = await sql`select user_id from push.daily_pushes`;
  expect(rows.map(({ user_id }) => user_id)).toEqual([userIds[1]]);
});

test('a device that is quiet by itself gets the summary at the end of its own quiet hours', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await sql`
    insert into public.push_device_preferences ${sql({
      subscription_id: devices()[0] as string,
      user_id: user(),
      timezone: 'UTC',
      quiet_from: '22:00',
      quiet_until: '06:00',
    })}`;
  const midnight = new Date(Math.ceil(Date.now() / 86_400_000 + 1) * 86_400_000);
  await write(sql, user(), { digest_key: 'deals', expires_at: plus(midnight, 24 * HOUR) });
  await sql`update push.digest_windows set closes_at = ${midnight}`;
  await closeDigests(sql, midnight);
  const [summary] = await readSummaries(sql);
  const [delivery] = await sql`
    select state, last_code, due_at from push.deliveries where notification_id = ${summary?.id as string}`;
  expect(delivery).toEqual({ state: 'queued', last_code: 'quiet_hours', due_at: plus(midnight, 6 * HOUR) });
});

test('a day begins at midnight where the user is', async () => {
  const { sql } = db();
  await setSetting(sql, 'daily_ceiling', 1);
  await prefer({ timezone: 'Asia/Kathmandu' });
  // Midnight in Kathmandu is at 18:15 in UTC.
  const midnight = new Date(Math.ceil(Date.now() / 86_400_000 + 2) * 86_400_000 + 18.25 * HOUR * 1000);
  const statuses: string[] = [];
  for (const minutes of [-20, -10, -0.1, 0, 10]) {
    statuses.push(await arrive(plus(midnight, minutes * 60)));
  }
  expect(statuses).toEqual(['queued', 'suppressed', 'suppressed', 'queued', 'suppressed']);
});
