import { beforeEach, describe, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import {
  type Claimed,
  claim,
  clearQueue,
  complete,
  type OutcomeReport,
  plus,
  queueOne,
  startOfClock,
} from '../../support/queue.ts';
import { APPLE, createEndpoint, FCM } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

interface Host {
  paused_until: Date | null;
  pauses: number;
  slowed_to: number | null;
  unreachable: number;
}

async function readHost(origin = FCM): Promise<Host> {
  const [row] = await db().sql<Host[]>`
    select paused_until, pauses, slowed_to, unreachable from push.hosts where origin = ${origin}`;
  if (!row) throw new Error(`No host ${origin}.`);
  return row;
}

const queue = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await queueOne(db().sql);
};

const report = (claimed: Claimed[], now: Date, outcome: (row: Claimed, index: number) => OutcomeReport) =>
  complete(
    db().sql,
    now,
    claimed.map((row, index) => ({ ...row, ...outcome(row, index) })),
  );

const throttled = (retryAfter?: number): OutcomeReport => ({
  outcome: 'retry',
  status: 429,
  code: 'throttled',
  ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
});
const unanswered: OutcomeReport = { outcome: 'retry', code: 'timed_out', message: 'No answer within 10 s.' };

describe('a push service that says 429', () => {
  test('gets nothing until Retry-After is over, then half as many at a time', async () => {
    const { sql } = db();
    await sql`update push.hosts set max_in_flight = 8 where origin = ${FCM}`;
    await queue(10);
    const now = startOfClock();
    const claimed = await claim(sql, now);
    expect(claimed).toHaveLength(8);
    await report(claimed, now, () => throttled(30));
    expect(await readHost()).toMatchObject({ paused_until: plus(now, 30), slowed_to: 4 });
    expect(await claim(sql, plus(now, 29))).toEqual([]);
    expect(await claim(sql, plus(now, 100))).toHaveLength(4);
  });

  test('is given more again with each success, up to its own limit', async () => {
    const { sql } = db();
    await sql`update push.hosts set max_in_flight = 8, slowed_to = 2 where origin = ${FCM}`;
    let now = startOfClock();
    const places: (number | null)[] = [];
    for (let round = 0; round < 3; round++) {
      await queueOne(sql);
      now = plus(now, 10);
      await report(await claim(sql, now), now, () => ({ outcome: 'sent', status: 201 }));
      places.push((await readHost()).slowed_to);
    }
    expect(places).toEqual([4, null, null]);
  });

  test('is slowed once by what was under way together', async () => {
    const { sql } = db();
    await queue(4);
    const now = startOfClock();
    const claimed = await claim(sql, now);
    for (const row of claimed) await report([row], now, () => throttled(60));
    expect((await readHost()).slowed_to).toBe(250);
  });

  test('about a few devices among many that it accepts is not slowed down', async () => {
    const { sql } = db();
    await queue(10);
    const now = startOfClock();
    await report(await claim(sql, now), now, (_, index) =>
      index < 2 ? throttled(600) : { outcome: 'sent', status: 201 },
    );
    expect(await readHost()).toMatchObject({ paused_until: null, slowed_to: null });
  });

  test('leaves the other push services alone', async () => {
    const { sql } = db();
    await queue(2);
    const now = startOfClock();
    await report(await claim(sql, now), now, () => throttled(600));
    await queueOne(sql, { endpoint: createEndpoint(APPLE) });
    expect((await claim(sql, plus(now, 5))).map(({ host }) => host)).toEqual([APPLE]);
  });
});

describe('a push service that does not answer', () => {
  test('is paused after ten failures in a row, with an alarm', async () => {
    const { sql } = db();
    await queue(12);
    const now = startOfClock();
    const claimed = await claim(sql, now);
    await report(claimed.slice(0, 9), now, () => unanswered);
    expect(await readHost()).toMatchObject({ paused_until: null, unreachable: 9 });
    await report(claimed.slice(9), now, () => unanswered);
    expect(await readHost()).toMatchObject({ paused_until: plus(now, 60), pauses: 1 });
    expect(await openAlarms(sql)).toEqual(['push_service_unreachable']);
  });

  test.each(['channel_failed', 'delivery_unreadable'])(
    'is not meant by %s: nobody asked it, and nothing is paused',
    async (code) => {
      await queue(12);
      const now = startOfClock();
      await report(await claim(db().sql, now), now, () => ({ outcome: 'retry', code, message: 'Ours.' }));
      expect(await readHost()).toMatchObject({ paused_until: null, unreachable: 0 });
      expect(await openAlarms(db().sql)).toEqual([]);
    },
  );

  test('is asked again with one delivery after the pause, and paused twice as long when that fails', async () => {
    const { sql } = db();
    await queue(12);
    const now = startOfClock();
    await report(await claim(sql, now), now, () => unanswered);
    const later = plus(now, 3600);
    const probe = await claim(sql, later);
    expect(probe).toHaveLength(1);
    expect(await claim(sql, later)).toEqual([]);
    await report(probe, later, () => unanswered);
    expect(await readHost()).toMatchObject({ paused_until: plus(later, 120), pauses: 2 });
  });

  test('that answers the probe gets everything, and the alarm is resolved', async () => {
    const { sql } = db();
    await queue(12);
    const now = startOfClock();
    await report(await claim(sql, now), now, () => unanswered);
    const later = plus(now, 3600);
    await report(await claim(sql, later), later, () => ({ outcome: 'sent', status: 201 }));
    expect(await readHost()).toMatchObject({ paused_until: null, pauses: 0, unreachable: 0 });
    expect(await openAlarms(sql)).toEqual([]);
    expect(await claim(sql, later)).toHaveLength(11);
  });

  test('now and then, between successes, is never paused', async () => {
    const { sql } = db();
    let now = startOfClock();
    for (let round = 0; round < 5; round++) {
      await queue(8);
      now = plus(now, 3600);
      const claimed = await claim(sql, now);
      await report(claimed.slice(1), now, () => unanswered);
      await report(claimed.slice(0, 1), now, () => ({ outcome: 'sent', status: 201 }));
    }
    expect(await readHost()).toMatchObject({ paused_until: null, pauses: 0 });
  });
});

test('a dispatcher is given nothing of hosts it names as busy', async () => {
  const { sql } = db();
  await queue(2);
  await queueOne(sql, { endpoint: createEndpoint(APPLE) });
  const now = startOfClock();
  expect((await claim(sql, now, { busyHosts: [FCM] })).map(({ host }) => host)).toEqual([APPLE]);
  expect(await claim(sql, now)).toHaveLength(2);
});
