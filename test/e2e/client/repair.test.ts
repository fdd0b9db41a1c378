import { createECDH } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ClientBrowser, createBrowser, signIn, signUp } from '../../support/client-browser.ts';
import { clientRefusalOf } from '../../support/client-refusal.ts';
import { useStack } from '../../support/stack.ts';
import { createKeys } from '../../support/subscriptions.ts';

const stack = useStack({ functions: false, workers: { net: false, cron: false } });
let sql: postgres.Sql;
let browser: ClientBrowser;
let user: { id: string; email: string };

beforeAll(() => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
});
afterAll(() => sql?.end());
beforeEach(async () => {
  await setKey(stack().vapidPublicKey);
  browser = createBrowser(stack());
  user = await signUp(browser.supabase);
});
afterEach(() => browser.close());

const setKey = (key: string) => sql`update push.settings set vapid_public_key = ${key}`;

function createVapidKey(): string {
  const pair = createECDH('prime256v1');
  pair.generateKeys();
  return pair.getPublicKey('base64url');
}

const rowsOf = (userId: string) =>
  sql`select id, endpoint, vapid_key, user_agent from public.push_subscriptions where user_id = ${userId} order by created_at`;

test('a rotated key: the next load subscribes anew, and the device keeps its id and preferences', async () => {
  const device = await browser.open().subscribe();
  const old = browser.subscription;
  await browser.open().preferences.setDevice(device.id, { enabled: true });
  const key = createVapidKey();
  await setKey(key);
  expect(await browser.open().sync()).toBe('subscribed');
  expect(browser.subscription?.endpoint).not.toBe(old?.endpoint);
  expect([...(await rowsOf(user.id))]).toMatchObject([
    { id: device.id, endpoint: browser.subscription?.endpoint, vapid_key: key },
  ]);
  expect(await browser.open().preferences.device(device.id)).toMatchObject({ enabled: true });
  // And once is enough.
  await browser.open().sync();
  expect(browser.subscribed).toBe(2);
});

test('a browser that does not say which key it subscribed with is asked for the one that was noted', async () => {
  await browser.open().subscribe();
  Object.assign(browser.subscription as object, { options: { applicationServerKey: null } });
  await browser.open().sync();
  expect(browser.subscribed).toBe(1);
  await setKey(createVapidKey());
  await browser.open().sync();
  expect(browser.subscribed).toBe(2);
});

test('a lost row: the device is registered again, by a new endpoint, for the old one may be dead', async () => {
  await browser.open().subscribe();
  const old = browser.subscription?.endpoint;
  await sql`delete from public.push_subscriptions where user_id = ${user.id}`;
  expect(await browser.open().sync()).toBe('subscribed');
  expect(browser.subscription?.endpoint).not.toBe(old);
  expect((await rowsOf(user.id)).map(({ endpoint }) => endpoint)).toEqual([browser.subscription?.endpoint]);
});

test('a device that its user has removed elsewhere stays removed, until it is asked for here', async () => {
  const device = await browser.open().subscribe();
  const elsewhere = browser.createSupabase();
  await signIn(elsewhere, user.email);
  await elsewhere.from('push_subscriptions').delete().eq('id', device.id);
  expect(await browser.open().sync()).toBe('granted');
  expect(browser.subscription).toBeNull();
  expect(await browser.open().sync()).toBe('granted');
  expect([...(await rowsOf(user.id))]).toEqual([]);
  await browser.open().subscribe();
  expect(await browser.open().sync()).toBe('subscribed');
  expect(await rowsOf(user.id)).toHaveLength(1);
});

test('a lost subscription: the device is the same one with a new endpoint', async () => {
  const { id } = await browser.open().subscribe();
  await browser.subscription?.unsubscribe();
  expect(await browser.open().sync()).toBe('subscribed');
  expect([...(await rowsOf(user.id))]).toMatchObject([{ id, endpoint: browser.subscription?.endpoint }]);
});

test('an older subscription, of which the browser has no note, is registered as it is', async () => {
  await browser.open().subscribe();
  const endpoint = browser.subscription?.endpoint;
  await sql`delete from public.push_subscriptions where user_id = ${user.id}`;
  await browser.store.delete('subscription');
  await browser.store.delete('user_id');
  expect(await browser.open().sync()).toBe('subscribed');
  expect(browser.subscribed).toBe(1);
  expect((await rowsOf(user.id)).map((row) => row.endpoint)).toEqual([endpoint]);
});

test('an endpoint to which nothing can be sent any more is exchanged', async () => {
  const { id } = await browser.open().subscribe();
  Object.assign(browser.subscription as object, { endpoint: 'https://permanently-removed.invalid/x' });
  expect(await browser.open().sync()).toBe('subscribed');
  expect([...(await rowsOf(user.id))]).toMatchObject([{ id, endpoint: browser.subscription?.endpoint }]);
  expect(browser.subscription?.endpoint).not.toContain('permanently-removed');
});

test('another user on the same browser, without a sign-out: the device is handed over', async () => {
  const { id } = await browser.open().subscribe();
  const endpoint = browser.subscription?.endpoint;
  browser.close();
  const supabase = browser.createSupabase();
  const second = await signUp(supabase);
  expect(await browser.open({}, supabase).sync()).toBe('subscribed');
  expect([...(await rowsOf(user.id))]).toEqual([]);
  const rows = await rowsOf(second.id);
  expect([...rows]).toMatchObject([{ endpoint }]);
  expect(rows[0]?.id).not.toBe(id);
});

test('another user while the key was rotated gets the device too, and its former row reaches no device', async () => {
  await browser.open().subscribe();
  const old = browser.subscription;
  browser.close();
  await setKey(createVapidKey());
  const supabase = browser.createSupabase();
  const second = await signUp(supabase);
  expect(await browser.open({}, supabase).sync()).toBe('subscribed');
  expect([...(await rowsOf(second.id))]).toMatchObject([{ endpoint: browser.subscription?.endpoint }]);
  expect((await fetch(old?.endpoint ?? '', { method: 'POST', headers: { ttl: '0' } })).status).toBe(410);
});

test('an endpoint that is registered to another user with other keys is exchanged', async () => {
  await browser.open().subscribe();
  const taken = browser.subscription?.endpoint;
  browser.close();
  await sql`update public.push_subscriptions set ${sql(createKeys())} where user_id = ${user.id}`;
  const supabase = browser.createSupabase();
  const second = await signUp(supabase);
  expect(await browser.open({}, supabase).sync()).toBe('subscribed');
  const rows = await rowsOf(second.id);
  expect(rows.map(({ endpoint }) => endpoint)).toEqual([browser.subscription?.endpoint]);
  expect(browser.subscription?.endpoint).not.toBe(taken);
});

test('a browser that was updated says so', async () => {
  await browser.open().subscribe();
  await sql`update public.push_subscriptions set user_agent = 'old' where user_id = ${user.id}`;
  await browser.open().sync();
  expect((await rowsOf(user.id))[0]?.user_agent).toBe(browser.environment.navigator.userAgent);
  expect(browser.subscribed).toBe(1);
});

test('a permission that was taken away takes the row away; given again, the device is back', async () => {
  const push = browser.open();
  await push.subscribe();
  await browser.subscription?.unsubscribe();
  browser.permission = 'denied';
  expect(await push.sync()).toBe('denied');
  expect([...(await rowsOf(user.id))]).toEqual([]);
  browser.permission = 'granted';
  expect(await push.sync()).toBe('subscribed');
  expect(await rowsOf(user.id)).toHaveLength(1);
});

test('loading with nothing to repair writes nothing', async () => {
  await browser.open().subscribe();
  const versions = () =>
    sql`select xmin::text, ctid::text from public.push_subscriptions where user_id = ${user.id}`;
  const before = [...(await versions())];
  await browser.open().sync();
  expect([...(await versions())]).toEqual(before);
});

test('offline, a load says what is known, and asks again when the network is back', async () => {
  const push = browser.open();
  await push.subscribe();
  await setKey(createVapidKey());
  browser.online = false;
  const later = browser.open();
  expect(await later.sync()).toBe('subscribed');
  const written = new Promise((resolve) => {
    const set = browser.store.set.bind(browser.store);
    browser.store.set = async (key, value) => {
      await set(key, value);
      if (key === 'vapid_key') resolve(value);
    };
  });
  browser.comeOnline();
  await written;
  expect(browser.subscribed).toBe(2);
});

test.each([['with Web Locks'], ['without']])(
  'many tabs that load at once register one device, %s',
  async (locks) => {
    await browser.open().subscribe();
    const { id } = (await browser.open().devices.list())[0] ?? {};
    await setKey(createVapidKey());
    if (locks === 'without') delete (browser.environment.navigator as { locks?: unknown }).locks;
    const tabs = Array.from({ length: locks === 'without' ? 1 : 4 }, () => browser.open());
    const calls = tabs.flatMap((tab) => [tab.sync(), tab.sync(), tab.sync()]);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['subscribed']));
    expect(browser.subscribed).toBe(2);
    expect((await rowsOf(user.id)).map((row) => row.id)).toEqual([id]);
  },
);

test('a user who subscribes in one tab is subscribed in the others', async () => {
  const [one, other] = [browser.open(), browser.open()];
  expect(await other.sync()).toBe('default');
  const told = new Promise((resolve) => other.onStatusChange(resolve));
  await one.subscribe();
  expect(await told).toBe('subscribed');
});

test('the service worker says that the subscription changed, and the page looks after it', async () => {
  const push = browser.open();
  await push.subscribe();
  const told = new Promise((resolve) => push.onStatusChange(resolve));
  browser.permission = 'denied';
  browser.tellPages({ type: 'supapush', event: 'subscription-changed' });
  expect(await told).toBe('denied');
});

test('what needs a session says so without one', async () => {
  const supabase = browser.createSupabase();
  const push = browser.open({}, supabase);
  expect(await clientRefusalOf(push.devices.list())).toMatchObject({ code: 'not_signed_in', status: 401 });
  expect(await clientRefusalOf(push.unsubscribe({ everywhere: true }))).toMatchObject({
    code: 'not_signed_in',
  });
  await signIn(supabase, user.email);
  expect(await push.devices.list()).toEqual([]);
});
