import type postgres from 'postgres';
import { beforeAll, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const OTHERS = 2000;
const MESSAGES = 20;

const db = useDatabase();
let userId: string;

/** Rows of preferences that `work` reads, in a transaction of its own. */
async function rowsRead(work: (sql: postgres.TransactionSql) => Promise<unknown>): Promise<number> {
  return await db().sql.begin(async (sql) => {
    // The counters of a session also hold what earlier transactions have not passed on yet.
    const count = async () => {
      const [row] = await sql<{ read: number }[]>`
        select sum(seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_user_tables
        where relid in ('public.push_preferences'::regclass, 'public.push_device_preferences'::regclass)`;
      return (row as { read: number }).read;
    };
    const before = await count();
    await work(sql);
    return (await count()) - before;
  });
}

const tellAll = (sql: postgres.TransactionSql, users: string) =>
  sql.unsafe(`
    insert into public.push_notifications (user_id, title)
    select u.id, 'Message ' || n from (${users}) as u cross join generate_series(1, ${MESSAGES}) as n`);

beforeAll(async () => {
  const { sql } = db();
  userId = (await createUser(sql)).id;
  await subscribe(sql, userId);
  await sql`
    with made as (insert into auth.users (id) select gen_random_uuid() from generate_series(1, ${OTHERS}::int) returning id)
    insert into public.push_preferences (user_id, enabled) select id, false from made`;
});

test('the preferences of others are not read for a user who has none, nor for their devices', async () => {
  expect(await rowsRead((sql) => tellAll(sql, `select '${userId}'::uuid as id`))).toBe(0);
  expect(
    await rowsRead(async (sql) => {
      expect(await claim(sql, startOfClock())).toHaveLength(MESSAGES);
    }),
  ).toBe(0);
});

test('of a user who has some, one row is read for each delivery that is made', async () => {
  const { sql } = db();
  const [other] = await sql<{ id: string }[]>`select user_id as id from public.push_preferences limit 1`;
  await subscribe(sql, other?.id ?? '');
  expect(await rowsRead((t) => tellAll(t, `select '${other?.id}'::uuid as id`))).toBe(MESSAGES);
});
