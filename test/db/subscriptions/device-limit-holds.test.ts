import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, setSetting } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await setSetting(db().sql, 'max_subscriptions_per_user', 3);
});

const TOO_MANY = {
  sqlstate: 'PT429',
  code: 'too_many_subscriptions',
  message: expect.stringContaining('3'),
  hint: expect.stringMatching(/Delete a device/),
};

async function devicesOf(userId: string): Promise<number> {
  const [row] = await db()
    .sql`select count(*)::int as count from public.push_subscriptions where user_id = ${userId}`;
  return row?.count;
}

function register(userId: string, ...devices: Record<string, unknown>[]) {
  return asUser(db().sql, userId, (t) => t`insert into public.push_subscriptions ${t(devices as never[])}`);
}

test('the device beyond the limit is refused', async () => {
  const user = await createUser(db().sql);
  for (let device = 0; device < 3; device += 1) await register(user.id, { ...createSubscription() });
  expect(await refusalOf(register(user.id, { ...createSubscription() }))).toMatchObject(TOO_MANY);
  expect(await devicesOf(user.id)).toBe(3);
});

test('one statement cannot go beyond it', async () => {
  const user = await createUser(db().sql);
  const devices = Array.from({ length: 4 }, () => ({ ...createSubscription() }));
  expect(await refusalOf(register(user.id, ...devices))).toMatchObject(TOO_MANY);
  expect(await devicesOf(user.id)).toBe(0);
});

test('a device that is there already may register again at the limit', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = createSubscription();
  await register(user.id, { ...device }, { ...createSubscription() }, { ...createSubscription() });
  await asUser(
    sql,
    user.id,
    (t) => t`
      insert into public.push_subscriptions ${t({ ...device })}
      on conflict (endpoint) do update set auth = excluded.auth`,
  );
  expect(await devicesOf(user.id)).toBe(3);
});

test('a shared browser cannot be taken over at the limit, and stays where it is', async () => {
  const { sql } = db();
  const [user, other] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(other.id, { ...device });
  for (let index = 0; index < 3; index += 1) await subscribe(sql, user.id);
  expect(await refusalOf(register(user.id, { ...device }))).toMatchObject(TOO_MANY);
  expect(await devicesOf(other.id)).toBe(1);
});

test('a deleted device makes room', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  for (let index = 0; index < 3; index += 1) await subscribe(sql, user.id);
  await asUser(
    sql,
    user.id,
    (t) =>
      t`delete from public.push_subscriptions where id = (select id from public.push_subscriptions limit 1)`,
  );
  await register(user.id, { ...createSubscription() });
  expect(await devicesOf(user.id)).toBe(3);
});

test('the limit is per user', async () => {
  const { sql } = db();
  const users = [await createUser(sql), await createUser(sql)];
  for (const user of users) {
    for (let index = 0; index < 3; index += 1) await register(user.id, { ...createSubscription() });
  }
  expect(await Promise.all(users.map(({ id }) => devicesOf(id)))).toEqual([3, 3]);
});

test('two transactions at once cannot both take the last place', async () => {
  const { sql, url } = db();
  const user = await createUser(sql);
  for (let index = 0; index < 2; index += 1) await subscribe(sql, user.id);
  await withSessions(url, 2, async (a, b) => {
    if (!a || !b) throw new Error('two sessions');
    for (const session of [a, b]) {
      await session.sql`begin`;
      await becomeUser(session.sql, user.id);
    }
    await a.sql`insert into public.push_subscriptions ${a.sql({ ...createSubscription() })}`;
    const second = refusalOf(
      b.sql`insert into public.push_subscriptions ${b.sql({ ...createSubscription() })}`,
    );
    await untilBlocked(sql, b);
    await a.sql`commit`;
    expect(await second).toMatchObject(TOO_MANY);
  });
  expect(await devicesOf(user.id)).toBe(3);
});

test('ten requests at once leave exactly the limit', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const answers = await Promise.allSettled(
    Array.from({ length: 10 }, () => register(user.id, { ...createSubscription() })),
  );
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  expect(await devicesOf(user.id)).toBe(3);
});
