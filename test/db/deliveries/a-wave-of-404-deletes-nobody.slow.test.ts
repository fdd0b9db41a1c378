import { beforeEach, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import {
  claim,
  clearQueue,
  complete,
  notify,
  type OutcomeReport,
  plus,
  queueOne,
  startOfClock,
} from '../../support/queue.ts';
import { FCM } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const SENT: OutcomeReport = { outcome: 'sent', status: 201 };
const gone = (status: number): OutcomeReport => ({ outcome: 'gone', status, code: 'subscription_gone' });

/** So many users with a device each that took a message just now; what is claimed from then on is theirs. */
async function working(count: number): Promise<{ users: string[]; now: Date }> {
  const { sql } = db();
  const users: string[] = [];
  for (let n = 0; n < count; n++) users.push((await queueOne(sql)).userId);
  const now = startOfClock();
  await answer(now, () => SENT);
  return { users, now };
}

/** Has everything that is due answered; gives the states of what was reported. */
async function answer(now: Date, outcome: (userId: string) => OutcomeReport) {
  const claimed = await claim(db().sql, now);
  const reports = claimed.map((row) => ({ ...row, ...outcome(row.user_id) }));
  return (await complete(db().sql, now, reports)).states;
}

async function tell(users: string[]): Promise<void> {
  for (const userId of users) await notify(db().sql, userId, { ttl: 2_419_200 });
}

const devices = async () => (await db().sql`select from public.push_subscriptions`).length;

test.each([404, 410])(
  'of 80 devices that took a message just now, 60 answer %i: none is deleted, and an operator is told',
  async (status) => {
    const { sql } = db();
    const { users, now } = await working(80);
    await tell(users);
    const dead = new Set(users.slice(20));
    const later = plus(now, 5);
    expect(await answer(later, (user) => (dead.has(user) ? gone(status) : SENT))).toEqual({
      sent: 20,
      queued: 60,
    });
    expect(await devices()).toBe(80);
    expect(await openAlarms(sql)).toContain('gone_unusual');
    const [alarm] = await sql`select subject, message from push.alarms where code = 'gone_unusual'`;
    expect(alarm).toMatchObject({ subject: FCM, message: expect.stringMatching(/60 devices/) });

    // It goes on for hours: no device is deleted, and every user who comes back gets what waited.
    for (let minute = 1; minute < 300; minute++) {
      const at = plus(later, minute * 60);
      await sql`select push.end_gone_waves(${at})`;
      if (minute % 3 === 0) await tell(users.slice(0, 40));
      await answer(at, (user) => (dead.has(user) ? gone(status) : SENT));
    }
    expect(await devices()).toBe(80);
    expect(await openAlarms(sql)).toContain('gone_unusual');
    const over = plus(later, 302 * 60);
    for (let minute = 0; minute < 70; minute += 5) await answer(plus(over, minute * 60), () => SENT);
    expect(await devices()).toBe(80);
    await sql`select push.end_gone_waves(${plus(over, 7200)})`;
    expect(await openAlarms(sql)).not.toContain('gone_unusual');
    const [waiting] = await sql`select count(*)::int as n from push.deliveries where state <> 'sent'`;
    expect(waiting).toEqual({ n: 0 });
  },
);

test('one device that worked lately and answers 404 is asked again an hour later, and deleted then', async () => {
  const { sql } = db();
  const { users, now } = await working(3);
  const [one] = users as [string];
  await tell([one]);
  const later = plus(now, 5);
  expect(await answer(later, () => gone(404))).toEqual({ queued: 1 });
  expect(await devices()).toBe(3);
  // Another message in between proves nothing more.
  await tell([one]);
  expect(await answer(plus(later, 600), () => gone(404))).toEqual({ queued: 1 });
  expect(await devices()).toBe(3);
  expect(await answer(plus(later, 3601), () => gone(404))).toMatchObject({ gone: 1 });
  expect(await devices()).toBe(2);
  expect(await openAlarms(sql)).not.toContain('gone_unusual');
});

test('a device that works again at the second answer keeps no trace of the first', async () => {
  const { sql } = db();
  const { users, now } = await working(1);
  await tell(users);
  await answer(plus(now, 5), () => gone(404));
  expect(await answer(plus(now, 3700), () => SENT)).toEqual({ sent: 1 });
  const [device] = await sql`select gone_at, failures, retry_at from public.push_subscriptions`;
  expect(device).toEqual({ gone_at: null, failures: 0, retry_at: null });
});

test('410 is the word for it: a single device goes at once, also one that worked lately', async () => {
  const { users, now } = await working(3);
  await tell(users.slice(0, 1));
  expect(await answer(plus(now, 5), () => gone(410))).toEqual({ gone: 1 });
  expect(await devices()).toBe(2);
});

test('devices that have not been heard of for a week are no wave, however many', async () => {
  const { sql } = db();
  const { users, now } = await working(40);
  await tell(users);
  expect(await answer(plus(now, 8 * 86_400), () => gone(404))).toEqual({ gone: 40 });
  expect(await devices()).toBe(0);
  expect(await openAlarms(sql)).not.toContain('gone_unusual');
});

test('the usual few among many are deleted: ten of a hundred', async () => {
  const { sql } = db();
  const { users, now } = await working(100);
  await tell(users);
  const dead = new Set(users.slice(0, 10));
  expect(await answer(plus(now, 5), (user) => (dead.has(user) ? gone(410) : SENT))).toEqual({
    sent: 90,
    gone: 10,
  });
  expect(await openAlarms(sql)).not.toContain('gone_unusual');
});
