import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import {
  endsOrWaits,
  type Session,
  untilAsleep,
  untilBlocked,
  withSessions,
} from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  // A write waits for 50 ms at most. Here it is the test that says when the other transaction ends.
  await sql`alter function push.await_ringer() set lock_timeout = '30s'`;
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const countDispatchers = async () => (await db().sql`select from push.dispatchers`).length;

/** Two sessions with a transaction each; the first has rung and not committed. */
async function whileOneRings(work: (ringer: Session, other: Session) => Promise<void>): Promise<void> {
  await withSessions(db().url, 2, async (ringer, other) => {
    if (!ringer || !other) throw new Error('two sessions');
    await ringer.sql`begin`;
    await notify(ringer.sql, user);
    expect(await countRings(ringer.sql)).toBe(1);
    await other.sql`begin`;
    await work(ringer, other);
  });
}

test('a writer that comes while another rings counts on the same dispatcher, which cannot leave before it has committed', async () => {
  const { sql } = db();
  await whileOneRings(async (ringer, other) => {
    const writing = notify(other.sql, user);
    await untilAsleep(sql, other);
    await ringer.sql`commit`;
    await writing;
    const [called] = await sql<{ id: string }[]>`select id from push.dispatchers`;
    expect(await countRings(other.sql)).toBe(1);
    // All that the first one wrote is done: the dispatcher would leave.
    await sql`delete from public.push_notifications`;
    const leave = async () =>
      (await sql<{ left: boolean }[]>`select public.push_leave(${called?.id ?? null}) as left`)[0]?.left;
    expect(await leave()).toBe(false);
    await other.sql`commit`;
    expect(await leave(), 'there is something to do').toBe(false);
  });
  expect(await countRings(sql)).toBe(1);
  expect(await sql`select from push.queue`).toHaveLength(1);
});

test('when the one that rang rolls back, the other one rings', async () => {
  const { sql } = db();
  await whileOneRings(async (ringer, other) => {
    const writing = notify(other.sql, user);
    await untilAsleep(sql, other);
    await ringer.sql`rollback`;
    await writing;
    await other.sql`commit`;
  });
  expect(await countRings(sql)).toBe(1);
  expect(await countDispatchers()).toBe(1);
});

test('when the one that rang takes back what it wrote and goes on, the other one rings', async () => {
  const { sql } = db();
  await withSessions(db().url, 2, async (ringer, other) => {
    if (!ringer || !other) throw new Error('two sessions');
    await ringer.sql`begin`;
    await ringer.sql`savepoint try`;
    await notify(ringer.sql, user);
    const writing = notify(other.sql, user);
    await untilAsleep(sql, other);
    await ringer.sql`rollback to savepoint try`;
    await writing;
  });
  expect(await countRings(sql)).toBe(1);
});

test('when the one that rang stays open, the other one waits no longer than a moment, and rings', async () => {
  const { sql } = db();
  await sql`alter function push.await_ringer() set lock_timeout = '50ms'`;
  await whileOneRings(async (_, other) => {
    await notify(other.sql, user);
    await other.sql`commit`;
    expect(await countRings(sql)).toBe(1);
  });
});

test('one that waits is part of no deadlock: it asks for no lock that it does not get at once', async () => {
  const { sql } = db();
  await whileOneRings(async (ringer, other) => {
    await other.sql`select from public.push_subscriptions where user_id = ${user} for update`;
    const writing = notify(other.sql, user);
    await untilAsleep(sql, other);
    // In a circle with the one that rings, which waits for it, it would be one of two that Postgres ends.
    const ringing = ringer.sql`select from public.push_subscriptions where user_id = ${user} for update`;
    ringing.catch(() => {});
    await untilBlocked(sql, ringer);
    expect(
      (await sql<{ blockers: number[] }[]>`select pg_blocking_pids(${other.pid}) as blockers`)[0],
    ).toEqual({
      blockers: [],
    });
    await sql`select pg_cancel_backend(${ringer.pid})`;
    await expect(ringing).rejects.toMatchObject({ code: '57014' });
    await ringer.sql`rollback`;
    await writing;
    await other.sql`commit`;
  });
});

test('one that has waited holds up no other: it keeps no lock until its end', async () => {
  const { sql } = db();
  await whileOneRings(async (ringer, other) => {
    const writing = notify(other.sql, user);
    await untilAsleep(sql, other);
    await ringer.sql`commit`;
    await writing;
    expect(
      await sql`select from pg_locks where pid = ${other.pid} and locktype = 'advisory' and mode = 'ShareLock'`,
    ).toHaveLength(0);
  });
});

test('where nothing is rung for, no writer waits for another', async () => {
  const { sql } = db();
  await whileOneRings(async (_, other) => {
    await sql`select push.pause('a test')`;
    expect(await endsOrWaits(sql, other, notify(other.sql, user))).toBe('ends');
  });
});

test('a snapshot that stays does not see whom another called: such a writer rings at once', async () => {
  const { sql } = db();
  await withSessions(db().url, 2, async (ringer, other) => {
    if (!ringer || !other) throw new Error('two sessions');
    await ringer.sql`begin`;
    await notify(ringer.sql, user);
    await other.sql`begin isolation level repeatable read`;
    expect(await endsOrWaits(sql, other, notify(other.sql, user))).toBe('ends');
    expect(await countRings(other.sql)).toBe(1);
  });
});

test('of 24 writers that commit at once, one rings', async () => {
  const { sql, url } = db();
  await withSessions(url, 24, async (...writers) => {
    for (let round = 0; round < 5; round += 1) {
      await sql`delete from push.dispatchers`;
      await sql`delete from net.http_request_queue`;
      await Promise.all(writers.map((writer) => notify(writer.sql, user)));
      expect(await countRings(sql)).toBe(1);
      expect(await countDispatchers()).toBe(1);
    }
  });
});
