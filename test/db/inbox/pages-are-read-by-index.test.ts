import type postgres from 'postgres';
import { beforeAll, expect, test } from 'vitest';
import { asUser } from '../../support/postgres.ts';
import { createTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const MESSAGES = 100_000;
const PAGE = 20;
// A page of own messages, one of the topic's, and as many marks again.
const READ_AT_MOST = 5 * PAGE;

const db = useDatabase();
let user: string;
let middle: { id: string; send_at: string };

// As it is in use: statistics were taken while there was little. The user has read nearly all.
beforeAll(async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1, 0);
  [user] = userIds as [string];
  await sql`analyze public.push_notifications, public.push_reads`;
  await sql`update public.push_topic_members set created_at = now() - interval '1 year'`;
  await sql`alter table public.push_notifications disable trigger user`;
  await sql`
    insert into public.push_notifications (user_id, audience_topic, title, urgency, send_at, read_at)
    select case when n % 10 > 0 then ${user}::uuid end, case when n % 10 = 0 then ${topic} end, 'Message ' || n, 'normal',
      now() - make_interval(secs => n), case when n % 10 > 0 and n % 20000 <> 1 then now() end
    from generate_series(1, ${MESSAGES}::int) as n`;
  await sql`alter table public.push_notifications enable trigger user`;
  [middle] = (await sql`
    select id, send_at::text from public.push_notifications order by send_at offset ${MESSAGES / 2} limit 1`) as unknown as [
    typeof middle,
  ];
}, 120_000);

/** Rows of messages and marks that `work` reads, in a transaction of the user's own. */
async function rowsRead(work: (sql: postgres.TransactionSql) => Promise<unknown>): Promise<number> {
  return await asUser(db().sql, user, async (sql) => {
    const count = async () => {
      const [row] = await sql<{ read: number }[]>`
        select sum(seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_user_tables
        where relid in ('public.push_notifications'::regclass, 'public.push_reads'::regclass)`;
      return (row as { read: number }).read;
    };
    const before = await count();
    await work(sql);
    return (await count()) - before;
  });
}

test('the first page reads what it shows, not the inbox', async () => {
  const read = await rowsRead(async (sql) => {
    expect(await sql`select * from public.push_inbox()`).toHaveLength(PAGE);
  });
  expect(read).toBeGreaterThanOrEqual(PAGE);
  expect(read).toBeLessThan(READ_AT_MOST);
});

test('a page in the middle costs as much as the first, the tenth time too', async () => {
  for (let again = 0; again < 10; again += 1) {
    const read = await rowsRead(async (sql) => {
      const page =
        await sql`select * from public.push_inbox(20, ${middle.send_at}::text::timestamptz, ${middle.id})`;
      expect(page).toHaveLength(PAGE);
    });
    expect(read).toBeLessThan(READ_AT_MOST);
  }
});

test('what is unread is found among what is read, and counted', async () => {
  await asUser(
    db().sql,
    user,
    (sql) => sql`select public.push_mark_all_read(now() - interval '1000 seconds')`,
  );
  // Left of the topic: the hundred of the last 1000 seconds, which are walked as long as they are unread.
  const read = await rowsRead(async (sql) => {
    expect(await sql`select * from public.push_inbox(p_unread_only => true)`).toHaveLength(PAGE);
  });
  expect(read).toBeLessThan(READ_AT_MOST);
  const counted = await rowsRead(async (sql) => {
    expect(await sql`select public.push_unread_count() as count`).toEqual([{ count: 100 }]);
  });
  expect(counted).toBeLessThanOrEqual(2 * 100);

  await asUser(db().sql, user, (sql) => sql`select public.push_mark_all_read()`);
  const none = await rowsRead(async (sql) => {
    expect(await sql`select public.push_unread_count() as count`).toEqual([{ count: 0 }]);
    expect(await sql`select * from public.push_inbox(p_unread_only => true)`).toEqual([]);
  });
  expect(none).toBeLessThan(PAGE);
});

test('marking one message reads that message', async () => {
  const read = await rowsRead((sql) => sql`select public.push_mark_unread(array[${middle.id}]::uuid[])`);
  expect(read).toBeLessThan(PAGE);
  const again = await rowsRead((sql) => sql`select public.push_mark_read(array[${middle.id}]::uuid[])`);
  expect(again).toBeLessThan(PAGE);
});

test('a claim that counts what is unread looks at no more than it says, however one by one a user reads', async () => {
  const { sql } = db();
  // Among them every message of the topic, each with a mark of its own.
  await sql`update public.push_topic_members set read_until = null`;
  await sql`
    insert into public.push_reads (user_id, notification_id, read_at)
    select ${user}, n.id, now() from public.push_notifications as n where n.audience_topic is not null
    on conflict (user_id, notification_id) do update set read_at = excluded.read_at`;
  const read = (t: postgres.TransactionSql) => t<{ read: number }[]>`
    select sum(seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_user_tables
    where relid in ('public.push_notifications'::regclass, 'public.push_reads'::regclass)`;
  const rows = (looks: number | null) =>
    sql.begin(async (t) => {
      const [before] = await read(t);
      await t`select push.unread_count(${user}, ${looks})`;
      const [after] = await read(t);
      return (after?.read ?? 0) - (before?.read ?? 0);
    });
  expect(await rows(null)).toBeGreaterThan(MESSAGES / 10);
  expect(await rows(1000)).toBeLessThanOrEqual(2 * 1000 + 200);
});
