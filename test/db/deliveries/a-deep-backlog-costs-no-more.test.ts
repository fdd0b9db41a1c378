import type postgres from 'postgres';
import { beforeAll, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, complete, startOfClock } from '../../support/queue.ts';
import { FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const BACKLOG = 4000;
const CLAIMED = 20;
// Each is looked at when it is picked and when it is changed; what else is read (its lease, the backlog's size) is little.
const READ_AT_MOST = 20 * CLAIMED;

const db = useDatabase();

/** Rows of `push.queue` that `work` reads, in a transaction of its own. */
async function rowsRead(work: (sql: postgres.TransactionSql) => Promise<unknown>): Promise<number> {
  return await db().sql.begin(async (sql) => {
    // The counters of a session also hold what earlier transactions have not passed on yet.
    const count = async () => {
      const [row] = await sql<{ read: number }[]>`
        select (seq_tup_read + idx_tup_fetch)::int as read
        from pg_stat_xact_user_tables where relid = 'push.queue'::regclass`;
      return (row as { read: number }).read;
    };
    const before = await count();
    await work(sql);
    return (await count()) - before;
  });
}

// As it is in use: statistics were taken while nothing waited, then a backlog comes.
beforeAll(async () => {
  const { sql } = db();
  const { id: userId } = await createUser(sql);
  await subscribe(sql, userId);
  await sql`
    insert into public.push_notifications (user_id, title)
    select ${userId}, 'Message ' || n from generate_series(1, 1000) as n`;
  await sql`select push.end_deliveries(array(select id from push.queue), 'sent', null, now())`;
  await sql`vacuum analyze push.queue`;
  await sql`
    insert into public.push_notifications (user_id, title)
    select ${userId}, 'Message ' || n from generate_series(1, ${BACKLOG}::int) as n`;
  // Otherwise a claim also counts how deep the backlog is, as far as that matters.
  await sql`update push.settings set max_dispatchers = 1`;
});

test('a claim reads what it takes, not the backlog', async () => {
  const read = await rowsRead((sql) => claim(sql, startOfClock(), { limit: CLAIMED }));
  expect(read).toBeGreaterThanOrEqual(CLAIMED);
  expect(read).toBeLessThan(READ_AT_MOST);
});

test('reports read what they are about, not the backlog', async () => {
  const now = startOfClock();
  const claimed = await claim(db().sql, now, { limit: CLAIMED });
  const reports = claimed.map((delivery) => ({ ...delivery, outcome: 'sent' as const, status: 201 }));
  const read = await rowsRead(async (sql) => {
    expect((await complete(sql, now, reports)).states).toEqual({ sent: CLAIMED });
  });
  expect(read).toBeLessThan(READ_AT_MOST);
});

test('whether anything is due is known from the first that is', async () => {
  const read = await rowsRead(async (sql) => {
    expect(await sql`select push.has_due(${startOfClock()}) as due`).toEqual([{ due: true }]);
  });
  expect(read).toBeLessThan(CLAIMED);
});

test('a device that unsubscribes costs a look at what waits for it alone', async () => {
  const { id: userId } = await createUser(db().sql);
  const subscriptionId = await subscribe(db().sql, userId);
  const read = await rowsRead(
    (sql) => sql`delete from public.push_subscriptions where id = ${subscriptionId}`,
  );
  expect(read).toBeLessThan(CLAIMED);
});

test('a push service that is renamed keeps what waits for it', async () => {
  const renamed = 'http://127.0.0.1:4811';
  await db().sql`update push.hosts set origin = ${renamed} where origin = ${FCM}`;
  const rows = await db().sql`
    select host, count(*)::int as count from push.deliveries where state = 'queued' group by host`;
  expect(rows).toEqual([{ host: renamed, count: BACKLOG - 2 * CLAIMED }]);
});
