import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { clearQueue } from '../../support/queue.ts';
import { remind } from '../../support/reminders.ts';
import { watch } from '../../support/rules.ts';
import { useDatabase } from '../../support/use-database.ts';
import { createUserOfEverything, createVisits } from '../../support/user-of-everything.ts';

const db = useDatabase();
let admin: postgres.Sql;
beforeAll(async () => {
  admin = postgres(db().superuserUrl, { max: 1, onnotice: () => undefined });
  await createVisits(db().sql);
});
beforeEach(() => clearQueue(db().sql));
afterAll(() => admin.end());

/** As GoTrue deletes a user: connected as supabase_auth_admin, who has no rights outside of its own schema. */
async function deleteUser(id: string): Promise<void> {
  await admin.begin(async (sql) => {
    await sql`set local session authorization supabase_auth_admin`;
    await sql`set local search_path = auth`;
    await sql`delete from users where id = ${id}`;
  });
}

const tablesOfUsers = () => db().sql<{ name: string; column: string }[]>`
  select c.conrelid::regclass::text as name, a.attname as column
  from pg_constraint as c
  join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
  where c.confrelid = 'auth.users'::regclass and c.conrelid::regclass::text !~ '^auth\\.'
  order by 1`;

async function rowsOf(userId: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { name, column } of await tablesOfUsers()) {
    const [row] = await db().sql.unsafe(`select count(*)::int as n from ${name} where ${column} = $1`, [
      userId,
    ]);
    found[name] = row?.n;
  }
  return found;
}

test('everything that a user has goes with them when the auth server, who may do nothing else, deletes them', async () => {
  const { id, friend } = await createUserOfEverything(db().sql);
  const before = await rowsOf(id);
  expect(Object.entries(before).filter(([, count]) => count === 0)).toEqual([]);
  const friends = await rowsOf(friend);
  await deleteUser(id);
  expect(Object.values(await rowsOf(id)).filter((count) => count > 0)).toEqual([]);
  expect(await rowsOf(friend)).toEqual(friends);
  const [waiting] = await db().sql`
    select count(*)::int as n from push.deliveries as d
    where d.state = 'queued' and not exists (select from public.push_subscriptions as s where s.id = d.subscription_id)`;
  expect(waiting?.n).toBe(0);
});

test('rules and reminders of what goes with a user are kept', async () => {
  const { sql } = db();
  await watch(sql, {
    name: 'visit_gone',
    table: 'public.visits',
    events: ['delete'],
    recipients: 'old.friend_id',
    title: `'Gone'`,
  });
  await remind(sql, { name: 'visit', table: 'public.visits', recipients: 'new.friend_id' });
  const { id, friend } = await createUserOfEverything(db().sql);
  const waiting = () => sql`select from push.reminder_moments where reminder = 'visit' and state = 'waiting'`;
  expect(await waiting()).toHaveLength(1);
  await deleteUser(id);
  expect(
    await sql`select from public.push_notifications where user_id = ${friend} and title = 'Gone'`,
  ).toHaveLength(1);
  expect(await waiting()).toHaveLength(0);
  expect(await sql`select message from push.rule_errors`).toEqual([]);
  expect(await sql`select message from push.reminder_errors`).toEqual([]);
});
