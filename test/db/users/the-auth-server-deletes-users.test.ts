import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeAlert } from '../../support/alerts.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { remind } from '../../support/reminders.ts';
import { watch } from '../../support/rules.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOutAll, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let admin: postgres.Sql;
beforeAll(async () => {
  admin = postgres(db().superuserUrl, { max: 1, onnotice: () => undefined });
  // What an app has of its users goes with them, and is watched.
  await db().sql.unsafe(`
    create table public.visits (
      id integer primary key generated always as identity,
      owner_id uuid not null references auth.users (id) on delete cascade,
      friend_id uuid,
      starts_at timestamptz not null default now() + interval '1 day'
    )`);
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

/** Something in each table that has a row of users: what is new there and forgotten here fails the test. */
async function createUserOfEverything(): Promise<{ id: string; friend: string }> {
  const { sql } = db();
  const { id } = await createUser(sql);
  const friend = (await createUser(sql)).id;
  const device = await subscribe(sql, id);
  const removed = await subscribe(sql, id);
  await subscribe(sql, friend);
  await asUser(sql, id, async (own) => {
    await own`delete from public.push_subscriptions where id = ${removed}`;
    await own`insert into public.push_preferences (user_id, quiet_from, quiet_until, timezone)
      values (${id}, '00:00', '23:59', 'UTC')`;
    await own`insert into public.push_device_preferences (subscription_id, enabled) values (${device}, true)`;
  });
  const { topic } = await createTopic(sql, 0);
  await sql`insert into public.push_topic_members ${sql([id, friend].map((user_id) => ({ topic, user_id })))}`;
  const message = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  await notify(sql, id);
  await asUser(sql, id, (own) => own`insert into public.push_reads (notification_id) values (${message})`);
  await makeAlert(sql, {}, id);
  await sql`insert into push.digests (id, user_id, digest_key, policy, opened_at)
    values (gen_random_uuid(), ${id}, 'deals', 'deals', now())`;
  await sql`insert into push.throttle_log (user_id, category, done_at) values (${id}, 'feed', now())`;
  await sql`insert into push.daily_pushes (user_id, day) values (${id}, current_date)`;
  await sql`insert into public.visits (owner_id, friend_id) values (${id}, ${friend})`;
  return { id, friend };
}

test('everything that a user has goes with them when the auth server, who may do nothing else, deletes them', async () => {
  const { id, friend } = await createUserOfEverything();
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
  const { id, friend } = await createUserOfEverything();
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
