import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type FcmDevice,
  GOOGLE_ERRORS,
  scriptedGoogleError,
} from '../../../tools/local/fcm-service/fcm-service.ts';
import type { ScriptedAnswer } from '../../../tools/local/push-service/push-service.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { tell } from '../../support/push-events.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';
import { readProgress } from '../../support/topics.ts';

let stack: Stack;
let sql: postgres.Sql;
const logs: string[] = [];

beforeAll(async () => {
  stack = await startMigratedStack({
    workers: { cron: false },
    onFunctionLog: ({ line }) => void logs.push(line),
  });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

beforeEach(async () => {
  stack.fcm.script('all', []);
  await closeCircuits(sql);
  await sql`delete from push.alarms`;
});

/** Registers an app of that user, or of a new one. */
async function registerApp(device: FcmDevice = stack.fcm.createDevice(), owner?: string) {
  const userId = owner ?? randomUUID();
  if (owner === undefined) await sql`insert into auth.users ${sql({ id: userId })}`;
  const [row] = await sql`
    insert into public.push_subscriptions ${sql({ user_id: userId, channel: 'fcm', fcm_token: device.token })}
    returning id`;
  return { userId, device, subscriptionId: row?.id as string };
}

/** Notifies and waits for the first report about that device. */
async function attempt(
  app: Awaited<ReturnType<typeof registerApp>>,
  answers: ScriptedAnswer | ScriptedAnswer[] = [],
) {
  stack.fcm.script(app.device.token, answers);
  const [notified] = await sql`select push.notify(${app.userId}::uuid, 'Hello', 'World', '/deals/7') as id`;
  const delivery = await eventually(
    async () => {
      const [row] = await sql`
        select state, failures, last_status, last_code, last_error, extract(epoch from due_at - now())::float as wait
        from push.deliveries where notification_id = ${notified?.id} and subscription_id = ${app.subscriptionId}`;
      return row;
    },
    (row) =>
      row !== undefined && row.state !== 'sending' && (row.state !== 'queued' || row.last_code !== null),
  );
  const [subscription] =
    await sql`select last_used_at from public.push_subscriptions where id = ${app.subscriptionId}`;
  return { delivery: delivery as postgres.Row, subscription };
}

const hosts = async () =>
  Object.fromEntries(
    (await sql`select origin, paused_at is not null as paused from push.hosts`).map((row) => [
      row.origin,
      row.paused ?? false,
    ]),
  );

test('a row changes, and the app that a user registered through supabase-js shows it', async () => {
  await sql.unsafe(`
    create table public.deals (id int primary key, owner_id uuid not null, stage text not null);
    select push.watch('deal_stage', 'public.deals', 'new.owner_id', $$ 'Deal is ' || new.stage $$,
      p_events => '{update}', p_columns => '{stage}', p_url => $$ '/deals/' || new.id $$,
      p_params => $$ jsonb_build_object('deal', new.id, 'from', old.stage) $$, p_collapse_key => 'deals');
  `);
  const client = createClient(stack.url, stack.publishableKey, { auth: { persistSession: false } });
  const { data } = await client.auth.signUp({ email: `${randomUUID()}@example.com`, password: randomUUID() });
  const userId = data.user?.id ?? '';
  const device = stack.fcm.createDevice();
  const row = { channel: 'fcm', fcm_token: device.token, device_type: 'mobile' };
  for (const _again of [1, 2]) {
    const { error } = await client.from('push_subscriptions').upsert(row, { onConflict: 'fcm_token' });
    expect(error).toBeNull();
  }
  await sql`insert into public.deals values (7, ${userId}, 'new')`;
  await sql`update public.deals set stage = 'won' where id = 7`;

  const message = await device.next();
  expect(message).toMatchObject({
    notification: { title: 'Deal is won' },
    data: {
      url: '/deals/7',
      params: '{"deal":7,"from":"new"}',
    },
    android: { collapse_key: 'deals', priority: 'HIGH' },
  });
  const used = await eventually(
    async () => (await client.from('push_subscriptions').select('channel, last_used_at').single()).data,
    (found) => found?.last_used_at !== null,
  );
  expect(used).toMatchObject({ channel: 'fcm' });
});

test('a number of 64 bits has the same digits in browser, app and inbox', async () => {
  await sql.unsafe(`
    create table public.posts (id bigint primary key, owner_id uuid not null, likes bigint not null);
    select push.watch('post_likes', 'public.posts', 'new.owner_id', $$ 'Post ' || new.id $$,
      p_events => '{update}', p_columns => '{likes}', p_params => $$ jsonb_build_object('id', new.id, 'changes', rule.changes) $$);
  `);
  const client = createClient(stack.url, stack.publishableKey, { auth: { persistSession: false } });
  const { data } = await client.auth.signUp({ email: `${randomUUID()}@example.com`, password: randomUUID() });
  const userId = data.user?.id ?? '';
  const { device: app } = await registerApp(stack.fcm.createDevice(), userId);
  const browser = stack.pushService.createDevice();
  const { endpoint, subscription } = browser;
  await sql`insert into public.push_subscriptions ${sql({ user_id: userId, endpoint, ...subscription.keys })}`;
  await sql`insert into public.posts values (1161380288898609914, ${userId}, 9007199254740992)`;
  await sql`update public.posts set likes = likes + 1`;

  const expected = {
    id: '1161380288898609914',
    changes: { likes: { old: '9007199254740992', new: '9007199254740993' } },
  };
  expect((await browser.next()).json).toMatchObject({ notification: { data: expected } });
  expect(JSON.parse((await app.next()).data?.params ?? '')).toEqual(expected);
  expect((await client.from('push_notifications').select('params').single()).data).toEqual({
    params: expected,
  });
  expect((await client.rpc('push_inbox')).data).toMatchObject([{ params: expected }]);
});

test('an app says with the token in its data what became of it, without a session', async () => {
  const { userId, device } = await registerApp();
  const [notified] = await sql<{ id: string }[]>`select push.notify(${userId}::uuid, 'Acme is won') as id`;
  const id = notified?.id ?? '';
  const { data } = await device.next();
  expect(data).toMatchObject({ notification_id: id, receipt: expect.stringMatching(/^\d+\.[\w-]{22}$/) });
  const receipt = data?.receipt ?? '';
  expect((await tell(stack, { receipts: [{ receipt, event: 'displayed' }] })).body).toMatchObject({
    accepted: 1,
  });
  await tell(stack, { receipts: [{ receipt, event: 'clicked', at: new Date().toISOString() }] });
  expect(
    (await tell(stack, { receipts: [{ receipt: `${receipt.slice(0, -1)}!`, event: 'dismissed' }] })).body,
  ).toMatchObject({ accepted: 0, refused: 1 });
  const progress = await eventually(
    () => readProgress(sql, id),
    ({ sent }) => sent === 1,
  );
  expect(progress).toMatchObject({ total: 1, displayed: 1, clicked: 1, dismissed: 0 });
  const [row] = await sql`select read_at from public.push_notifications where id = ${id}`;
  expect(row?.read_at).not.toBeNull();
});

test('sound, badge, channel and thread are said once, in a rule too, and reach the app', async () => {
  const { userId, device } = await registerApp();
  await sql.unsafe(`
    create table public.orders (id int primary key, buyer_id uuid not null);
    select push.watch('order_made', 'public.orders', 'new.buyer_id', $$ 'Order ' || new.id $$, p_category => 'orders:new',
      p_presentation => $$ jsonb_build_object('sound', 'chime.caf', 'app_badge', 'unread', 'thread', 'order:' || new.id) $$);
  `);
  await sql`insert into public.orders values (7, ${userId})`;
  expect(await device.next()).toMatchObject({
    android: { notification: { channel_id: 'orders', sound: 'chime', notification_count: 1 } },
    apns: { payload: { aps: { sound: 'chime.caf', badge: 1, 'thread-id': 'order:7' } } },
  });
});

test('devices of both kinds of one user get one message each', async () => {
  const [{ userId, device: browser }] = await createRecipients(sql, stack.pushService, 1);
  const app = await registerApp(stack.fcm.createDevice(), userId);
  await sql`select push.notify(${userId}::uuid, 'For all devices')`;
  expect((await browser.next()).json).toMatchObject({ notification: { title: 'For all devices' } });
  expect((await app.device.next()).notification?.title).toBe('For all devices');
  const rows = await eventually(
    () => sql`
      select d.state from push.deliveries d join public.push_notifications n on n.id = d.notification_id
      where n.user_id = ${userId}`,
    (found) => found.every(({ state }) => state === 'sent'),
  );
  expect(rows).toHaveLength(2);
});

test('an app that was removed takes its row with it, and only its own', async () => {
  const [{ userId, subscriptionId: browser }] = await createRecipients(sql, stack.pushService, 1);
  const app = await registerApp(stack.fcm.createDevice(), userId);
  app.device.remove();
  const { delivery, subscription } = await attempt(app);
  expect(delivery).toMatchObject({ state: 'gone', last_status: 404 });
  expect(subscription).toBeUndefined();
  expect(await sql`select from public.push_subscriptions where id = ${browser}`).toHaveLength(1);
});

test('an access token that ends early is replaced, and nothing is lost or sent twice', async () => {
  const app = await registerApp();
  await attempt(app);
  stack.fcm.revokeAccessTokens();
  const { delivery } = await attempt(app);
  expect(delivery).toMatchObject({ state: 'sent', failures: 0 });
  expect(app.device.messages).toHaveLength(2);
  const sends = stack.fcm.received.filter(({ token }) => token === app.device.token);
  expect(sends.map(({ status }) => status)).toEqual([200, 401, 200]);
});

test.each([
  [scriptedGoogleError(GOOGLE_ERRORS.quotaExceeded, { retryAfter: 120 }), 'throttled', 100],
  [scriptedGoogleError(GOOGLE_ERRORS.unavailable, { retryAfter: 90 }), 'push_service_error', 70],
  [scriptedGoogleError(GOOGLE_ERRORS.internal), 'push_service_error', 0],
])('%o is tried again later, when FCM says', async (answer, code, atLeast) => {
  const { delivery, subscription } = await attempt(await registerApp(), answer);
  expect(delivery).toMatchObject({ state: 'queued', last_code: code, failures: 1 });
  expect(delivery.wait).toBeGreaterThan(atLeast);
  expect(subscription).toBeDefined();
});

test('a message that FCM does not take fails alone and keeps the app', async () => {
  const { delivery, subscription } = await attempt(
    await registerApp(),
    scriptedGoogleError(GOOGLE_ERRORS.tooBig),
  );
  expect(delivery).toMatchObject({ state: 'failed', last_status: 400 });
  expect(subscription).toBeDefined();
});

test('a sender that matches no app pauses FCM with an alarm, and web push goes on', async () => {
  const foreign = stack.fcm.createDevice({ project: 'another-project' });
  const [{ userId, device: browser }] = await createRecipients(sql, stack.pushService, 1);
  const apps = [
    await registerApp(foreign, userId),
    await registerApp(stack.fcm.createDevice({ project: 'another-project' })),
    await registerApp(stack.fcm.createDevice({ project: 'another-project' })),
  ];
  for (const app of apps) {
    const { delivery, subscription } = await attempt(app);
    expect(delivery).toMatchObject({
      state: 'queued',
      last_code: 'fcm_sender_mismatch',
      last_status: 403,
      failures: 0,
    });
    expect(subscription).toBeDefined();
  }
  await browser.next();
  expect(await hosts()).toMatchObject({ [stack.fcm.baseUrl]: true, [stack.pushServiceUrl]: false });
  const alarms = await sql`select code, subject from push.alarms where resolved_at is null`;
  expect([...alarms]).toEqual([{ code: 'fcm_misconfigured', subject: stack.fcm.baseUrl }]);

  await sql`select push.notify(${userId}::uuid, 'Meanwhile')`;
  expect((await browser.next()).json).toMatchObject({ notification: { title: 'Meanwhile' } });
  expect(foreign.messages).toEqual([]);
});

test('nothing that was logged or stored names a token, a key or an access token', async () => {
  const app = await registerApp();
  await attempt(app, { kind: 'status', status: 400, body: `You sent ${app.device.token}` });
  const said = JSON.stringify([
    logs,
    await sql`select last_error from push.deliveries`,
    await sql`select * from push.alarms`,
  ]);
  expect(said).toContain('You sent');
  for (const part of app.device.token.split(':')) expect(said).not.toContain(part);
  expect(said).not.toMatch(/ya29|PRIVATE KEY|eyJ/);
});
