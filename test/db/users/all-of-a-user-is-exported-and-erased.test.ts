import { beforeAll, beforeEach, expect, test } from 'vitest';
import { asAnon, asUser, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOutAll, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';
import { createUserOfEverything, createVisits } from '../../support/user-of-everything.ts';

const db = useDatabase();
beforeAll(() => createVisits(db().sql));
beforeEach(() => clearQueue(db().sql));

/** Each table of ours, and the entry of an export that has its rows. */
const ENTRIES: Record<string, string> = {
  'public.push_subscriptions': 'devices',
  'push.resubscriptions': 'devices_exchanged',
  'push.removed_devices': 'devices_removed',
  'public.push_preferences': 'preferences',
  'public.push_device_preferences': 'device_preferences',
  'public.push_topic_members': 'topics',
  'public.push_notifications': 'notifications',
  'public.push_reads': 'reads',
  'push.queue': 'deliveries',
  'push.delivery_log': 'deliveries',
  'push.receipts': 'receipts',
  'public.push_alerts': 'alerts',
  'push.alert_counts': 'alert_counts',
  'push.digests': 'digests',
  'push.throttle_log': 'throttles',
  'push.daily_pushes': 'daily_pushes',
  'push.fan_out_recipients': 'lists',
  'push.hosts': 'push_services',
};

type Export = Record<string, unknown[]>;

async function exportOf(userId: string): Promise<Export> {
  const [row] = await db().sql<{ all: Export }[]>`select push.export_user(${userId}) as all`;
  return row?.all ?? {};
}

/** The tables of ours in whose rows any of these words stands, and in how many. */
async function tablesWith(words: string[]): Promise<Record<string, number>> {
  const tables = await db().sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and (n.nspname = 'push' or (n.nspname = 'public' and c.relname like 'push\\_%'))
    order by 1`;
  const found: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await db().sql.unsafe(
      `select count(*)::int as n from ${name} as t where exists (
        select from unnest($1::text[]) as w (word) where strpos(t::text, w.word) > 0
      )`,
      [words],
    );
    if (row?.n > 0) found[name] = row?.n;
  }
  return found;
}

/** A user of whom every table knows something, a device of theirs that has got a message and said so, and a friend. */
async function createKnownUser() {
  const { sql } = db();
  const user = await createUserOfEverything(sql);
  const [{ endpoint } = { endpoint: '' }] = await sql<{ endpoint: string }[]>`
    select endpoint from public.push_subscriptions where id = ${user.device}`;
  await sql`update public.push_preferences set quiet_from = null, quiet_until = null where user_id = ${user.id}`;
  await notify(sql, user.id);
  const now = startOfClock();
  const claimed = (await claim(sql, plus(now, 1))).filter(({ user_id }) => user_id === user.id);
  await complete(
    sql,
    plus(now, 2),
    claimed.map((one) => ({ ...one, outcome: 'sent' as const, status: 201 })),
  );
  const sent = claimed.map(({ delivery_id }) => ({ delivery_id, event: 'displayed' }));
  await record(sql, sent, plus(now, 3));
  const users = [user.id, user.friend];
  await sql`insert into push.resubscriptions values (${user.device}, array[now()])`;
  await sql`select push.notify_many(${users}::uuid[], 'Hello')`;
  await sql`update push.settings set notify_at_once = 1`;
  await sql`select push.notify_many(${users}::uuid[], 'Hello')`;
  await sql`update push.settings set notify_at_once = 10000`;
  await sql`update push.hosts set known_users = ${users}, evidence_users = ${users}, probed_users = ${users}
    where origin = 'https://fcm.googleapis.com'`;
  return { ...user, endpoint, sent };
}

test('an export has an entry for each table that knows something of the user, and nothing of another', async () => {
  const { id, friend, device } = await createKnownUser();
  const all = await exportOf(id);
  const tables = Object.keys(await tablesWith([id, device]));
  expect(tables.filter((name) => ENTRIES[name] === undefined)).toEqual([]);
  const entries = new Set(Object.values(ENTRIES));
  expect([...entries].filter((name) => all[name]?.length === 0 || all[name] === undefined)).toEqual([]);
  const [friends] = await db().sql<{ ids: string[] }[]>`
    select array_agg(x.id::text) as ids from (
      select id from public.push_subscriptions where user_id = ${friend}
      union all select id from public.push_notifications where user_id = ${friend}
      union all select ${friend}::uuid
    ) as x`;
  expect(friends?.ids.filter((word) => JSON.stringify(all).includes(word))).toEqual([]);
});

test('an export has no keys by which messages could be read', async () => {
  const { id, device } = await createKnownUser();
  const [keys] = await db().sql<{ p256dh: string; auth: string }[]>`
    select p256dh, auth from public.push_subscriptions where id = ${device}`;
  const text = JSON.stringify(await exportOf(id));
  expect(text).toContain(device);
  expect([keys?.p256dh, keys?.auth].filter((key) => key === undefined || text.includes(key))).toEqual([]);
});

test('users export what is theirs, ten times an hour; others and anon get nothing', async () => {
  const { sql } = db();
  const { id, device } = await createKnownUser();
  const other = await createUser(sql);
  const own = () => asUser(sql, id, (user) => user<{ all: Export }[]>`select public.push_export() as all`);
  const [mine] = await own();
  const operators = await exportOf(id);
  // The call itself is counted.
  expect({ ...mine?.all, throttles: [] }).toEqual({
    ...operators,
    throttles: [],
    deliveries: mine?.all.deliveries,
    receipts: mine?.all.receipts,
  });
  expect(mine?.all.deliveries?.length).toBeGreaterThan(0);
  const [theirs] = await asUser(sql, other.id, (user) => user`select public.push_export() as all`);
  expect(JSON.stringify(theirs)).not.toContain(id);
  expect(JSON.stringify(theirs)).not.toContain(device);
  await expect(asAnon(sql, (anon) => anon`select public.push_export()`)).rejects.toMatchObject({
    code: '42501',
  });
  for (let more = 1; more < 10; more += 1) await own();
  expect(await refusalOf(own())).toMatchObject({ sqlstate: 'PT429', code: 'too_many_exports' });
});

test('nothing knows a user who was deleted, once their lists are served and the cleaning has run', async () => {
  const { sql } = db();
  const { id, friend, device, endpoint } = await createKnownUser();
  await sql`delete from auth.users where id = ${id}`;
  await sql`select push.fan_out() from generate_series(1, 5)`;
  await sql`select push.clean()`;
  await sql`select push.tell_folded_alerts(100, now() + interval '1 minute')`;
  // The log says that some device got a message; whose it was is not known any more.
  expect(await tablesWith([id, endpoint])).toEqual({});
  expect(Object.keys(await tablesWith([device]))).toEqual(['push.delivery_log']);
  const [host] = await sql`select known_users, evidence_users, probed_users from push.hosts
    where origin = 'https://fcm.googleapis.com'`;
  expect(host).toEqual({ known_users: [friend], evidence_users: [friend], probed_users: [friend] });
});

test('the cleaning waits for no push service whose row is being written', async () => {
  const { sql } = db();
  const { id } = await createKnownUser();
  await sql`delete from auth.users where id = ${id}`;
  await sql.begin(async (writer) => {
    await writer`update push.hosts set max_in_flight = max_in_flight where origin = 'https://fcm.googleapis.com'`;
    const other = await sql.reserve();
    await other`set lock_timeout = '2s'`;
    await other`select push.forget_users()`;
    other.release();
  });
  await sql`select push.forget_users()`;
  expect(await tablesWith([id])).not.toHaveProperty('push.hosts');
});

test('users who want no receipts: nothing tells the device to report, and nothing that comes is kept', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const other = await createUser(sql);
  for (const { id } of [user, other]) await subscribe(sql, id);
  await asUser(sql, user.id, (own) => own`insert into public.push_preferences (receipts) values (false)`);
  for (const { id } of [user, other]) await notify(sql, id);
  const now = startOfClock();
  const claimed = await claim(sql, plus(now, 1));
  const wanted = Object.fromEntries(claimed.map(({ user_id, receipts }) => [user_id, receipts]));
  expect(wanted).toEqual({ [user.id]: false, [other.id]: true });
  const told = claimed.map(({ delivery_id }) => ({ delivery_id, event: 'displayed' }));
  expect(await record(sql, told, plus(now, 2))).toEqual({ accepted: 1, repeated: 0, refused: 1 });
  await asUser(sql, user.id, (own) => own`update public.push_preferences set receipts = true`);
  expect(await record(sql, told, plus(now, 3))).toEqual({ accepted: 1, repeated: 1, refused: 0 });
});

test('users who want no receipts: nothing is kept of a device that is gone, nor where it is not known whose it was', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const other = await createUser(sql);
  const devices = [await subscribe(sql, user.id), await subscribe(sql, other.id)];
  await asUser(sql, user.id, (own) => own`insert into public.push_preferences (receipts) values (false)`);
  for (const { id } of [user, other]) await notify(sql, id);
  const { topic } = await createTopic(sql, 0);
  await sql`insert into public.push_topic_members ${sql([{ topic, user_id: user.id }])}`;
  await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const now = startOfClock();
  const claimed = await claim(sql, plus(now, 1));
  await complete(
    sql,
    plus(now, 2),
    claimed.map((one) => ({ ...one, outcome: 'sent' as const, status: 201 })),
  );
  await sql`delete from public.push_subscriptions where id = any(${devices})`;
  const told = claimed.map(({ delivery_id }) => ({ delivery_id, event: 'displayed' }));
  expect(await record(sql, told, plus(now, 3))).toEqual({ accepted: 1, repeated: 0, refused: 2 });
});
