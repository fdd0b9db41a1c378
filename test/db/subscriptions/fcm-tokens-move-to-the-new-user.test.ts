import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  readDelivery,
  setSetting,
  startOfClock,
} from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import { createAppSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

type App = ReturnType<typeof createAppSubscription>;

async function register(userId: string, app: App, way: 'insert' | 'upsert' = 'insert'): Promise<void> {
  await asUser(db().sql, userId, (t) => {
    const onConflict =
      way === 'insert' ? t`` : t`on conflict (fcm_token) do update set fcm_token = excluded.fcm_token`;
    return t`insert into public.push_subscriptions ${t(app)} ${onConflict}`;
  });
}

async function ownersOf({ fcm_token }: App): Promise<string[]> {
  const rows = await db().sql`select user_id from public.push_subscriptions where fcm_token = ${fcm_token}`;
  return rows.map((row) => row.user_id);
}

test.each(['insert', 'upsert'] as const)('%s: the device belongs to the new user alone', async (way) => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const app = createAppSubscription();
  await register(before.id, app);
  await register(after.id, app, way);
  expect(await ownersOf(app)).toEqual([after.id]);
  const seen = await asUser(sql, before.id, (t) => t`select * from public.push_subscriptions`);
  expect([...seen]).toEqual([]);
});

test('deliveries that waited for the previous user are cancelled, and never claimed', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const app = createAppSubscription();
  await register(before.id, app);
  await notify(sql, before.id, { title: 'Private' });
  const [waiting] = await sql`select id from push.deliveries`;
  await register(after.id, app);
  expect(await readDelivery(sql, waiting?.id)).toMatchObject({ state: 'cancelled' });
  expect(await claim(sql, startOfClock())).toEqual([]);
});

test('that the token was gone for the user before deletes nothing of the new one', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const app = createAppSubscription();
  await register(before.id, app);
  await notify(sql, before.id);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await register(after.id, app);
  await complete(sql, now, [{ ...claimed, outcome: 'gone', status: 404 }]);
  expect(await ownersOf(app)).toEqual([after.id]);
});

test('the same user again is the same row', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const app = createAppSubscription();
  await register(user.id, app);
  const [first] = await sql`select id from public.push_subscriptions`;
  await register(user.id, app, 'upsert');
  expect([...(await sql`select id from public.push_subscriptions`)]).toEqual([first]);
});

test('two transactions at once: the later one has it', async () => {
  const { sql, url } = db();
  const [earlier, later] = [await createUser(sql), await createUser(sql)];
  const app = createAppSubscription();
  await withSessions(url, 2, async (a, b) => {
    if (!a || !b) throw new Error('two sessions');
    await a.sql`begin`;
    await becomeUser(a.sql, earlier.id);
    await a.sql`insert into public.push_subscriptions ${a.sql(app)}`;
    await b.sql`begin`;
    await becomeUser(b.sql, later.id);
    const second = b.sql`insert into public.push_subscriptions ${b.sql(app)}`.execute();
    await untilBlocked(sql, b);
    await a.sql`commit`;
    await second;
    await b.sql`commit`;
  });
  expect(await ownersOf(app)).toEqual([later.id]);
});

test('apps and browsers count together towards the limit of devices', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_subscriptions_per_user', 2);
  const [user, other] = [await createUser(sql), await createUser(sql)];
  const app = createAppSubscription();
  await register(other.id, app);
  await subscribe(sql, user.id);
  await register(user.id, createAppSubscription());
  for (const one of [createAppSubscription(), app]) {
    expect((await refusalOf(register(user.id, one))).code).toBe('too_many_subscriptions');
  }
  expect(await ownersOf(app)).toEqual([other.id]);
});

test('a token cannot be registered for another user', async () => {
  const { sql } = db();
  const [user, other] = [await createUser(sql), await createUser(sql)];
  const insert = asUser(
    sql,
    user.id,
    (t) => t`insert into public.push_subscriptions ${t({ ...createAppSubscription(), user_id: other.id })}`,
  );
  expect((await refusalOf(insert)).sqlstate).toBe('42501');
});
