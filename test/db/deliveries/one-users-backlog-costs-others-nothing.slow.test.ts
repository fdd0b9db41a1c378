import { expect, test } from 'vitest';
import { useCrowd } from '../../support/crowd.ts';
import { claim, notify, plus, startOfClock } from '../../support/queue.ts';

const { db, user, users, flood } = useCrowd();

/** What `work` reads and writes of push.deliveries, in a transaction of its own. */
async function touched(work: (sql: Parameters<typeof claim>[0]) => Promise<unknown>) {
  return await db().sql.begin(async (sql) => {
    const count = async () => {
      const [row] = await sql<{ read: number; written: number }[]>`
        select (seq_tup_read + idx_tup_fetch)::int as read, n_tup_upd::int as written
        from pg_stat_xact_user_tables where relid = 'push.queue'::regclass`;
      return row as { read: number; written: number };
    };
    const before = await count();
    await work(sql);
    const after = await count();
    return { read: after.read - before.read, written: after.written - before.written };
  });
}

test('claims rewrite the backlog of a user who has enough a few times, and not each time', async () => {
  const { sql } = db();
  await sql`update push.settings set max_dispatchers = 1`;
  const one = await user(20, false);
  await flood([one], 500);
  const start = startOfClock();
  let written = 0;
  for (let look = 0; look < 60; look++)
    written += (await touched((of) => claim(of, plus(start, look / 10), { busyUsers: [one] }))).written;
  // Ten thousand rows, after 1, 2 and 4 seconds.
  expect(written).toBeLessThanOrEqual(40_000);
});

test('a claim reads no whole table for each look, when that was analysed while a backlog waited', async () => {
  const { sql } = db();
  await sql`update push.settings set max_dispatchers = 1`;
  const one = await user(20, false);
  await sql`
    insert into push.queue (notification_id, subscription_id, host, due_at, expires_at)
    select gen_random_uuid(), s.id, s.host, now(), now() + interval '1 day'
    from public.push_subscriptions as s, generate_series(1, 5000)`;
  await sql`analyze push.queue`;
  const { read } = await touched((of) => claim(of, startOfClock(), { busyUsers: [one] }));
  // Ten looks of 200 rows.
  expect(read).toBeLessThan(100_000);
});

test('behind 30,000 rows of five users, a message is handed out within a second', async () => {
  const { sql } = db();
  await sql`update push.settings set max_dispatchers = 1`;
  const five = await users(5, 20, false);
  await flood(five, 300);
  const other = await user(1, false);
  await notify(sql, other);
  const start = startOfClock();
  let claims = 1;
  // A dispatcher looks every 100 ms, not counting what the claim itself takes.
  while (
    !(await claim(sql, plus(start, claims / 10), { busyUsers: claims === 1 ? [] : five })).some(
      (row) => row.user_id === other,
    )
  )
    claims++;
  expect(claims).toBeLessThanOrEqual(10);
});
