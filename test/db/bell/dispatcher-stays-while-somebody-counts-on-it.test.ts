import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  pauseHosts,
  plus,
  startOfClock,
} from '../../support/queue.ts';
import { type Session, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
let dispatcher: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
  dispatcher = randomUUID();
  await claim(sql, new Date(), { dispatcher });
});

async function leave(session: Session['sql'], final = false): Promise<boolean> {
  const [row] = await session<{ left: boolean }[]>`select public.push_leave(${dispatcher}, ${final}) as left`;
  return row?.left as boolean;
}

const isThere = async () =>
  (await db().sql`select from push.dispatchers where id = ${dispatcher}`).length === 1;

test('with nothing to do it leaves', async () => {
  expect(await leave(db().sql)).toBe(true);
  expect(await isThere()).toBe(false);
});

test('with something to do it stays', async () => {
  const { sql } = db();
  await notify(sql, user);
  expect(await leave(sql)).toBe(false);
  expect(await isThere()).toBe(true);
  const now = startOfClock();
  await complete(sql, now, [{ ...(await claimOne(sql, now, dispatcher)), outcome: 'sent' }]);
  expect(await leave(sql)).toBe(true);
});

test('it cannot leave while a transaction that counted on it is open, and then sees its rows', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    // The transaction does not ring: the dispatcher is there.
    expect(await countRings(app.sql)).toBe(0);

    // It does not leave the tenth time either, and it does not wait.
    for (let attempt = 0; attempt < 10; attempt += 1) expect(await leave(sql)).toBe(false);
    expect(await claim(sql, startOfClock(), { dispatcher })).toEqual([]);
    await app.sql`commit`;
  });
  expect(await leave(sql)).toBe(false);
  expect(await claim(sql, startOfClock(), { dispatcher })).toHaveLength(1);
});

test('when that transaction is rolled back, it leaves', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    expect(await leave(sql)).toBe(false);
    await app.sql`rollback`;
  });
  expect(await leave(sql)).toBe(true);
});

test('heartbeats and claims of that dispatcher do not wait for the transaction', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    await sql.begin(async (t) => {
      await t`set local lock_timeout = '5s'`;
      await t`select public.push_heartbeat(${dispatcher})`;
      await claim(t, startOfClock(), { dispatcher });
    });
    await app.sql`commit`;
  });
});

test('two transactions count on it at the same time', async () => {
  const { sql, url } = db();
  await withSessions(url, 2, async (first, second) => {
    if (!first || !second) throw new Error('two sessions');
    for (const app of [first, second]) {
      await app.sql`begin`;
      await app.sql`set local lock_timeout = '5s'`;
      await notify(app.sql, user);
      expect(await countRings(app.sql)).toBe(0);
    }
    await first.sql`rollback`;
    expect(await leave(sql)).toBe(false);
    await second.sql`rollback`;
  });
  expect(await leave(sql)).toBe(true);
});

test('a transaction that comes while it is leaving rings for another, and does not wait', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (leaving) => {
    if (!leaving) throw new Error('one session');
    await leaving.sql`begin`;
    expect(await leave(leaving.sql)).toBe(true);
    await sql.begin(async (t) => {
      await t`set local lock_timeout = '5s'`;
      await notify(t, user);
    });
    expect(await countRings(sql)).toBe(1);
    await leaving.sql`commit`;
  });
  const [row] = await sql`select push.has_due(clock_timestamp()) as due`;
  expect(row).toEqual({ due: true });
});

test('at the end of its time it goes, and another one is called for what is left', async () => {
  const { sql } = db();
  await notify(sql, user);
  expect(await leave(sql, true)).toBe(true);
  expect(await isThere()).toBe(false);
  expect(await countRings(sql)).toBe(1);
});

test('at the end of its time with nothing left it goes quietly', async () => {
  expect(await leave(db().sql, true)).toBe(true);
  expect(await countRings(db().sql)).toBe(0);
});

test('at the end of its time, while a transaction counts on it, another one is called in its place', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user);
    expect(await leave(sql, true)).toBe(true);
    expect(await countRings(sql)).toBe(1);
    await app.sql`commit`;
  });
  const others = await sql`select id from push.dispatchers where lease_until > clock_timestamp()`;
  expect(others).toHaveLength(1);
  expect(others[0]?.id).not.toBe(dispatcher);
});

test('while it drains it is not live, whatever its heartbeats say, and keeps the leases of what it has', async () => {
  const { sql, url } = db();
  await notify(sql, user);
  const now = startOfClock();
  const claimed = await claimOne(sql, now, dispatcher);
  const leaseOf = async () =>
    (
      await sql<{ lease_until: Date }[]>`select lease_until from push.queue where id = ${claimed.delivery_id}`
    )[0]?.lease_until as Date;
  const beat = (seconds: number) =>
    sql`select public.push_heartbeat(${dispatcher}, ${[claimed.delivery_id]}::bigint[], ${plus(now, seconds)})`;
  const other = (await createUser(sql)).id;
  await subscribe(sql, other);
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, other);
    // Nothing is left but what it has, and a transaction counts on it: its row stays.
    expect(await leave(sql, true)).toBe(true);
    expect(await isThere()).toBe(true);
    await sql`delete from push.dispatchers where id <> ${dispatcher}`;
    await sql`delete from net.http_request_queue`;
    const before = await leaseOf();
    await beat(30);
    expect(await leaseOf()).toEqual(plus(before, 30));
    await notify(sql, other);
    expect(await countRings(sql), 'the next commit calls another').toBe(1);
    await app.sql`rollback`;
  });
  await sql`delete from push.dispatchers`;
  await beat(40);
  expect(await isThere()).toBe(false);
  expect(await complete(sql, plus(now, 41), [{ ...claimed, outcome: 'sent' }])).toMatchObject({
    recorded: 1,
  });
});

test('one that was given up for dead may leave, and calls another when there is work', async () => {
  const { sql } = db();
  await sql`delete from push.dispatchers`;
  expect(await leave(sql)).toBe(true);
  expect(await countRings(sql)).toBe(0);
  await notify(sql, user);
  await sql`delete from push.dispatchers`;
  await sql`delete from net.http_request_queue`;
  expect(await leave(sql)).toBe(true);
  expect(await countRings(sql)).toBe(1);
});

test('what waits for a paused push service keeps no dispatcher', async () => {
  const { sql } = db();
  await notify(sql, user);
  await pauseHosts(sql, new Date(Date.now() + 3_600_000));
  expect(await leave(sql)).toBe(true);
});
