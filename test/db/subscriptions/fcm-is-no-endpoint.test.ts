import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import {
  createAppSubscription,
  createSubscription,
  subscribe,
  subscribeApp,
} from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`update push.hosts set origin = 'https://fcm.googleapis.com/v1' where channel = 'fcm'`;
});

function insert(userId: string, endpoint: string) {
  return asUser(
    db().sql,
    userId,
    (t) => t`insert into public.push_subscriptions ${t(createSubscription({ endpoint }))}`,
  );
}

test.each([
  'https://fcm.googleapis.com/v1/projects/my-project/messages:send',
  'https://fcm.googleapis.com/v1/',
  'https://fcm.googleapis.com/./v1/projects/x/messages:send',
  'https://fcm.googleapis.com/fcm/../v1/projects/x/messages:send',
  'https://fcm.googleapis.com/fcm/%2E%2e/v1/projects/x/messages:send',
  'https://fcm.googleapis.com/fcm/.%2e/v1/projects/x/messages:send',
  'https://fcm.googleapis.com/fcm/send/..',
])('no browser registers %s', async (endpoint) => {
  const user = await createUser(db().sql);
  expect((await refusalOf(insert(user.id, endpoint))).code).toBe('endpoint_not_allowed');
});

test('web push of the same name goes on', async () => {
  const user = await createUser(db().sql);
  await insert(user.id, 'https://fcm.googleapis.com/fcm/send/abc:APA91b..x/.well-known');
  const [row] = await db().sql`select host from public.push_subscriptions`;
  expect(row?.host).toBe('https://fcm.googleapis.com');
});

test('a local FCM service is no push service: no endpoint leads to it', async () => {
  const { sql } = db();
  await sql`update push.hosts set origin = 'http://127.0.0.1:4711/v1' where channel = 'fcm'`;
  const user = await createUser(sql);
  for (const endpoint of [
    'http://127.0.0.1:4711/v1/projects/x/messages:send',
    'http://127.0.0.1:4711/push/1',
  ]) {
    expect((await refusalOf(insert(user.id, endpoint))).code).toBe('endpoint_not_allowed');
  }
  const app = await asUser(
    sql,
    user.id,
    (t) => t`insert into public.push_subscriptions ${t(createAppSubscription())} returning host`,
  );
  expect(app[0]?.host).toBe('http://127.0.0.1:4711/v1');
});

test.each([
  'https://fcm.googleapis.com',
  'https://fcm.googleapis.com/v1/',
  'https://fcm.googleapis.com/v2',
  'https://fcm.googleapis.com:443/v1',
  'https://evil.example/v1',
  'https://*.googleapis.com/v1',
  'http://fcm.googleapis.com/v1',
  'http://127.0.0.1/v1',
  'http://127.0.0.2:80/v1',
  'http://localhost:80/v1',
  'http://127.0.0.1:4711',
  'http://127.0.0.1:4711/v1/x',
])('not even the database owner can call %s FCM', async (origin) => {
  const update = db().sql`update push.hosts set origin = ${origin} where channel = 'fcm'`;
  expect((await refusalOf(update)).sqlstate).toBe('23514');
});

test('there is one FCM, and no channel beside the two', async () => {
  const { sql } = db();
  const second = sql`insert into push.hosts (origin, channel) values ('http://127.0.0.1:4711/v1', 'fcm')`;
  expect((await refusalOf(second)).sqlstate).toBe('23505');
  const pigeon = sql`insert into push.hosts (origin, channel) values ('https://pigeon.example', 'pigeon')`;
  expect((await refusalOf(pigeon)).sqlstate).toBe('23514');
});

test('when FCM is moved, its devices and what waits for them follow; browsers stay', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await subscribeApp(sql, user.id);
  await notify(sql, user.id);
  await sql`update push.hosts set origin = 'http://127.0.0.1:4711/v1' where channel = 'fcm'`;
  const expected = [{ host: 'http://127.0.0.1:4711/v1' }, { host: 'https://fcm.googleapis.com' }];
  expect([...(await sql`select host from public.push_subscriptions order by host`)]).toEqual(expected);
  expect([...(await sql`select host from push.deliveries order by host`)]).toEqual(expected);
});

test('a project that took FCM off the list accepts no token', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await sql`delete from push.hosts where channel = 'fcm'`;
  const app = asUser(
    sql,
    user.id,
    (t) => t`insert into public.push_subscriptions ${t(createAppSubscription())}`,
  );
  expect(await refusalOf(app)).toMatchObject({ sqlstate: 'PT400', code: 'fcm_not_allowed' });
});
