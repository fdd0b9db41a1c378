import { expect, test } from 'vitest';
import { useCrowd } from '../../support/crowd.ts';
import { type Claimed, claim, notify, type OutcomeReport, plus, startOfClock } from '../../support/queue.ts';
import { createKeys, FCM } from '../../support/subscriptions.ts';

const { db, report, user, users, flood } = useCrowd();

const THROTTLED: OutcomeReport = { outcome: 'retry', status: 429, code: 'throttled' };

/** Pauses the push service as two users do whose devices it knew. */
const pause = (at: Date) => db().sql`
  update push.hosts set paused_at = ${at}, probe_at = ${at}, evidence = 'throttled', evidence_count = 3
  where origin = ${FCM}`;

/** What a user may do at any time to a device of theirs: another key, and its backoff is forgotten. */
const reregister = (devices: Claimed[], key: string) => db().sql`
  update public.push_subscriptions set vapid_key = case when vapid_key is null then ${key} end
  where endpoint = any (${devices.map(({ endpoint }) => endpoint as string)})`;

/** Half seconds until one of `waiting` is probed while all probes fail and the others re-register what failed. */
async function roundsUntil(waiting: string[], start: Date, most: number): Promise<number> {
  const { sql } = db();
  const { p256dh: key } = createKeys();
  for (let round = 1; round <= most; round++) {
    const now = plus(start, round / 2);
    const probes = await claim(sql, now);
    if (probes.some(({ user_id }) => waiting.includes(user_id))) return round;
    await report(probes, now, () => THROTTLED);
    await reregister(probes, key);
  }
  return Number.POSITIVE_INFINITY;
}

test('five users who re-register their devices do not use up the probes', async () => {
  const { sql } = db();
  const five = await users(5, 20);
  await flood(five, 20);
  const other = await user(1, false);
  await notify(sql, other);
  const start = startOfClock();
  await pause(start);
  expect(await roundsUntil([other], start, 20)).toBeLessThanOrEqual(2);
});

test('nor after an outage in which a device of every other user has failed', async () => {
  const { sql } = db();
  const five = await users(5, 20);
  const others = await users(20, 1);
  await flood(five, 20);
  await flood(others, 1);
  const start = startOfClock();
  await pause(start);
  await sql`
    update public.push_subscriptions set failures = 3, failed_at = ${start}
    where user_id = any (${others}::uuid[])`;
  expect(await roundsUntil(others, start, 60)).toBeLessThanOrEqual(2);
});

test('one user with ten thousand messages in front hides no other user from the probes', async () => {
  const { sql } = db();
  await sql`update push.settings set max_dispatchers = 1`;
  const one = await user(20, false);
  await flood([one], 500);
  const other = await user(1, false);
  await notify(sql, other);
  const start = startOfClock();
  await pause(start);
  expect(await roundsUntil([other], start, 60)).toBeLessThanOrEqual(2);
});
