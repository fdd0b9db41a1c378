import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, readDelivery, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { APPLE, createEndpoint, createKeys, createSubscription, FCM } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function upsert(userId: string, device: Record<string, unknown>) {
  const { sql } = db();
  const [row] = await asUser(sql, userId, (t) => {
    const columns = Object.keys(device);
    const sets = t.unsafe(columns.map((column) => `${column} = excluded.${column}`).join(', '));
    return t`
      insert into public.push_subscriptions ${t(device as Record<string, string>)}
      on conflict (endpoint) do update set ${sets} returning *`;
  });
  return row as Record<string, unknown> & { id: string; updated_at: Date };
}

test('the same device again is the same row, and what waits for it goes on waiting', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = createSubscription();
  const first = await upsert(user.id, device);
  await notify(sql, user.id);
  const [waiting] = await sql`select id from push.deliveries where subscription_id = ${first.id}`;

  const second = await upsert(user.id, { ...device, device_type: 'mobile', user_agent: 'Firefox' });

  expect(second).toEqual({ ...first, device_type: 'mobile', user_agent: 'Firefox' });
  expect((await readDelivery(sql, waiting?.id)).state).toBe('queued');
});

test('new keys replace the old ones, and the row says when', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = createSubscription();
  const first = await upsert(user.id, device);
  const keys = createKeys();
  const second = await upsert(user.id, { ...device, ...keys });
  expect(second).toMatchObject({ id: first.id, ...keys });
  expect(second.updated_at.getTime()).toBeGreaterThanOrEqual(first.updated_at.getTime());
  const [{ later } = {}] = await sql`
    select updated_at > created_at as later from public.push_subscriptions where id = ${first.id}`;
  expect(later).toBe(true);
});

test('a plain insert of a device that is there is a conflict, not a second row', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = createSubscription();
  await upsert(user.id, device);
  const insert = asUser(sql, user.id, (t) => t`insert into public.push_subscriptions ${t({ ...device })}`);
  expect((await refusalOf(insert)).sqlstate).toMatch(/^(PT409|23505)$/);
});

test('an endpoint that moves to another push service takes along what waits', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const first = await upsert(user.id, createSubscription({ endpoint: createEndpoint(FCM) }));
  await notify(sql, user.id);
  const endpoint = createEndpoint(APPLE);
  await asUser(sql, user.id, (t) => t`update public.push_subscriptions set endpoint = ${endpoint}`);
  const [row] = await sql`select host from public.push_subscriptions where id = ${first.id}`;
  expect(row?.host).toBe(APPLE);
  const claimed = await claim(sql, startOfClock());
  expect(claimed.map((delivery) => [delivery.host, delivery.endpoint])).toEqual([[APPLE, endpoint]]);
});
