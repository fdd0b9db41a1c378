import type { SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ClientBrowser, createBrowser, signIn, signUp } from '../../support/client-browser.ts';
import { eventually } from '../../support/eventually.ts';
import { type ReleaseRecorder, startReleaseRecorder } from '../../support/release-recorder.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ functions: false, workers: { net: false, cron: false } });
let sql: postgres.Sql;
let browser: ClientBrowser;
let recorder: ReleaseRecorder;
let user: { id: string; email: string };

beforeAll(() => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
});
afterAll(() => sql?.end());
beforeEach(async () => {
  recorder = await startReleaseRecorder();
  browser = createBrowser(stack());
  user = await signUp(browser.supabase);
});
afterEach(async () => {
  browser.close();
  await recorder.stop();
});

const open = () => browser.open({ functionsUrl: `${recorder.url}/` });
const becomes = (push: ReturnType<typeof open>, status: string) =>
  eventually(
    () => push.status,
    (now) => now === status,
  );
/** What proves this device, as the browser says it now. */
const proof = () => {
  const { endpoint, keys } = browser.subscription?.toJSON() ?? {};
  return { release: { endpoint, p256dh: keys?.p256dh, auth: keys?.auth } };
};

test('signing out releases the device by its keys, and ends the subscription in the browser', async () => {
  const push = open();
  await push.subscribe();
  const expected = proof();
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  expect(recorder.bodies).toEqual([expected]);
  expect(browser.subscription).toBeNull();
  expect(await browser.store.get('pending_release')).toBeUndefined();
  expect(await browser.store.get('subscription')).toBeUndefined();
});

test('a user who signs in again has the device again; another user is not registered without being asked', async () => {
  const push = open();
  await push.subscribe();
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  const other = await signUp(browser.createSupabase());
  await signIn(browser.supabase, other.email);
  await becomes(push, 'granted');
  expect(browser.subscription).toBeNull();
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  await signIn(browser.supabase, user.email);
  await becomes(push, 'subscribed');
  expect((await push.devices.list()).map(({ current }) => current)).toContain(true);
});

test('signing out and in again brings no device back that its user has removed elsewhere', async () => {
  const push = open();
  const device = await push.subscribe();
  const phone = createBrowser(stack());
  await signIn(phone.supabase, user.email);
  await phone.open().devices.remove(device.id);
  phone.close();
  await browser.supabase.auth.signOut({ scope: 'local' });
  await becomes(push, 'signed-out');
  await signIn(browser.supabase, user.email);
  await becomes(push, 'granted');
  expect([browser.subscription, await push.devices.list()]).toEqual([null, []]);
  await push.subscribe();
  expect(await push.sync()).toBe('subscribed');
});

test('offline, the browser forgets at once, and the project is told when the network is back', async () => {
  const push = open();
  await push.subscribe();
  const expected = proof();
  browser.online = false;
  await browser.supabase.auth.signOut({ scope: 'local' });
  await becomes(push, 'signed-out');
  expect(browser.subscription).toBeNull();
  expect(recorder.bodies).toEqual([]);
  expect(await browser.store.get('pending_release')).toEqual(expected.release);
  browser.comeOnline();
  await eventually(
    () => recorder.bodies,
    (bodies) => bodies.length === 1,
  );
  expect(recorder.bodies).toEqual([expected]);
});

test.each([
  [503, true],
  [408, true],
  [429, true],
  [404, false],
  [400, false],
])('an answer of %i is worth another try: %s', async (status, again) => {
  const push = open();
  await push.subscribe();
  recorder.status = status;
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  expect((await browser.store.get('pending_release')) !== undefined).toBe(again);
  recorder.status = 200;
  const tried = recorder.bodies.length;
  await open().sync();
  expect(recorder.bodies.length - tried).toBe(again ? 1 : 0);
  expect(await browser.store.get('pending_release')).toBeUndefined();
});

test('a page that loads without a session releases what was left behind', async () => {
  await open().subscribe();
  browser.close();
  const expected = proof();
  const push = browser.open({ functionsUrl: recorder.url }, browser.createSupabase());
  expect(await push.sync()).toBe('signed-out');
  expect(recorder.bodies).toEqual([expected]);
  expect(browser.subscription).toBeNull();
});

test('a tab that hears late of a sign-out leaves the next user the device', async () => {
  // The session is that of the browser; what this tab hears of it is up to the test.
  const { auth } = browser.supabase;
  let hear: (event: string, session: unknown) => void = () => undefined;
  const late: SupabaseClient = Object.assign(Object.create(browser.supabase), {
    auth: {
      getSession: () => auth.getSession(),
      onAuthStateChange: (callback: typeof hear) => {
        hear = callback;
        return { data: { subscription: { unsubscribe: () => undefined } } };
      },
    },
  });
  const tab = browser.open({ functionsUrl: recorder.url }, late);
  hear('INITIAL_SESSION', (await auth.getSession()).data.session);
  const push = open();
  await push.subscribe();
  await auth.signOut({ scope: 'local' });
  await becomes(push, 'signed-out');
  const second = await signUp(browser.supabase);
  await becomes(push, 'granted');
  await push.subscribe();
  await becomes(tab, 'subscribed');
  const endpoint = browser.subscription?.endpoint;
  const bodies = recorder.bodies.length;
  hear('SIGNED_OUT', null);
  await new Promise((resolve) => setTimeout(resolve));
  await tab.sync();
  expect([browser.subscription?.endpoint, recorder.bodies.length]).toEqual([endpoint, bodies]);
  const rows = await sql`select endpoint from public.push_subscriptions where user_id = ${second.id}`;
  expect([...rows]).toEqual([{ endpoint }]);
});

test('unsubscribing offline is made good later', async () => {
  const push = open();
  await push.subscribe();
  const expected = proof();
  browser.online = false;
  await push.unsubscribe();
  expect([browser.subscription, push.status]).toEqual([null, 'granted']);
  browser.online = true;
  expect(await push.sync()).toBe('granted');
  expect(recorder.bodies).toEqual([expected]);
});

test('a client that was disposed of hears nothing', async () => {
  const push = open();
  await push.subscribe();
  push.dispose();
  await browser.supabase.auth.signOut();
  const other = open();
  expect(await other.sync()).toBe('signed-out');
  expect(push.status).toBe('subscribed');
});

const CLEAR = { type: 'supapush', event: 'clear' };

test('what is shown is taken from the screen at sign-out, offline too, when the device is taken back, and when it changes hands', async () => {
  const push = open();
  await push.subscribe();
  await push.sync();
  expect(browser.toldWorker).toEqual([]);
  await push.unsubscribe();
  expect(browser.toldWorker.splice(0)).toEqual([CLEAR]);

  await push.subscribe();
  browser.online = false;
  await browser.supabase.auth.signOut({ scope: 'local' });
  await becomes(push, 'signed-out');
  expect(browser.toldWorker.splice(0)).toContainEqual(CLEAR);
  browser.comeOnline();

  await signIn(browser.supabase, user.email);
  await becomes(push, 'subscribed');
  const other = await signUp(browser.createSupabase());
  browser.toldWorker.length = 0;
  await signIn(browser.supabase, other.email);
  await becomes(push, 'subscribed');
  expect(browser.toldWorker.splice(0)).toEqual([CLEAR]);
  await push.sync();
  expect(browser.toldWorker).toEqual([]);
});

test('notifications on a device that its user removed elsewhere are taken from the screen', async () => {
  const push = open();
  const device = await push.subscribe();
  const phone = createBrowser(stack());
  await signIn(phone.supabase, user.email);
  await phone.open().devices.remove(device.id);
  phone.close();
  expect(await push.sync()).toBe('granted');
  expect(browser.toldWorker).toEqual([CLEAR]);
});

test('a subscription that the browser does not end keeps nothing on the screen', async () => {
  const push = open();
  await push.subscribe();
  if (browser.subscription) browser.subscription.unsubscribe = () => Promise.reject(new Error('Not now.'));
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  expect(browser.toldWorker).toContainEqual(CLEAR);
});

const isSignedIn = async () => (await browser.supabase.auth.getSession()).data.session !== null;

test('supabase-js alone keeps whom it cannot sign out at the server; the client signs them out here in any case', async () => {
  const push = open();
  await push.subscribe();
  const expected = proof();
  browser.online = false;
  // Why the client does it itself: this is what an app's own sign-out ends with.
  expect((await browser.supabase.auth.signOut()).error?.name).toBe('AuthRetryableFetchError');
  expect([await isSignedIn(), push.status]).toEqual([true, 'subscribed']);

  expect(await push.signOut()).toBe(false);
  expect([await isSignedIn(), push.status, browser.subscription]).toEqual([false, 'signed-out', null]);
  expect(browser.toldWorker).toContainEqual(CLEAR);
  browser.comeOnline();
  await eventually(
    () => recorder.bodies,
    (bodies) => bodies.length === 1,
  );
  expect(recorder.bodies).toEqual([expected]);
});

test('online, the session ends at the server too, and the device is released by the time it says so', async () => {
  const other = createBrowser(stack());
  await signIn(other.supabase, user.email);
  const push = open();
  await push.subscribe();
  const expected = proof();
  const { data } = await browser.supabase.auth.getSession();
  expect(await push.signOut()).toBe(true);
  expect([await isSignedIn(), push.status]).toEqual([false, 'signed-out']);
  expect(recorder.bodies).toEqual([expected]);
  // On other devices as well, as supabase-js does it unless told otherwise.
  const refreshed = await browser.supabase.auth.refreshSession({
    refresh_token: data.session?.refresh_token ?? '',
  });
  expect(refreshed.error).not.toBeNull();
  expect((await other.supabase.auth.refreshSession()).error).not.toBeNull();
});

test('the scope local leaves the user signed in elsewhere', async () => {
  const other = createBrowser(stack());
  await signIn(other.supabase, user.email);
  expect(await open().signOut({ scope: 'local' })).toBe(true);
  expect(await isSignedIn()).toBe(false);
  expect((await other.supabase.auth.refreshSession()).error).toBeNull();
});

test('a session that earlier versions of supabase-js keep is ended all the same', async () => {
  const push = open();
  await push.subscribe();
  browser.online = false;
  const { auth } = browser.supabase;
  // Until 2.10x, `local` asked the server first as well.
  const error = Object.assign(new Error('fetch failed'), { name: 'AuthRetryableFetchError' });
  auth.signOut = (async () => ({ error })) as never;
  expect(await push.signOut()).toBe(false);
  expect([await isSignedIn(), push.status]).toEqual([false, 'signed-out']);
});

test('a user who is not signed in signs out without an error', async () => {
  const push = browser.open({ functionsUrl: recorder.url }, browser.createSupabase());
  expect(await push.signOut()).toBe(true);
  expect(push.status).toBe('signed-out');
});
