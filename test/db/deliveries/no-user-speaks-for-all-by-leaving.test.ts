import { expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { SENT, useCrowd } from '../../support/crowd.ts';
import { claim, notify, type OutcomeReport, plus, startOfClock } from '../../support/queue.ts';
import { FCM } from '../../support/subscriptions.ts';

const { db, report, user, users } = useCrowd();

const THROTTLED: OutcomeReport = { outcome: 'retry', status: 429, code: 'throttled' };
const REFUSED: OutcomeReport = { outcome: 'misconfigured', status: 403, message: 'BadJwtToken' };

const host = async () => (await db().sql`select paused_at from push.hosts where origin = ${FCM}`)[0];

/** Three users whose devices work, and after them two more, whom the push service has accepted last. */
async function twoAfterThree(): Promise<{ two: string[]; now: Date }> {
  const { sql } = db();
  await users(3, 1);
  const two = await users(2, 3);
  const now = plus(startOfClock(), 60);
  for (const id of two) await notify(sql, id);
  await report(await claim(sql, now), now, () => SENT);
  return { two, now };
}

test('two users who were accepted last and leave do not let a stranger pause the service for all', async () => {
  const { sql } = db();
  const { two, now } = await twoAfterThree();
  await sql`delete from public.push_subscriptions where user_id = any (${two}::uuid[])`;
  await notify(sql, await user(3, false));
  const later = plus(now, 60);
  await report(await claim(sql, later), later, () => REFUSED);
  expect(await host()).toMatchObject({ paused_at: null });
  expect(await openAlarms(sql)).toEqual([]);
});

test('one of two users who leaves does not let the other pause the service for all', async () => {
  const { sql } = db();
  const { two, now } = await twoAfterThree();
  await sql`delete from public.push_subscriptions where user_id = ${two[0] as string}`;
  await notify(sql, two[1] as string);
  const later = plus(now, 60);
  await report(await claim(sql, later), later, () => THROTTLED);
  expect(await host()).toMatchObject({ paused_at: null });
});

test('five users whose devices are throttled do not pause a service that takes what others get', async () => {
  const { sql } = db();
  const five = await users(5, 1);
  const others = await users(4, 1);
  let now = startOfClock();
  for (let round = 0; round < 7; round++, now = plus(now, 61)) {
    for (const id of [...five, ...others]) await notify(sql, id);
    await report(await claim(sql, now), now, ({ user_id }) => (five.includes(user_id) ? THROTTLED : SENT));
  }
  expect(await host()).toMatchObject({ paused_at: null });
});

test('a key that is wrong for all is told within a minute, also while only one of two users is written to', async () => {
  const { sql } = db();
  const [one] = await users(2, 1);
  await notify(sql, one as string, { ttl: 2_419_200 });
  const start = startOfClock();
  for (let seconds = 0; seconds <= 60; seconds += 10)
    await report(await claim(sql, plus(start, seconds)), plus(start, seconds), () => REFUSED);
  expect(await openAlarms(sql)).toContain('vapid_refused');
});
