import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

test('a transaction that is rolled back leaves no ring, and no dispatcher that others would count on', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (session) => {
    if (!session) throw new Error('one session');
    await session.sql`begin`;
    await notify(session.sql, user);
    expect(await countRings(session.sql)).toBe(1);
    await session.sql`rollback`;
  });
  expect(await countRings(sql)).toBe(0);
  expect(await sql`select from push.dispatchers`).toHaveLength(0);
  await notify(sql, user);
  expect(await countRings(sql)).toBe(1);
});

test('after a savepoint that was rolled back, the same transaction rings for what it keeps', async () => {
  const { sql } = db();
  await sql.begin(async (t) => {
    await t`savepoint try`;
    await notify(t, user);
    await t`rollback to savepoint try`;
    expect(await countRings(t)).toBe(0);
    await notify(t, user);
    expect(await countRings(t)).toBe(1);
  });
  expect(await countRings(sql)).toBe(1);
  expect(await sql`select from push.deliveries`).toHaveLength(1);
});

test('a ring that is not committed yet is nothing others rely on', async () => {
  const { sql, url } = db();
  await withSessions(url, 1, async (session) => {
    if (!session) throw new Error('one session');
    await session.sql`begin`;
    await notify(session.sql, user);
    await notify(sql, user);
    expect(await countRings(sql)).toBe(1);
    await session.sql`rollback`;
  });
  expect(await countRings(sql)).toBe(1);
});
