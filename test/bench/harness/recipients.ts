import type postgres from 'postgres';
import { subscriptionsFor } from '../sides/messages.ts';

/**
 * Makes `count` users with one device each at `origin`, or as many as given, and returns the users' ids.
 *
 * As superuser, because checking every key is not what is measured: triggers and foreign keys are off meanwhile. The
 * keys are real but shared by many devices, since making a pair costs more than inserting a row.
 */
export async function createUsersWithDevices(
  superuser: postgres.Sql,
  origin: string,
  count: number,
  devicesEach = 1,
): Promise<string[]> {
  const keys = subscriptionsFor(origin, 50).map((subscription) => subscription.keys);
  const rows = await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    const users = await sql<{ id: string }[]>`
      insert into auth.users (id, email)
      select user_id, user_id || '@example.com'
      from (select gen_random_uuid() as user_id from generate_series(1, ${count}::int)) as made
      returning id`;
    await sql`
      insert into public.push_subscriptions (user_id, endpoint, host, p256dh, auth)
      select u.id, ${origin} || '/push/' || u.id || '/' || device, ${origin},
        (${keys.map((key) => key.p256dh)}::text[])[1 + u.place % 50],
        (${keys.map((key) => key.auth)}::text[])[1 + u.place % 50]
      from unnest(${users.map((user) => user.id)}::uuid[]) with ordinality as u (id, place)
      cross join generate_series(1, ${devicesEach}::int) as device`;
    return users;
  });
  await superuser`analyze`;
  return rows.map((row) => row.id);
}
