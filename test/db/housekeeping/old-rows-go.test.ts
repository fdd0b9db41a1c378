import { beforeEach, expect, test } from 'vitest';
import { connectBell } from '../../support/bell.ts';
import { asAnon, asUser, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const db = useDatabase();
let user: string;
let start: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  await sql`update push.cleaning set next_subscription_id = default, last_cron_run = default`;
  await sql`delete from cron.job_run_details`;
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
  start = startOfClock();
});

type Counts = Record<string, number>;

async function clean(now: Date, limit = 1000): Promise<Counts> {
  const [row] = await db().sql<{ counts: Counts }[]>`select push.clean(${limit}, ${now}) as counts`;
  return row?.counts ?? {};
}

const NOTHING = {
  log_parts: 0,
  deliveries: 0,
  notifications: 0,
  reads: 0,
  subscriptions: 0,
  rule_errors: 0,
  reminder_moments: 0,
  reminder_errors: 0,
  alarms: 0,
  cron_runs: 0,
  limits: 0,
  lists: 0,
  list_users: 0,
  receipts: 0,
  removed_devices: 0,
};

async function send(now: Date): Promise<void> {
  const claimed = await claim(db().sql, now);
  await complete(
    db().sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'sent' as const, status: 201 })),
  );
}

test('with nothing to do it does nothing', async () => {
  await notify(db().sql, user);
  expect(await clean(start)).toEqual(NOTHING);
});

test('a delivery goes when the log has kept it long enough, its message when the inbox has', async () => {
  const { sql } = db();
  await notify(sql, user);
  await send(start);
  expect(await clean(plus(start, 29 * DAY))).toEqual(NOTHING);
  expect(await clean(plus(start, 30 * DAY))).toEqual({ ...NOTHING, log_parts: 1 });
  // The inbox counts from when it stopped mattering: a day after it was written.
  expect(await clean(plus(start, 90 * DAY))).toEqual(NOTHING);
  expect(await clean(plus(start, 91 * DAY))).toEqual({ ...NOTHING, notifications: 1 });
});

test('an unread message is kept as long as one that was read', async () => {
  const { sql } = db();
  const [read, unread] = [await notify(sql, user), await notify(sql, user)];
  await sql`update public.push_notifications set read_at = now() where id = ${read}`;
  await send(start);
  await clean(plus(start, 90 * DAY));
  expect((await sql`select id from public.push_notifications`).map(({ id }) => id).sort()).toEqual(
    [read, unread].sort(),
  );
});

test('a delivery that still waits is kept, and so is its message', async () => {
  const { sql } = db();
  await notify(sql, user, { expiresAt: plus(start, 1000 * DAY) });
  await notify(sql, user);
  expect(await clean(plus(start, 365 * DAY))).toMatchObject({ log_parts: 0, notifications: 0 });
});

test('one that is scheduled for later than it would be kept is kept', async () => {
  const { sql } = db();
  await notify(sql, user, { sendAt: plus(start, 200 * DAY) });
  expect(await clean(plus(start, 199 * DAY))).toMatchObject({ notifications: 0 });
});

test('a message with old dates of its own is kept from when it was written', async () => {
  const { sql } = db();
  await sql`delete from public.push_subscriptions`;
  await notify(sql, user, { sendAt: plus(start, -500 * DAY), expiresAt: plus(start, -400 * DAY) });
  expect(await clean(plus(start, 89 * DAY))).toMatchObject({ notifications: 0 });
  expect(await clean(plus(start, 91 * DAY))).toMatchObject({ notifications: 1 });
});

test('no more of a kind goes at once than asked for, the oldest first', async () => {
  const { sql } = db();
  const ids = [await notify(sql, user), await notify(sql, user), await notify(sql, user)];
  await send(start);
  for (const [index, id] of ids.entries())
    await sql`
      update public.push_notifications
      set created_at = ${plus(start, index)}, send_at = ${plus(start, index)}, expires_at = ${plus(start, index + 1)}
      where id = ${id}`;
  await clean(plus(start, 31 * DAY));
  expect(await clean(plus(start, 200 * DAY), 2)).toMatchObject({ notifications: 2 });
  expect([...(await sql`select id from public.push_notifications`)]).toEqual([{ id: ids[2] }]);
  expect(await clean(plus(start, 200 * DAY), 2)).toMatchObject({ notifications: 1 });
});

test('a part of the log goes when the newest in it is old enough, and no other part with it', async () => {
  const { sql } = db();
  for (let count = 0; count < 3; count += 1) await notify(sql, user);
  const claimed = await claim(sql, start);
  for (const [index, row] of claimed.entries())
    await complete(sql, plus(start, index * DAY), [{ ...row, outcome: 'sent', status: 201 }]);
  // As if one of them had been made a week earlier.
  await sql`
    update push.delivery_log set id = id - (604800::bigint << 22) where id = ${claimed[1]?.delivery_id as string}`;
  expect(await clean(plus(start, 31 * DAY))).toMatchObject({ log_parts: 1 });
  expect(await sql`select from push.delivery_log`).toHaveLength(2);
  expect(await clean(plus(start, 32 * DAY))).toMatchObject({ log_parts: 1 });
  expect(await sql`select from push.delivery_log`).toHaveLength(0);
});

test('each week has its own part, until the first is old enough to be used again', async () => {
  const { sql } = db();
  await sql`
    insert into push.delivery_log (id, notification_id, subscription_id, host, state, created_at, due_at, finished_at)
    select n * (604800::bigint << 22), gen_random_uuid(), gen_random_uuid(), 'https://fcm.googleapis.com', 'sent', now(), now(), now()
    from generate_series(100, 108) as n`;
  const parts = await sql`
    select count(*)::int as rows from push.delivery_log group by tableoid order by 1`;
  expect(parts.map(({ rows }) => rows)).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);
  await sql`truncate push.delivery_log`;
  expect((await refusalOf(sql`update push.settings set keep_deliveries = '43 days'`)).sqlstate).toBe('23514');
});

test('a message to a topic goes after its deliveries, and with it what is known of its progress', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 3);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql, 10, start);
  await send(start);
  expect(await clean(plus(start, 31 * DAY))).toMatchObject({ log_parts: 1, notifications: 0 });
  expect(await readProgress(sql, id)).toMatchObject({ total: 3, sent: 3 });
  expect(await clean(plus(start, 92 * DAY))).toMatchObject({ notifications: 1 });
  expect(await sql`select from push.delivery_counts`).toHaveLength(0);
});

test('errors of rules and resolved alarms go, alarms that stand do not', async () => {
  const { sql } = db();
  await sql`
    insert into push.rule_errors (rule, event, sqlstate, message, occurred_at)
    values ('a', 'insert', '00000', '', ${start}), ('a', 'insert', '00000', '', ${plus(start, 2 * DAY)})`;
  await sql`
    insert into push.alarms (code, subject, message, raised_at, last_seen_at, resolved_at)
    values ('a', '', '', ${start}, ${start}, ${start}), ('b', '', '', ${start}, ${start}, null)`;
  expect(await clean(plus(start, 31 * DAY))).toEqual({ ...NOTHING, rule_errors: 1, alarms: 1 });
  expect((await sql`select code from push.alarms`).map(({ code }) => code)).toEqual(['b']);
  expect(await sql`select from push.rule_errors`).toHaveLength(1);
});

test("a topic's message goes after the marks of those who read it, a batch at a time", async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 5, 0);
  const [old, young] = [await notifyTopic(sql, topic), await notifyTopic(sql, topic)];
  await sql`
    insert into public.push_reads (user_id, notification_id)
    select u, n from unnest(${userIds}::uuid[]) as u, unnest(${[old, young]}::uuid[]) as n`;
  await sql`update public.push_notifications set expires_at = expires_at + interval '1 day' where id = ${young}`;
  expect(await clean(plus(start, 91 * DAY), 3)).toEqual({ ...NOTHING, reads: 3 });
  expect(await clean(plus(start, 91 * DAY), 3)).toEqual({ ...NOTHING, reads: 2, notifications: 1 });
  expect(await sql`select distinct notification_id as id from public.push_reads`).toEqual([{ id: young }]);
});

test('the settings decide how long, and the log is kept no longer than the inbox', async () => {
  const { sql } = db();
  await notify(sql, user);
  await send(start);
  await sql`update push.settings set keep_deliveries = '1 day', keep_notifications = '2 days'`;
  expect(await clean(plus(start, 2 * DAY))).toMatchObject({ log_parts: 1 });
  expect(await clean(plus(start, 3 * DAY))).toMatchObject({ notifications: 1 });
  const refused = refusalOf(sql`update push.settings set keep_deliveries = '3 days'`);
  expect((await refused).sqlstate).toBe('23514');
  await sql`update push.settings set keep_deliveries = default, keep_notifications = default`;
});

test('it does not wait: rows that other sessions hold are left for the next time', async () => {
  const { sql, url } = db();
  const ids = [await notify(sql, user), await notify(sql, user)];
  await send(start);
  const later = plus(start, 100 * DAY);
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    await other.sql`begin`;
    // As a dump does.
    await other.sql`select from push.delivery_log`;
    expect(await clean(later)).toMatchObject({ log_parts: 0, notifications: 0 });
    await other.sql`commit`;
    expect(await clean(later)).toMatchObject({ log_parts: 1 });
    await other.sql`begin`;
    await other.sql`select from public.push_notifications where id = ${ids[0] as string} for update`;
    expect(await clean(later)).toMatchObject({ notifications: 1 });
    await other.sql`commit`;
  });
  expect(await clean(later)).toMatchObject({ notifications: 1 });
});

test('two at once: the second does nothing', async () => {
  const { sql, url } = db();
  await notify(sql, user);
  await send(start);
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    await other.sql`begin`;
    await other.sql`select push.clean(10, ${plus(start, 31 * DAY)})`;
    expect(await clean(plus(start, 31 * DAY))).toEqual({});
    await other.sql`commit`;
  });
});

test('it finds old rows by index', async () => {
  const { sql } = db();
  await sql`delete from public.push_subscriptions`;
  await sql`
    insert into public.push_notifications (user_id, title) select ${user}, 'x' from generate_series(1, 3000)`;
  const [notification] = await sql`select id from public.push_notifications limit 1`;
  await sql`
    insert into push.delivery_log (notification_id, subscription_id, host, state, created_at, due_at, finished_at)
    select ${notification?.id}, gen_random_uuid(), 'https://fcm.googleapis.com', 'sent', now(), now(), now()
    from generate_series(1, 5000)`;
  await sql`analyze public.push_notifications, push.delivery_log`;
  const [{ part }] =
    (await sql`select distinct tableoid::regclass::text as part from push.delivery_log`) as unknown as [
      { part: string },
    ];
  const planOf = async (query: string) =>
    JSON.stringify((await sql.unsafe(`explain (format json) ${query}`))[0]);
  expect(await planOf(`select finished_at from ${part} order by finished_at desc limit 1`)).toContain(
    `${part.slice('push.'.length)}_finished_at_idx`,
  );
  expect(
    await planOf(
      `select id from public.push_notifications where greatest(created_at, expires_at) <= now() - interval '90 days'
       order by greatest(created_at, expires_at) limit 1000`,
    ),
  ).toContain('push_notifications_age_idx');
});

test('only the owner may run it', async () => {
  const { sql } = db();
  for (const run of [
    () => asAnon(sql, (t) => t`select push.clean()`),
    () => asUser(sql, user, (t) => t`select push.clean()`),
  ])
    expect((await refusalOf(run())).sqlstate).toBe('42501');
});
