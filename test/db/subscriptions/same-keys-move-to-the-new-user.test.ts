import { beforeEach, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

type Device = ReturnType<typeof createSubscription>;
type Way = 'insert' | 'upsert' | 'upsert that ignores duplicates' | 'insert by the service';

async function register(userId: string, device: Device, way: Way = 'insert'): Promise<void> {
  const { sql } = db();
  if (way === 'insert by the service') {
    await sql`insert into public.push_subscriptions ${sql({ ...device, user_id: userId })}`;
    return;
  }
  await asUser(sql, userId, (t) => {
    // As supabase-js writes them: every column of the payload is set again.
    const onConflict =
      way === 'insert'
        ? t``
        : way === 'upsert'
          ? t`on conflict (endpoint) do update
              set endpoint = excluded.endpoint, p256dh = excluded.p256dh, auth = excluded.auth`
          : t`on conflict (endpoint) do nothing`;
    return t`insert into public.push_subscriptions ${t(device as Record<string, string>)} ${onConflict}`;
  });
}

async function ownersOf(endpoint: string): Promise<string[]> {
  const rows = await db().sql`select user_id from public.push_subscriptions where endpoint = ${endpoint}`;
  return rows.map((row) => row.user_id);
}

const WAYS: Way[] = ['insert', 'upsert', 'upsert that ignores duplicates', 'insert by the service'];

test.each(WAYS)('%s: the device belongs to the new user alone', async (way) => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  const [old] = await sql`select id from public.push_subscriptions where endpoint = ${device.endpoint}`;

  await register(after.id, device, way);

  expect(await ownersOf(device.endpoint)).toEqual([after.id]);
  const gone = await sql`select from public.push_subscriptions where id = ${old?.id}`;
  expect(gone).toHaveLength(0);
});

test('deliveries that waited for the previous user are cancelled, and never claimed', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  await notify(sql, before.id, { title: 'Private' });
  const [waiting] = await sql`select id from push.deliveries order by id desc limit 1`;

  await register(after.id, device);

  expect(await readDelivery(sql, waiting?.id)).toMatchObject({ state: 'cancelled' });
  expect(await claim(sql, startOfClock())).toEqual([]);
});

test('given to another user by the service, it takes along nothing that waited for the user before', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  await notify(sql, before.id, { title: 'Private' });
  await asService(
    sql,
    (t) => t`update public.push_subscriptions set user_id = ${after.id} where endpoint = ${device.endpoint}`,
  );
  expect(await claim(sql, startOfClock())).toEqual([]);
  await notify(sql, after.id, { title: 'Theirs' });
  expect((await claim(sql, startOfClock())).map(({ title }) => title)).toEqual(['Theirs']);
});

test('what was under way for the user before is not sent a second time', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  await notify(sql, before.id);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);

  await register(after.id, device);
  await complete(sql, now, [{ ...claimed, outcome: 'retry', status: 503 }]);

  const later = new Date(now.getTime() + 3_600_000);
  expect(await claim(sql, later)).toEqual([]);
  expect((await readDelivery(sql, claimed.delivery_id)).state).toBe('cancelled');
});

test('that the endpoint was gone for the user before deletes nothing of the new one', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  await notify(sql, before.id);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);

  await register(after.id, device);
  await complete(sql, now, [{ ...claimed, outcome: 'gone', status: 410 }]);

  expect(await ownersOf(device.endpoint)).toEqual([after.id]);
});

test('messages of the new user go to it', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  await register(after.id, device);
  await notify(sql, before.id, { title: 'for the old one' });
  await notify(sql, after.id, { title: 'for the new one' });

  const claimed = await claim(sql, startOfClock());
  expect(claimed.map(({ endpoint, title }) => ({ endpoint, title }))).toEqual([
    { endpoint: device.endpoint, title: 'for the new one' },
  ]);
});

test('it comes back to the user before in the same way', async () => {
  const { sql } = db();
  const [first, second] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  for (const user of [first, second, first, second, first]) {
    await register(user.id, device, 'upsert');
    expect(await ownersOf(device.endpoint)).toEqual([user.id]);
  }
});

test('the user before sees nothing of it any more', async () => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await register(before.id, device);
  await register(after.id, device);
  const seen = await asUser(sql, before.id, (t) => t`select * from public.push_subscriptions`);
  expect([...seen]).toEqual([]);
});
