import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ClientBrowser, createBrowser, signIn, signUp } from '../../support/client-browser.ts';
import { eventually } from '../../support/eventually.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ functions: false, workers: { net: false, cron: false } });
let browser: ClientBrowser;
let anna: { id: string; email: string };
let ben: { id: string; email: string };

beforeEach(async () => {
  browser = createBrowser(stack());
  anna = await signUp(browser.supabase);
  ben = await signUp(browser.createSupabase());
});
afterEach(() => browser.close());

/** A client that has synced, and all it says from then on, in its order. */
async function listening(onError?: (error: Error) => void) {
  const push = browser.open({ functionsUrl: '', ...(onError && { onError }) });
  await push.sync();
  const said: unknown[] = [];
  push.onUserChange((userId) => said.push({ userId, status: push.status }));
  push.onStatusChange((status) => said.push(status));
  return { push, said };
}
const becomes = (push: { status: string }, status: string) =>
  eventually(
    () => push.status,
    (now) => now === status,
  );

test('the sign-in of another user is said at once, with a status that is not the previous user\u2019s', async () => {
  const { push, said } = await listening();
  await push.subscribe();
  said.length = 0;
  await signIn(browser.supabase, ben.email);
  expect(said.slice(0, 2)).toEqual(['unknown', { userId: ben.id, status: 'unknown' }]);
  // The device was left to them.
  await becomes(push, 'subscribed');
});

test('signing out is said too; the same user signing in once more is no change', async () => {
  const { push, said } = await listening();
  await signIn(browser.supabase, anna.email);
  expect(said).toEqual([]);
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  await signIn(browser.supabase, ben.email);
  await becomes(push, 'default');
  expect(said).toEqual([
    'unknown',
    { userId: null, status: 'unknown' },
    'signed-out',
    'unknown',
    { userId: ben.id, status: 'unknown' },
    'default',
  ]);
});

test('a listener that was removed hears nothing', async () => {
  const { push } = await listening();
  const heard: unknown[] = [];
  push.onUserChange((userId) => heard.push(userId))();
  await signIn(browser.supabase, ben.email);
  expect(heard).toEqual([]);
});

test('when the next user cannot be synced, the status is not the previous user’s', async () => {
  const reports: Error[] = [];
  const { push } = await listening((error) => reports.push(error));
  await push.subscribe();
  browser.permission = 'granted';
  const { subscription } = browser;
  browser.subscription = null;
  browser.troubles.push(...Array.from({ length: 3 }, () => new Error('No push service.')));
  await signIn(browser.supabase, ben.email);
  await eventually(
    () => reports.length,
    (count) => count > 0,
  );
  expect([push.status, (reports[0] as { code?: string }).code]).toEqual(['unknown', 'subscribe_failed']);
  browser.subscription = subscription;
});

test('when the sign-out cannot be completed on the device, the user is signed out all the same', async () => {
  const reports: Error[] = [];
  const { push } = await listening((error) => reports.push(error));
  await push.subscribe();
  const { subscription } = browser;
  if (subscription) subscription.unsubscribe = () => Promise.reject(new Error('Not now.'));
  await browser.supabase.auth.signOut();
  await becomes(push, 'signed-out');
  expect(reports.map(({ message }) => message)).toContain('Not now.');
});

test('what was found out for the previous user is not said of the next', async () => {
  const { push, said } = await listening();
  await push.subscribe();
  said.length = 0;
  // Its sync() is about to say "subscribed" when another user signs in, and the permission is taken back.
  const { set } = browser.store;
  browser.store.set = async (key, value) => {
    await set(key, value);
    if (key !== 'vapid_key') return;
    browser.store.set = set;
    await signIn(browser.supabase, ben.email);
    browser.permission = 'denied';
  };
  expect(await push.sync()).toBe('denied');
  expect(said).toEqual(['unknown', { userId: ben.id, status: 'unknown' }, 'denied']);
});
