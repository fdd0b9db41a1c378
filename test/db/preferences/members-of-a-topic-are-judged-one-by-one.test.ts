import { beforeEach, expect, test } from 'vitest';
import {
  deliveriesOf,
  EVENING,
  MORNING,
  NIGHT,
  NIGHTS_IN_VIENNA,
  prefer,
  preferOnDevice,
} from '../../support/preferences.ts';
import { claim, clearQueue, complete, plus } from '../../support/queue.ts';
import { createTopic, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** A message to a topic that is due and fanned out at this moment. */
async function tellTopicAt(topic: string, at: Date, fannedOutAt = at): Promise<string> {
  const { sql } = db();
  const id = await notifyTopic(sql, topic, { sendAt: at });
  await sql`select push.enqueue_due_notifications(10, ${at})`;
  // Members of the moment it began are notified, and began by the real clock.
  await sql`update push.fan_outs set started_at = ${at} where notification_id = ${id}`;
  await fanOutAll(sql, 2, fannedOutAt);
  return id;
}

test('each gets it at the hour that suits, or not at all, and progress adds up', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 5);
  const [, quiet, off, device] = userIds as [string, string, string, string, string];
  await prefer(sql, quiet, NIGHTS_IN_VIENNA);
  await prefer(sql, off, { enabled: false });
  const [owned] = await sql<
    { id: string }[]
  >`select id from public.push_subscriptions where user_id = ${device}`;
  await preferOnDevice(sql, device, owned?.id ?? '', { enabled: false });

  const id = await tellTopicAt(topic, NIGHT);
  const made = (await deliveriesOf(sql, id)).map(({ state, due_at, last_code }) => [
    state,
    due_at,
    last_code,
  ]);
  expect(made.sort((a, b) => String(a[2]).localeCompare(String(b[2])))).toEqual([
    ['suppressed', NIGHT, 'device_disabled'],
    ['suppressed', NIGHT, 'disabled'],
    ['queued', NIGHT, null],
    ['queued', NIGHT, null],
    ['queued', MORNING, 'quiet_hours'],
  ]);
  expect(await readProgress(sql, id)).toMatchObject({ members: 5, total: 5, queued: 3, suppressed: 2 });

  for (const now of [NIGHT, MORNING]) {
    const claimed = await claim(sql, now);
    await complete(
      sql,
      now,
      claimed.map((one) => ({ ...one, outcome: 'sent', status: 201 })),
    );
  }
  expect(await readProgress(sql, id)).toMatchObject({ total: 5, queued: 0, sent: 3, suppressed: 2 });
});

test('those for whom it would last too long are counted as expired', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 3);
  for (const userId of userIds)
    await prefer(sql, userId, { ...NIGHTS_IN_VIENNA, quiet_from: '00:00', quiet_until: '24:00' });
  const id = await tellTopicAt(topic, NIGHT);
  expect(await readProgress(sql, id)).toMatchObject({ members: 3, total: 3, queued: 0, expired: 3 });
});

test('the hour counts at which a chunk is made, and again at which it is claimed', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  await prefer(sql, userIds[0] as string, NIGHTS_IN_VIENNA);
  const late = await tellTopicAt(topic, EVENING, NIGHT);
  expect(await deliveriesOf(sql, late)).toMatchObject([{ due_at: MORNING }]);

  const inTime = await tellTopicAt(topic, EVENING);
  expect(await deliveriesOf(sql, inTime)).toMatchObject([{ due_at: EVENING }]);
  expect(await claim(sql, NIGHT)).toEqual([]);
  expect(await deliveriesOf(sql, inTime)).toMatchObject([{ due_at: MORNING, last_code: 'quiet_hours' }]);
  await prefer(sql, userIds[0] as string, { enabled: false });
  expect(await claim(sql, plus(MORNING, 1))).toEqual([]);
  expect(await readProgress(sql, inTime)).toMatchObject({ total: 1, queued: 0, suppressed: 1 });
});
