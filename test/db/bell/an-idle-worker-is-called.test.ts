import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { eventually } from '../../support/eventually.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus, queueOne, setSetting, startOfClock } from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';
import { afterCallLease, callsOf, heartbeat, workerLeaves } from '../../support/workers.ts';

const db = useDatabase();
let user: string;
let worker: string;
let heard: string[];
let session: postgres.Sql;

beforeEach(async () => {
  const { sql, url } = db();
  await clearQueue(sql);
  await sql`delete from push.workers`;
  await connectBell(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
  worker = randomUUID();
  heard = [];
  session = postgres(url, { max: 1, onnotice: () => {} });
});

afterEach(() => session.end({ timeout: 0 }));

/** Registers the worker with a session that listens; its channel is that of another connection of the same client. */
async function listen(): Promise<void> {
  const { channel } = await heartbeat(session, { worker, listens: true });
  await session.listen(channel, (payload) => heard.push(payload));
}

const tick = (now: Date) => db().sql`select push.tick(${now})`;
const untilHeard = (count: number) =>
  eventually(
    () => heard.length,
    (found) => found === count,
  );

test('it hears of the first message, and push-dispatch is not called', async () => {
  const { sql } = db();
  await listen();
  for (let index = 0; index < 5; index += 1) await notify(sql, user);
  await untilHeard(1);
  expect(heard, 'once, and nothing of the message').toEqual(['']);
  expect(await countRings(sql)).toBe(0);
  expect(await callsOf(sql, worker)).toHaveLength(1);
});

test('it learns as what it was called until it claims as that', async () => {
  const { sql } = db();
  await listen();
  await notify(sql, user);
  const { calls } = await heartbeat(session, { worker, listens: true });
  expect(calls).toEqual(await callsOf(sql, worker));
  await claim(sql, startOfClock(), { dispatcher: calls[0] ?? '' });
  expect((await heartbeat(session, { worker, listens: true })).calls).toEqual([]);
  expect(await sql`select from push.dispatchers where id = ${calls[0] ?? ''}`).toHaveLength(1);
});

test('one that asks is called without a notification', async () => {
  const { sql } = db();
  const { channel } = await heartbeat(sql, { worker });
  await session.listen(channel, (payload) => heard.push(payload));
  await notify(sql, user);
  expect((await heartbeat(sql, { worker })).calls).toHaveLength(1);
  expect(await countRings(sql)).toBe(0);
  // What was sent before this would have come before it.
  await session.notify(channel, 'the end');
  await untilHeard(1);
  expect(heard).toEqual(['the end']);
});

test('a transaction that is rolled back calls no worker', async () => {
  const { sql, url } = db();
  await listen();
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    await app.sql`rollback`;
  });
  expect(await callsOf(sql, worker)).toEqual([]);
  await notify(sql, user);
  await untilHeard(1);
});

test('one that is at work, or was called already, is not called: push-dispatch is', async () => {
  const { sql } = db();
  await listen();
  await notify(sql, user);
  await sql`select push.ring()`;
  expect(await countRings(sql)).toBe(1);
  const [call = ''] = await callsOf(sql, worker);
  await claim(sql, startOfClock(), { dispatcher: call });
  await sql`select push.ring()`;
  expect(await countRings(sql)).toBe(2);
});

test('one that stays because something is left is at work as before, and is not called', async () => {
  const { sql } = db();
  await heartbeat(sql, { worker });
  await notify(sql, user);
  const [call = ''] = await callsOf(sql, worker);
  await claim(sql, startOfClock(), { dispatcher: call, limit: 0 });
  expect(await sql`select public.push_leave(${call}) as may_leave`).toEqual([{ may_leave: false }]);
  await sql`select push.ring()`;
  expect(await callsOf(sql, worker)).toEqual([]);
  expect(await countRings(sql)).toBe(1);
});

test('of two, the idle one is called', async () => {
  const { sql } = db();
  const other = randomUUID();
  await heartbeat(sql, { worker });
  await heartbeat(sql, { worker: other });
  await sql`select push.ring()`;
  await sql`select push.ring()`;
  expect([(await callsOf(sql, worker)).length, (await callsOf(sql, other)).length]).toEqual([1, 1]);
  expect(await countRings(sql)).toBe(0);
});

test('one whose session has ended is not called, however long its lease is', async () => {
  const { sql } = db();
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  await heartbeat(session, { worker, listens: true });
  await session.end({ timeout: 5 });
  await eventually(
    () => sql`select from pg_stat_activity where pid = ${row?.pid ?? 0}`,
    (rows) => rows.length === 0,
  );
  await notify(sql, user);
  expect(await callsOf(sql, worker)).toEqual([]);
  expect(await countRings(sql)).toBe(1);
});

test('one whose lease is over, or ends later than any lease can, is not called', async () => {
  const { sql } = db();
  for (const leaseUntil of [plus(new Date(), -1), plus(new Date(), 7200)]) {
    await heartbeat(sql, { worker });
    await sql`update push.workers set lease_until = ${leaseUntil}`;
    await sql`delete from push.dispatchers`;
    await sql`delete from net.http_request_queue`;
    await notify(sql, user);
    expect(await countRings(sql)).toBe(1);
  }
  await tick(new Date());
  expect(await sql`select from push.workers`).toHaveLength(0);
});

test('for one that does not come, the next tick after the call lease calls push-dispatch, and it is not called again before a sign of life', async () => {
  const { sql } = db();
  const now = startOfClock();
  await listen();
  await notify(sql, user);
  await tick(now);
  expect(await countRings(sql)).toBe(0);
  await tick(afterCallLease(now));
  expect(await countRings(sql)).toBe(1);
  await sql`delete from push.dispatchers`;
  await notify(sql, user);
  expect(await countRings(sql)).toBe(2);
  await sql`delete from push.dispatchers`;
  await heartbeat(session, { worker, listens: true });
  await notify(sql, user);
  expect(await callsOf(sql, worker)).toHaveLength(1);
});

test('for one that does not come, a message after the call lease calls push-dispatch', async () => {
  const { sql } = db();
  await heartbeat(sql, { worker });
  await notify(sql, user);
  await sql`update push.dispatchers set lease_until = now() - interval '1 second'`;
  await notify(sql, user);
  expect(await countRings(sql)).toBe(1);
});

test('a paused project calls no worker', async () => {
  const { sql } = db();
  await heartbeat(sql, { worker });
  await sql`select push.pause('a test')`;
  await notify(sql, user);
  await sql`select push.ring()`;
  expect(await callsOf(sql, worker)).toEqual([]);
});

test('in repeatable read, too, it is called, though it gave a sign of life since the snapshot', async () => {
  const { sql, url } = db();
  await heartbeat(sql, { worker });
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin isolation level repeatable read`;
    await app.sql`select from push.workers`;
    await heartbeat(sql, { worker, now: plus(new Date(), 15) });
    await notify(app.sql, user);
    await app.sql`commit`;
  });
  expect(await callsOf(sql, worker)).toHaveLength(1);
  expect(await countRings(sql)).toBe(0);
});

test('it cannot end while a transaction that calls it is open; then another is called in its place', async () => {
  const { sql, url } = db();
  await heartbeat(sql, { worker });
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    for (let attempt = 0; attempt < 3; attempt += 1) expect(await workerLeaves(sql, worker)).toBe(false);
    // It is called by no other meanwhile.
    await sql`select push.ring()`;
    expect(await countRings(sql)).toBe(1);
    await app.sql`commit`;
  });
  expect(await callsOf(sql, worker)).toHaveLength(1);
  expect(await workerLeaves(sql, worker)).toBe(true);
  expect(await countRings(sql)).toBe(2);
  expect(await sql`select from push.workers`).toHaveLength(0);
  expect(await sql`select from push.dispatchers where worker_id is not null`).toHaveLength(0);
});

test('when it ends, what it was called for and has not begun goes to another worker', async () => {
  const { sql } = db();
  const other = randomUUID();
  await heartbeat(sql, { worker });
  await notify(sql, user);
  await heartbeat(sql, { worker: other });
  expect(await workerLeaves(sql, worker)).toBe(true);
  expect(await callsOf(sql, other)).toHaveLength(1);
  expect(await countRings(sql)).toBe(0);
});

test('a heartbeat does not wait for a transaction that calls it', async () => {
  const { sql, url } = db();
  await heartbeat(sql, { worker });
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    await sql.begin(async (t) => {
      await t`set local lock_timeout = '5s'`;
      await heartbeat(t, { worker, now: plus(new Date(), 15) });
    });
  });
});

test('at its start it is called for what waits already, as one dispatcher, and within the ceiling', async () => {
  const { sql } = db();
  expect((await heartbeat(sql, { worker, look: true })).calls).toEqual([]);
  await sql`delete from push.workers`;
  await queueOne(sql);
  const { calls } = await heartbeat(sql, { worker, look: true });
  expect(calls).toHaveLength(1);
  expect((await heartbeat(sql, { worker, look: true })).calls).toEqual(calls);
  await setSetting(sql, 'max_dispatchers', 2);
  expect(await sql`select from push.dispatchers`).toHaveLength(2);
  expect((await heartbeat(sql, { look: true })).calls).toEqual([]);
  await setSetting(sql, 'max_dispatchers', 4);
});

test('one that asks every second writes its row only when a quarter of its lease has passed', async () => {
  const { sql } = db();
  const now = new Date();
  const version = async () => (await sql`select xmin::text as version from push.workers`)[0]?.version;
  await heartbeat(sql, { worker, now });
  const first = await version();
  await heartbeat(sql, { worker, now: plus(now, 5) });
  expect(await version()).toBe(first);
  await heartbeat(sql, { worker, now: plus(now, 10) });
  expect(await version()).not.toBe(first);
});

test('a worker that is ending holds up no tick: its row is left for the next', async () => {
  const { sql, url } = db();
  const now = startOfClock();
  await heartbeat(sql, { worker });
  await notify(sql, user);
  await withSessions(url, 1, async (ending) => {
    if (!ending) throw new Error('one session');
    await ending.sql`begin`;
    await ending.sql`select from push.workers where id = ${worker} for update`;
    await sql.begin(async (t) => {
      await t`set local lock_timeout = '5s'`;
      await t`select push.end_dispatchers(${afterCallLease(now)})`;
    });
    await ending.sql`rollback`;
  });
  expect(await callsOf(sql, worker)).toEqual([]);
});
