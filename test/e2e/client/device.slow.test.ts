import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createPushClient } from '../../../src/device/client/index.ts';
import type { PushStatus } from '../../../src/device/client/push-client.ts';
import { type ClientBrowser, createBrowser, signUp } from '../../support/client-browser.ts';
import { clientRefusalOf } from '../../support/client-refusal.ts';
import { eventually } from '../../support/eventually.ts';
import { BROWSERS } from '../../support/recorded-browsers.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ workers: { cron: false } });
let sql: postgres.Sql;
let browser: ClientBrowser;

beforeAll(() => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
});
afterAll(() => sql?.end());
beforeEach(() => {
  browser = createBrowser(stack());
});
afterEach(() => browser.close());

const rowsOf = (userId: string) =>
  sql`select * from public.push_subscriptions where user_id = ${userId} order by created_at`;

test('a user who subscribes is asked, gets a row with type, name and agent, and gets the test message', async () => {
  const { id } = await signUp(browser.supabase);
  const push = browser.open();
  const seen: PushStatus[] = [];
  const end = push.onStatusChange((status) => seen.push(status));
  expect(push.status).toBe('unknown');
  expect(push.isSupported()).toBe(true);
  expect(await push.sync()).toBe('default');
  expect(browser.asked).toBe(0);

  const device = await push.subscribe();
  expect(browser.asked).toBe(1);
  expect(push.status).toBe('subscribed');
  expect(device).toEqual({
    id: expect.any(String),
    name: 'Firefox (Linux)',
    channel: 'webpush',
    deviceType: 'desktop',
    userAgent: BROWSERS.firefox.navigator.userAgent,
    createdAt: expect.any(String),
    lastUsedAt: null,
    current: true,
  });
  const [row] = await rowsOf(id);
  expect(row).toMatchObject({
    id: device.id,
    endpoint: browser.subscription?.endpoint,
    vapid_key: stack().vapidPublicKey,
  });
  expect(await push.devices.list()).toEqual([device]);

  const sent = await push.sendTest();
  const message = await browser.subscription?.device.next();
  expect(message?.json).toMatchObject({ notification: { title: 'Notifications work' } });
  expect(sent).toMatch(/^[0-9a-f-]{36}$/);

  expect(await push.sync()).toBe('subscribed');
  expect([browser.subscribed, (await rowsOf(id)).length]).toEqual([1, 1]);
  await push.unsubscribe();
  expect([browser.subscription, (await rowsOf(id)).length, push.status]).toEqual([null, 0, 'granted']);
  // Taken back on purpose: loading the page again leaves it so.
  expect(await push.sync()).toBe('granted');
  expect(await browser.open().sync()).toBe('granted');
  expect(seen).toEqual(['default', 'subscribed', 'granted']);
  end();
  await push.subscribe();
  expect(seen).toHaveLength(3);
});

test('a name of the app is what the device is called', async () => {
  await signUp(browser.supabase);
  const device = await browser.open({ deviceName: 'Till 3' }).subscribe();
  expect(device.name).toBe('Till 3');
});

test('a test goes to this device alone; to all of them from a browser that is none', async () => {
  const { email } = await signUp(browser.supabase);
  const phone = createBrowser(stack(), BROWSERS.chromeOnAndroid);
  await phone.supabase.auth.signInWithPassword({ email, password: 'correct horse battery staple' });
  const [here, there] = [browser.open(), phone.open()];
  expect(await clientRefusalOf(here.sendTest())).toMatchObject({ code: 'subscription_unknown', status: 404 });
  await there.subscribe();
  await here.sendTest();
  expect(await phone.subscription?.device.next()).toBeDefined();
  await here.subscribe();
  await here.sendTest();
  await browser.subscription?.device.next();
  expect(phone.subscription?.device.messages).toHaveLength(1);
  await sql`update push.settings set test_limit = 2`;
  expect(await clientRefusalOf(here.sendTest())).toMatchObject({ code: 'too_many_tests', status: 429 });
  await sql`update push.settings set test_limit = 10`;
  phone.close();
});

test('devices are listed newest first, and removed: another one, this one, all of them', async () => {
  const { id, email } = await signUp(browser.supabase);
  const phone = createBrowser(stack(), BROWSERS.ios164HomeScreen);
  await phone.supabase.auth.signInWithPassword({ email, password: 'correct horse battery staple' });
  const [here, there] = [browser.open(), phone.open()];
  const first = await here.subscribe();
  const second = await there.subscribe();
  expect(
    (await here.devices.list()).map(({ name, current, deviceType }) => [name, current, deviceType]),
  ).toEqual([
    ['Safari (iPhone)', false, 'mobile'],
    ['Firefox (Linux)', true, 'desktop'],
  ]);
  await here.devices.remove(second.id);
  expect((await here.devices.list()).map((device) => device.id)).toEqual([first.id]);
  expect(here.status).toBe('subscribed');
  await here.devices.remove(first.id);
  expect([here.status, browser.subscription, (await rowsOf(id)).length]).toEqual(['granted', null, 0]);

  await here.subscribe();
  await there.subscribe();
  await here.unsubscribe({ everywhere: true });
  expect([here.status, (await rowsOf(id)).length]).toEqual(['granted', 0]);
  phone.close();
});

test('what stands in the way is said by its code, and asks the user nothing', async () => {
  for (const [recorded, status, code] of [
    [BROWSERS.androidWebView, 'unsupported', 'unsupported'],
    [BROWSERS.ios164, 'needs-install', 'needs_install'],
    [BROWSERS.chromiumInsecure, 'unsupported', 'insecure_origin'],
  ] as const) {
    const lacking = createBrowser(stack(), recorded);
    await signUp(lacking.supabase);
    const push = lacking.open();
    expect([push.isSupported(), await push.sync()]).toEqual([false, status]);
    expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code });
    expect(lacking.asked).toBe(0);
    // What needs no push works all the same.
    expect(await push.inbox.page()).toEqual([]);
    lacking.close();
  }
});

test('on a server that renders pages it is there, and knows nothing', async () => {
  const push = createPushClient(browser.supabase);
  expect([push.status, push.isSupported()]).toEqual(['unknown', false]);
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'unsupported' });
  push.dispose();
});

test('a signed-out user is not asked, and a user who refuses is told where to change that', async () => {
  const push = browser.open();
  expect(await push.sync()).toBe('signed-out');
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'not_signed_in' });
  expect(browser.asked).toBe(0);
  await signUp(browser.supabase);
  await eventually(
    () => push.status,
    (status) => status === 'default',
  );
  browser.answer = 'default';
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'permission_dismissed' });
  expect(push.status).toBe('default');
  browser.answer = 'denied';
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'permission_denied' });
  expect([push.status, await push.sync()]).toEqual(['denied', 'denied']);
});

test('an endpoint to which nothing can be sent is given back and another one asked for', async () => {
  const { id } = await signUp(browser.supabase);
  const removed = 'https://permanently-removed.invalid/fcm/send/x';
  browser.troubles.push(removed);
  const push = browser.open();
  await push.subscribe();
  expect((await rowsOf(id)).map(({ endpoint }) => endpoint)).toEqual([browser.subscription?.endpoint]);
  await push.unsubscribe();

  browser.troubles.push(removed, removed, removed);
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'subscribe_failed' });
  expect([browser.subscription, (await rowsOf(id)).length]).toEqual([null, 0]);
});

test('what the browser says when it cannot subscribe becomes a code', async () => {
  await signUp(browser.supabase);
  const push = browser.open();
  const trouble = (name: string) => Object.assign(new Error('Registration failed'), { name });
  browser.troubles.push(trouble('AbortError'));
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'subscribe_failed' });
  browser.troubles.push(trouble('NotAllowedError'));
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'permission_denied' });
  // One with another key is in the way: it goes.
  browser.troubles.push(trouble('InvalidStateError'));
  expect((await push.subscribe()).current).toBe(true);
});

test('a project without a key, and one that cannot be reached, are told apart', async () => {
  await signUp(browser.supabase);
  const push = browser.open();
  browser.permission = 'granted';
  await sql`update push.settings set vapid_public_key = null`;
  try {
    expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'not_configured' });
  } finally {
    await sql`update push.settings set vapid_public_key = ${stack().vapidPublicKey}`;
  }
  browser.online = false;
  expect(await clientRefusalOf(push.subscribe())).toMatchObject({ code: 'offline' });
  expect(browser.subscription).toBeNull();
});
