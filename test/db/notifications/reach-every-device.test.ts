import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function devicesOf(notificationId: string): Promise<string[]> {
  const rows = await db().sql`
    select subscription_id from push.deliveries where notification_id = ${notificationId} and state = 'queued'`;
  return rows.map((row) => row.subscription_id).sort();
}

test('each device of the user has its delivery, and no other user has one', async () => {
  const { sql } = db();
  const [user, other] = [await createUser(sql), await createUser(sql)];
  const devices = [
    await subscribe(sql, user.id),
    await subscribe(sql, user.id),
    await subscribe(sql, user.id),
  ];
  await subscribe(sql, other.id);
  const id = await notify(sql, user.id);
  expect(await devicesOf(id)).toEqual(devices.sort());
  expect(await sql`select from push.deliveries`).toHaveLength(3);
});

test('a user without devices has the message to read all the same', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const id = await notify(sql, user.id, { title: 'For later' });
  expect(await devicesOf(id)).toEqual([]);
  const seen = await asUser(
    sql,
    user.id,
    (t) => t`select id, title, status, read_at from public.push_notifications`,
  );
  expect([...seen]).toEqual([{ id, title: 'For later', status: 'queued', read_at: null }]);
});

test('values that are left out have their defaults', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const id = await notify(sql, user.id);
  const [row] = await sql`
    select body, url, params, category, urgency, ttl, collapse_key, idempotency_key, rule,
      send_at = created_at as now, extract(epoch from expires_at - send_at)::int as lives
    from public.push_notifications where id = ${id}`;
  expect(row).toEqual({
    body: null,
    url: null,
    params: {},
    category: null,
    urgency: 'normal',
    ttl: null,
    collapse_key: null,
    idempotency_key: null,
    rule: null,
    now: true,
    lives: 86_400,
  });
});

test('many users are notified in one statement, each once', async () => {
  const { sql } = db();
  const users = await Promise.all(Array.from({ length: 5 }, async () => (await createUser(sql)).id));
  for (const user of users) await subscribe(sql, user);
  const ids = [...users, ...users.slice(0, 2)];
  const [row] = await sql`select push.notify_many(${ids}::uuid[], 'Hello', 'all of you') as made`;
  expect(Number(row?.made)).toBe(5);
  const made = await sql`select user_id, title, body from public.push_notifications`;
  expect(made.map((notification) => notification.user_id).sort()).toEqual([...users].sort());
  expect(await sql`select from push.deliveries`).toHaveLength(5);
});

test('unknown or missing users are passed over among many', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const [row] = await sql`select push.notify_many(${[user.id, randomUUID(), null]}::uuid[], 'Hello') as made`;
  expect(Number(row?.made)).toBe(1);
});

test('one statement may also notify no user at all', async () => {
  const [row] = await db().sql`select push.notify_many('{}'::uuid[], 'Hello') as made`;
  expect(Number(row?.made)).toBe(0);
});

test('servers have it as an RPC that returns the id', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const [row] = await asService(
    sql,
    (t) => t`
      select public.push_notify(
        p_user_id => ${user.id},
        p_message => '{
          "title": "Won", "body": "Deal 7", "url": "/deals/7", "params": {"deal": 7},
          "category": "deals", "urgency": "high", "ttl": 60, "collapse_key": "deal-7"
        }'
      ) as id`,
  );
  expect(await devicesOf(row?.id)).toHaveLength(1);
  const [made] = await sql`
    select title, body, url, params, category, urgency, ttl, collapse_key from public.push_notifications where id = ${row?.id}`;
  expect(made).toEqual({
    title: 'Won',
    body: 'Deal 7',
    url: '/deals/7',
    params: { deal: 7 },
    category: 'deals',
    urgency: 'high',
    ttl: 60,
    collapse_key: 'deal-7',
  });
});

test('the service inserts into the table as well, and what it leaves open is set', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const [row] = await asService(
    sql,
    (t) =>
      t`insert into public.push_notifications (user_id, title) values (${user.id}, 'Hello') returning id, status`,
  );
  expect(row?.status).toBe('queued');
  expect(await devicesOf(row?.id)).toHaveLength(1);
});

test('the user id may be written as in psql, without a cast', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await sql.unsafe(`select push.notify('${user.id}', 'Hello')`);
  expect(await sql`select from public.push_notifications`).toHaveLength(1);
});

test.each([
  ['an unknown user', randomUUID()],
  ['no user', null],
])('%s is refused', async (_who, id) => {
  const { sql } = db();
  const refused = { sqlstate: 'PT404', code: 'user_unknown', hint: expect.stringMatching(/\S/) };
  expect(await refusalOf(sql`select push.notify(${id}::uuid, 'Hello')`)).toMatchObject(refused);
  const rpc = asService(sql, (t) => t`select public.push_notify(${id}::uuid, '{"title": "Hello"}')`);
  expect(await refusalOf(rpc)).toMatchObject(refused);
});

test('its deliveries go with it, and all of a user with the user', async () => {
  const { sql } = db();
  const [user, other] = [await createUser(sql), await createUser(sql)];
  for (const { id } of [user, other]) await subscribe(sql, id);
  const [first, second, foreign] = [
    await notify(sql, user.id),
    await notify(sql, user.id),
    await notify(sql, other.id),
  ];
  await asService(sql, (t) => t`delete from public.push_notifications where id = ${first}`);
  expect(await devicesOf(first)).toEqual([]);
  expect(await devicesOf(second)).toHaveLength(1);
  await sql`delete from auth.users where id = ${user.id}`;
  expect(await devicesOf(second)).toEqual([]);
  expect(await devicesOf(foreign)).toHaveLength(1);
});
