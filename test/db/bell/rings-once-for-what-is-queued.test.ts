import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { BELL_SECRET, connectBell, countRings, openAlarms, PROJECT_URL } from '../../support/bell.ts';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus, queueOne } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await connectBell(db().sql);
});

test('the request names the dispatcher that is expected, and carries the secret and nothing else', async () => {
  const { sql } = db();
  await queueOne(sql);
  const requests = await sql`
    select method, url, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds from net.http_request_queue`;
  const dispatchers = await sql`select id from push.dispatchers`;
  expect(dispatchers).toHaveLength(1);
  expect([...requests]).toEqual([
    {
      method: 'POST',
      url: `${PROJECT_URL}/functions/v1/push-dispatch`,
      headers: { 'Content-Type': 'application/json', 'x-push-bell': BELL_SECRET },
      body: JSON.stringify({ dispatcher: dispatchers[0]?.id }).replace(':', ': '),
      timeout_milliseconds: expect.any(Number),
    },
  ]);
  expect(requests[0]?.timeout_milliseconds).toBeLessThanOrEqual(5000);
  expect(await openAlarms(sql)).toEqual([]);
});

test('for what the service inserts, as for what push.notify() makes', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await asService(
    sql,
    (t) => t`insert into public.push_notifications (user_id, title) values (${user.id}, 'Hello')`,
  );
  expect(await countRings(sql)).toBe(1);
});

test('once while the called dispatcher is on its way, and again when it did not come', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  for (let index = 0; index < 5; index += 1) await notify(sql, userId);
  expect(await countRings(sql)).toBe(1);
  await sql`update push.dispatchers set lease_until = now() - interval '1 second'`;
  await notify(sql, userId);
  expect(await countRings(sql)).toBe(2);
});

test('never while a dispatcher is at work', async () => {
  const { sql } = db();
  const dispatcher = randomUUID();
  await claim(sql, new Date(), { dispatcher });
  const { userId } = await queueOne(sql);
  for (let index = 0; index < 20; index += 1) await notify(sql, userId);
  expect(await countRings(sql)).toBe(0);
});

test('one that is dead among others that live does not matter', async () => {
  const { sql } = db();
  await claim(sql, plus(new Date(), -3600));
  await claim(sql, new Date());
  await queueOne(sql);
  expect(await countRings(sql)).toBe(0);
});

test('not for a user without devices', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await notify(sql, user.id);
  expect(await countRings(sql)).toBe(0);
});

test('not for what is scheduled', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await notify(sql, user.id, { sendAt: plus(new Date(), 3600) });
  expect(await countRings(sql)).toBe(0);
});

test('not for reading, subscribing or leaving', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  await sql`delete from push.dispatchers`;
  await asUser(sql, userId, async (t) => {
    await t`update public.push_notifications set read_at = now()`;
    await t`update public.push_subscriptions set device_type = 'mobile'`;
    await t`delete from public.push_subscriptions`;
  });
  expect(await countRings(sql)).toBe(1);
});
