import type postgres from 'postgres';
import { makeAlert } from './alerts.ts';
import { asUser, createUser } from './postgres.ts';
import { notify } from './queue.ts';
import { subscribe } from './subscriptions.ts';
import { createTopic, fanOutAll, notifyTopic } from './topics.ts';

/** What an app has of its users: it goes with them, and is watched. */
export async function createVisits(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create table public.visits (
      id integer primary key generated always as identity,
      owner_id uuid not null references auth.users (id) on delete cascade,
      friend_id uuid,
      starts_at timestamptz not null default now() + interval '1 day'
    )`);
}

/** Something in each table that has a row of users: what is new there and forgotten here fails the test. */
export async function createUserOfEverything(
  sql: postgres.Sql,
): Promise<{ id: string; friend: string; device: string; topicMessage: string }> {
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
  const topicMessage = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  await notify(sql, id);
  await asUser(
    sql,
    id,
    (own) => own`insert into public.push_reads (notification_id) values (${topicMessage})`,
  );
  await makeAlert(sql, {}, id);
  await sql`insert into push.digests (id, user_id, digest_key, policy, opened_at)
    values (gen_random_uuid(), ${id}, 'deals', 'deals', now())`;
  await sql`insert into push.throttle_log (user_id, category, done_at) values (${id}, 'feed', now())`;
  await sql`insert into push.daily_pushes (user_id, day) values (${id}, current_date)`;
  await sql`insert into push.alert_counts (minute, user_id, symbol, by_tick, told, folded, urgency)
    values (date_trunc('minute', now()) - interval '1 minute', ${id}, 'DAX', false, 1, 0, 2)`;
  await sql`insert into public.visits (owner_id, friend_id) values (${id}, ${friend})`;
  return { id, friend, device, topicMessage };
}
