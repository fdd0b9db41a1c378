import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { useCrowd } from '../../support/crowd.ts';
import { claim, notify, plus, setSetting, startOfClock } from '../../support/queue.ts';
import { APPLE, FCM } from '../../support/subscriptions.ts';

// Dispatchers find out themselves how fast a push service may be sent to. The database remembers what they found where one
// throttles, for those that come, and keeps the ceilings.

const { db, user, users } = useCrowd();

const paces = async (now: Date): Promise<Record<string, number>> => {
  const [row] = await db().sql`select public.push_claim(${randomUUID()}, 0, ${now}) -> 'paces' as paces`;
  return row?.paces;
};

const notifyAll = async (ids: string[]) => {
  for (const id of ids) await notify(db().sql, id);
};

test('a claim hands out what a dispatcher has room for at each push service, and of others as much as there is', async () => {
  const { sql } = db();
  await notifyAll(await users(20, 1, false));
  for (let n = 0; n < 3; n++) await notify(sql, await user(1, false, APPLE));
  const now = startOfClock();
  const count = (rows: { host: string }[], host: string) => rows.filter((row) => row.host === host).length;
  const first = await claim(sql, now, { rooms: { [FCM]: 4 } });
  expect([count(first, FCM), count(first, APPLE)]).toEqual([4, 3]);
  expect(await claim(sql, now, { rooms: { [FCM]: 0 } })).toEqual([]);
  expect(await claim(sql, now, { rooms: { [FCM]: 100 } })).toHaveLength(16);
});

test('that room is for all that a claim looks at: a user’s backlog in a side lane gets no room of its own', async () => {
  const { sql } = db();
  const one = await user(1, false);
  for (let n = 0; n < 40; n++) await notify(sql, one);
  await notifyAll(await users(3, 1, false));
  expect(await claim(sql, startOfClock(), { rooms: { [FCM]: 3 } })).toHaveLength(3);
});

test('with little room, one user does not get all of it', async () => {
  const { sql } = db();
  const one = await user(10, false);
  await notify(sql, one);
  const others = await users(5, 1, false);
  await notifyAll(others);
  const claimed = await claim(sql, startOfClock(), { rooms: { [FCM]: 6 } });
  expect(claimed).toHaveLength(6);
  expect(claimed.filter(({ user_id }) => user_id === one)).toHaveLength(3);
});

test('what a push service that throttles accepts is told to other dispatchers, for a minute', async () => {
  const { sql } = db();
  const now = startOfClock();
  expect(await paces(now)).toEqual({});
  await claim(sql, now, { paces: { [FCM]: 12.5, 'https://unknown.example.com': 3 } });
  expect(await paces(plus(now, 1))).toEqual({ [FCM]: 12.5 });
  // Written every few seconds, and not with each claim.
  await claim(sql, plus(now, 2), { paces: { [FCM]: 20 } });
  expect(await paces(plus(now, 3))).toEqual({ [FCM]: 12.5 });
  await claim(sql, plus(now, 6), { paces: { [FCM]: 20 } });
  expect(await paces(plus(now, 65))).toEqual({ [FCM]: 20 });
  expect(await paces(plus(now, 67))).toEqual({});
});

test('a dispatcher that comes gets what that push service accepts in a second', async () => {
  const { sql } = db();
  const now = startOfClock();
  await claim(sql, now, { paces: { [FCM]: 14.2 } });
  await notifyAll(await users(20, 1, false));
  expect(await claim(sql, plus(now, 2))).toHaveLength(15);
  // Ten at least, whatever was found.
  await claim(sql, plus(now, 10), { limit: 0, paces: { [FCM]: 0.1 } });
  expect(await paces(plus(now, 11))).toEqual({ [FCM]: 10 });
});

test('health calls it slowed for as long', async () => {
  const { sql } = db();
  await user(1);
  const circuit = async () =>
    (await sql`select h ->> 'circuit' as circuit from jsonb_array_elements(push.host_health()) as h`)[0]
      ?.circuit;
  expect(await circuit()).toBe('closed');
  await claim(sql, new Date(), { paces: { [FCM]: 5 } });
  expect(await circuit()).toBe('slowed');
  await sql`update push.hosts set paced_at = now() - interval '2 minutes' where origin = ${FCM}`;
  expect(await circuit()).toBe('closed');
});

test('a backlog at a push service that throttles calls no more dispatchers', async () => {
  const { sql } = db();
  await connectBell(sql);
  await setSetting(sql, 'backlog_per_dispatcher', 3);
  const some = await users(20, 1, false);
  await notifyAll(some);
  await sql`delete from push.dispatchers`;
  await sql`delete from net.http_request_queue`;
  const now = startOfClock();
  const dispatcher = randomUUID();
  await claim(sql, now, { limit: 2, dispatcher, paces: { [FCM]: 5 } });
  expect(await countRings(sql)).toBe(0);
  // Where it throttles no more, it does: a full hand, also of one push service.
  const later = plus(now, 61);
  await claim(sql, later, { dispatcher, rooms: { [FCM]: 2 } });
  expect(await countRings(sql)).toBe(1);
});
