import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test('what waits for that device is cancelled; the other device still gets its own', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const [deleted, kept] = [await subscribe(sql, user.id), await subscribe(sql, user.id)];
  await notify(sql, user.id);
  await asUser(sql, user.id, (t) => t`delete from public.push_subscriptions where id = ${deleted}`);

  const rows =
    await sql`select subscription_id, state, finished_at is not null as finished from push.deliveries`;
  expect(rows).toHaveLength(2);
  expect(rows.find((row) => row.subscription_id === deleted)).toMatchObject({
    state: 'cancelled',
    finished: true,
  });
  expect(rows.find((row) => row.subscription_id === kept)).toMatchObject({
    state: 'queued',
    finished: false,
  });
  const claimed = await claim(sql, startOfClock());
  expect(claimed).toHaveLength(1);
  await complete(sql, startOfClock(), [{ ...claimed[0], outcome: 'sent' } as never]);
});

test('what is under way is still reported on, and a retry of it is not sent', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const subscription = await subscribe(sql, user.id);
  await notify(sql, user.id);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await asUser(sql, user.id, (t) => t`delete from public.push_subscriptions where id = ${subscription}`);
  expect((await readDelivery(sql, claimed.delivery_id)).state).toBe('sending');
  await complete(sql, now, [{ ...claimed, outcome: 'retry', status: 500 }]);
  expect(await claim(sql, new Date(now.getTime() + 3_600_000))).toEqual([]);
  expect((await readDelivery(sql, claimed.delivery_id)).state).toBe('cancelled');
});

test('a user who is deleted leaves no subscription, notification or delivery', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const notification = await notify(sql, user.id);
  await sql`delete from auth.users where id = ${user.id}`;
  const [left] = await sql`
    select (select count(*) from public.push_subscriptions where user_id = ${user.id})
      + (select count(*) from public.push_notifications where user_id = ${user.id})
      + (select count(*) from push.deliveries where notification_id = ${notification}) as count`;
  expect(left).toEqual({ count: '0' });
});

test('reports about what has been deleted meanwhile are ignored', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await notify(sql, user.id);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await sql`delete from auth.users where id = ${user.id}`;
  expect(await complete(sql, now, [{ ...claimed, outcome: 'sent' }])).toMatchObject({ recorded: 0 });
});
