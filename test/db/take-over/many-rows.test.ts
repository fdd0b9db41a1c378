import postgres from 'postgres';
import { expect, test } from 'vitest';
import { findTakeOver, withTakeOver } from '../../../src/cli/init/take-over.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const TABLE = `create table public.user_push_subscriptions (user_id uuid, endpoint text, p256dh text, auth text);`;
const migration = () =>
  withTakeOver('', findTakeOver([{ file: '1.sql', sql: TABLE }], 'user_push_subscriptions'));

async function withRows<T>(
  rows: number,
  work: (sql: postgres.Sql, said: string[]) => Promise<T>,
): Promise<T> {
  const said: string[] = [];
  const sql = postgres(db().url, { max: 1, onnotice: ({ message }) => said.push(message ?? '') });
  const { p256dh, auth } = createSubscription();
  try {
    await sql.unsafe(TABLE);
    await sql`
      with users as (
        insert into auth.users (id) select gen_random_uuid() from generate_series(1, ${rows}::integer / 10) returning id
      )
      insert into public.user_push_subscriptions
      select u.id, 'https://fcm.googleapis.com/fcm/send/' || gen_random_uuid(), ${p256dh}, ${auth}
      from users as u, generate_series(1, 10)`;
    return await work(sql, said);
  } finally {
    await sql`drop table if exists public.user_push_subscriptions`;
    await sql`delete from public.push_subscriptions`;
    await sql.end();
  }
}

test('a transaction with many devices leaves the locks that the others need', async () => {
  await withRows(300, async (sql, said) => {
    const locks = await sql.begin(async (t) => {
      await t.unsafe(migration()).simple();
      return await t<{ locktype: string; count: number }[]>`
        select locktype, count(*)::int from pg_locks where pid = pg_backend_pid() group by locktype`;
    });
    expect(said.join()).toContain('took over 300 of 300 rows');
    expect(locks.find(({ locktype }) => locktype === 'advisory')?.count).toBeLessThan(300);
  });
});

test('what is no fault of a row ends the take-over, and leaves nothing behind', async () => {
  await withRows(20, async (sql, said) => {
    await sql.unsafe(`
      create function public.full() returns trigger language plpgsql as $$
      begin raise exception using errcode = 'out_of_memory', message = 'out of shared memory'; end $$;
      create trigger full_memory before insert on public.push_subscriptions for each row execute function public.full()`);
    try {
      await expect(sql.unsafe(migration()).simple()).rejects.toMatchObject({ code: '53200' });
    } finally {
      await sql.unsafe('drop function public.full() cascade');
    }
    expect(said.join()).not.toContain('took over');
    expect(await sql`select from public.push_subscriptions`).toHaveLength(0);
  });
});
