import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  clearQueue,
  complete,
  notify,
  plus,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { FCM, subscribe, subscribeApp } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const FCM_V1 = 'https://fcm.googleapis.com/v1';

/** A user with a browser whose push service is Google's, and an app; both wait for one message. */
async function queueBoth(): Promise<void> {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await subscribeApp(sql, user.id);
  await notify(sql, user.id);
}

async function pausedAt(origin: string): Promise<Date | null> {
  const [row] = await db().sql`select paused_at from push.hosts where origin = ${origin}`;
  return row?.paused_at;
}

test('a claim hands over what each channel needs, and nothing of the other', async () => {
  const { sql } = db();
  await queueBoth();
  const claimed = await claim(sql, startOfClock());
  expect(claimed).toHaveLength(2);
  const app = claimed.find(({ channel }) => channel === 'fcm');
  const [row] = await sql`select fcm_token from public.push_subscriptions where channel = 'fcm'`;
  expect(app).toMatchObject({
    host: FCM_V1,
    fcm_token: row?.fcm_token,
    endpoint: null,
    p256dh: null,
    auth: null,
    vapid_key: null,
  });
  expect(claimed.find(({ channel }) => channel === 'webpush')).toMatchObject({ host: FCM, fcm_token: null });
});

test.each([
  ['FCM', FCM_V1, FCM, 'fcm_misconfigured', /FCM_SERVICE_ACCOUNT.*SenderId mismatch/s],
  ["Google's web push", FCM, FCM_V1, 'vapid_refused', /VAPID.*SenderId mismatch/s],
])('a pause of %s is its own, with its own alarm', async (_name, refusing, other, code, message) => {
  const { sql } = db();
  for (let user = 0; user < 3; user++) await queueBoth();
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) =>
      row.host === refusing
        ? { ...row, outcome: 'misconfigured', status: 403, message: 'SenderId mismatch' }
        : { ...row, outcome: 'sent', status: 200 },
    ),
  );
  expect(await pausedAt(refusing)).toEqual(now);
  expect(await pausedAt(other)).toBeNull();
  expect(await openAlarms(sql)).toEqual([code]);
  const [alarm] = await sql`select subject, message from push.alarms where code = ${code}`;
  expect(alarm).toMatchObject({ subject: refusing, message: expect.stringMatching(message) });

  await queueBoth();
  const next = await claim(sql, plus(now, 0.4));
  expect(next.map(({ host }) => host)).toEqual([other]);

  const later = plus(now, 61);
  await complete(
    sql,
    later,
    (await claim(sql, later)).map((row) => ({ ...row, outcome: 'sent', status: 200 })),
  );
  expect(await openAlarms(sql)).toEqual([]);
});

test('what our side could not even try uses up nothing, though the service took a message just now', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribeApp(sql, user.id);
  await notify(sql, user.id);
  const now = startOfClock();
  await complete(
    sql,
    now,
    (await claim(sql, now)).map((row) => ({ ...row, outcome: 'sent', status: 200 })),
  );
  await notify(sql, user.id);
  const [unasked] = await claim(sql, plus(now, 10));
  if (!unasked) throw new Error('one delivery');
  await complete(sql, plus(now, 10), [
    {
      ...unasked,
      outcome: 'misconfigured',
      code: 'channel_not_configured',
      message: 'FCM_SERVICE_ACCOUNT is not set.',
    },
  ]);
  expect(await readDelivery(sql, unasked.delivery_id)).toMatchObject({ state: 'queued', failures: 0 });
  expect(await pausedAt(FCM_V1)).toEqual(plus(now, 10));
  expect(await openAlarms(sql)).toEqual(['fcm_misconfigured']);
  expect(await claim(sql, plus(now, 71))).toHaveLength(1);
});

test('a full FCM leaves web push its room', async () => {
  const { sql } = db();
  await sql`update push.hosts set max_in_flight = 1 where channel = 'fcm'`;
  for (let index = 0; index < 3; index += 1) await queueBoth();
  const claimed = await claim(sql, startOfClock());
  expect(claimed.filter(({ host }) => host === FCM_V1)).toHaveLength(1);
  expect(claimed.filter(({ host }) => host === FCM)).toHaveLength(3);
});
