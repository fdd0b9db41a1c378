import { beforeEach, describe, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import {
  type Claimed,
  claim,
  clearQueue,
  complete,
  notify,
  type OutcomeReport,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { APPLE, createEndpoint, FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

interface Host {
  paused_at: Date | null;
  probe_at: Date | null;
  evidence: string | null;
  evidence_count: number;
}

async function readHost(origin = FCM): Promise<Host> {
  const [row] = await db().sql<Host[]>`
    select paused_at, probe_at, evidence, evidence_count from push.hosts where origin = ${origin}`;
  if (!row) throw new Error(`No host ${origin}.`);
  return row;
}

const report = (claimed: Claimed[], now: Date, outcome: (row: Claimed, index: number) => OutcomeReport) =>
  complete(
    db().sql,
    now,
    claimed.map((row, index) => ({ ...row, ...outcome(row, index) })),
  );

const SENT: OutcomeReport = { outcome: 'sent', status: 201 };
const REFUSED: OutcomeReport = { outcome: 'misconfigured', status: 403, message: 'BadJwtToken' };
const UNANSWERED: OutcomeReport = { outcome: 'retry', code: 'timed_out', message: 'No answer within 10 s.' };
const throttled = (retryAfter?: number): OutcomeReport => ({
  outcome: 'retry',
  status: 429,
  code: 'throttled',
  ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
});

/** A user with so many devices, each of which has taken a message unless `proven` is false. */
async function user(devices: number, proven = true): Promise<string> {
  const { sql } = db();
  const { id } = await createUser(sql);
  for (let n = 0; n < devices; n++) await subscribe(sql, id);
  if (proven) {
    await notify(sql, id);
    const now = startOfClock();
    await report(await claim(sql, now), now, () => SENT);
  }
  return id;
}

/** Notifies these users and has every claimed delivery answered so; returns when that was. */
async function answer(users: string[], outcome: OutcomeReport, now = startOfClock()): Promise<Date> {
  for (const id of users) await notify(db().sql, id);
  await report(await claim(db().sql, now), now, () => outcome);
  return now;
}

const KINDS: [string, OutcomeReport, number][] = [
  ['refuses our key', REFUSED, 3],
  ['throttles', throttled(60), 3],
  ['does not answer', UNANSWERED, 10],
  ['fails', { outcome: 'retry', status: 500, code: 'push_service_error' }, 10],
];

describe.each(KINDS)('a push service that %s', (_what, outcome, enough) => {
  test('is paused by two users whose devices it knew, and not by one, however often', async () => {
    const [one, other] = [await user(20), await user(20)];
    await answer([one], outcome);
    expect(await readHost()).toMatchObject({ paused_at: null, evidence_count: 20 });
    const now = await answer([other], outcome);
    expect((await readHost()).paused_at).toEqual(now);
  });

  test('is not paused by devices that it never took a message for', async () => {
    await user(1);
    const strangers = [await user(10, false), await user(10, false), await user(10, false)];
    await answer(strangers, outcome);
    expect(await readHost()).toMatchObject({ paused_at: null, evidence: null });
  });

  test('is paused by one user whose devices it did not know, where it has never taken a message', async () => {
    const now = await answer([await user(enough, false)], outcome);
    expect((await readHost()).paused_at).toEqual(now);
  });

  test('is paused by its only user, also when the others that it knew are gone', async () => {
    const { sql } = db();
    const [left, leaving] = [await user(enough), await user(1)];
    await sql`delete from auth.users where id = ${leaving}`;
    const now = await answer([left], outcome);
    expect((await readHost()).paused_at).toEqual(now);
  });

  test('is not paused where it accepted something in between', async () => {
    const users = [await user(enough - 1), await user(1), await user(1)];
    await answer(users.slice(0, 1), outcome);
    await answer(users.slice(2), SENT);
    await answer(users.slice(1, 2), outcome);
    expect((await readHost()).paused_at).toBeNull();
  });

  test('gets a few probes each half second, each user once before any comes again', async () => {
    const { sql } = db();
    const failing = [await user(10), await user(10)];
    const now = await answer(failing, outcome);
    const working = [await user(1, false), await user(1, false), await user(1, false)];
    for (const id of [...failing, ...working]) await notify(sql, id);
    expect(await claim(sql, plus(now, 0.4))).toEqual([]);
    const later = plus(startOfClock(), 7200);
    await sql`update push.hosts set probe_at = ${later} where origin = ${FCM}`;
    const probes = [...(await claim(sql, later)), ...(await claim(sql, plus(later, 0.5)))];
    expect(probes).toHaveLength(6);
    expect(new Set(probes.map(({ user_id }) => user_id))).toEqual(new Set([...working, ...failing]));
    expect((await readHost()).probe_at).toEqual(plus(later, 1));
  });

  test('is probed by those whose devices work, however many of others stand before them', async () => {
    const { sql } = db();
    const failing = [await user(10), await user(10)];
    const now = await answer(failing, outcome);
    await sql`
      insert into public.push_notifications (user_id, title)
      select id, 'Mine' from unnest(${failing}::uuid[]) as id, generate_series(1, 50)`;
    const working = await user(1, false);
    await notify(sql, working);
    const later = plus(startOfClock(), 1);
    expect((await claim(sql, later)).map(({ user_id }) => user_id)).toContain(working);
    expect((await readHost()).paused_at).toEqual(now);
  });

  test('is back with the first probe that it accepts, with all that waits', async () => {
    const { sql } = db();
    const failing = [await user(10), await user(10)];
    const now = await answer(failing, outcome);
    const working = await user(1, false);
    await notify(sql, working);
    const later = plus(startOfClock(), 1);
    await report(await claim(sql, later), later, () => SENT);
    expect(await readHost()).toMatchObject({ paused_at: null, probe_at: null, evidence: null });
    expect(await openAlarms(sql)).toEqual([]);
    expect((await claim(sql, plus(now, 86_000))).length).toBeGreaterThanOrEqual(20);
  });

  test('uses up no attempt while it is paused, and a device waits no longer than a minute', async () => {
    const { sql } = db();
    const now = await answer([await user(10), await user(10)], outcome);
    let at = plus(now, 3600);
    for (let probe = 0; probe < 12; probe++, at = plus(at, 3600))
      await report(await claim(sql, at), at, () => outcome);
    const [worst] = await sql`select max(failures) as failures from push.deliveries where state = 'queued'`;
    expect(worst?.failures).toBeLessThanOrEqual(1);
    const [waiting] = await sql`
      select max(retry_at) filter (where failed_at > ${plus(now, 60)}) as until from public.push_subscriptions`;
    expect(waiting?.until.getTime()).toBeLessThanOrEqual(plus(at, -3600 + 60).getTime());
    expect(await sql`select from push.deliveries where state in ('failed', 'expired')`).toHaveLength(0);
  });
});

describe('an operator is told', () => {
  test.each([
    [REFUSED, 'vapid_refused'],
    [throttled(), 'push_service_throttles'],
    [UNANSWERED, 'push_service_unreachable'],
  ])('of %j by %s, and no more once a message is accepted', async (outcome, code) => {
    const { sql } = db();
    const failing = [await user(10), await user(10)];
    const now = await answer(failing, outcome);
    // A refused key at once; a connection that broke may be back in a second.
    expect(await openAlarms(sql)).toEqual(code === 'vapid_refused' ? [code] : []);
    const later = plus(now, 3600);
    await report(await claim(sql, later), later, () => outcome);
    expect(await openAlarms(sql)).toEqual([code]);
    const last = plus(now, 7200);
    await report(await claim(sql, last), last, () => SENT);
    expect(await openAlarms(sql)).toEqual([]);
  });
});

describe('a push service that says 429', () => {
  test('to one user keeps that delivery as long as it asks, and the device for a quarter of an hour', async () => {
    const { sql } = db();
    await user(1);
    const one = await user(1);
    const notificationId = await notify(sql, one, { ttl: 2_419_200 });
    const now = startOfClock();
    await report(await claim(sql, now), now, () => throttled(86_400));
    const [row] = await sql`
      select d.id, d.due_at, s.retry_at from push.deliveries as d
      join public.push_subscriptions as s on s.id = d.subscription_id where d.notification_id = ${notificationId}`;
    expect(row?.due_at).toEqual(plus(now, 86_400));
    expect(row?.retry_at).toEqual(plus(now, 900));
    await notify(sql, one);
    expect(await claim(sql, plus(now, 899))).toEqual([]);
    expect(await claim(sql, plus(now, 901))).toHaveLength(1);
  });

  test('to nearly all of many users is not paused while it accepts one', async () => {
    const { sql } = db();
    const users: string[] = [];
    for (let n = 0; n < 8; n++) users.push(await user(1));
    let now = startOfClock();
    for (let round = 0; round < 12; round++) {
      for (const id of users) await notify(sql, id);
      await sql`update public.push_subscriptions set retry_at = null`;
      await report(await claim(sql, now), now, (_, index) => (index === 0 ? SENT : throttled()));
      expect(await readHost()).toMatchObject({ paused_at: null, evidence: null });
      now = plus(now, 2.1);
    }
  });
});

test.each(['channel_failed', 'delivery_unreadable'])(
  '%s says nothing of a push service or a device: no push service was asked',
  async (code) => {
    const { sql } = db();
    const users = [await user(10), await user(10)];
    await answer(users, { outcome: 'retry', code, message: 'Ours.' });
    expect(await readHost()).toMatchObject({ paused_at: null, evidence: null });
    expect(await sql`select from public.push_subscriptions where failures > 0`).toHaveLength(0);
  },
);

test('an attempt that fails on our side before it is sent pauses at once, and blames no device', async () => {
  const { sql } = db();
  await user(1);
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  await report(await claim(sql, now), now, () => ({
    outcome: 'misconfigured',
    code: 'channel_not_configured',
    message: 'Not set.',
  }));
  expect((await readHost()).paused_at).toEqual(now);
  expect(await openAlarms(sql)).toEqual(['vapid_refused']);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued', failures: 0 });
  expect(await sql`select from public.push_subscriptions where failures > 0`).toHaveLength(0);
});

test('other push services go on', async () => {
  const { sql } = db();
  const now = await answer([await user(10), await user(10)], UNANSWERED);
  await queueOne(sql, { endpoint: createEndpoint(APPLE) });
  const next = await claim(sql, plus(now, 0.4));
  expect(next.map(({ host }) => host)).toEqual([APPLE]);
});

test('a dispatcher is given nothing of hosts it names as busy', async () => {
  const { sql } = db();
  for (let n = 0; n < 2; n++) await queueOne(sql);
  await queueOne(sql, { endpoint: createEndpoint(APPLE) });
  const now = startOfClock();
  expect((await claim(sql, now, { busyHosts: [FCM] })).map(({ host }) => host)).toEqual([APPLE]);
  expect(await claim(sql, now)).toHaveLength(2);
});
