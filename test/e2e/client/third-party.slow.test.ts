import { createHmac, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { createPushClientIn } from '../../../src/device/client/create-push-client.ts';
import type { PushClient, PushClientOptions } from '../../../src/device/client/push-client.ts';
import { openStackState } from '../../../tools/local/stack-state.ts';
import { type ClientBrowser, createBrowser, signUp } from '../../support/client-browser.ts';
import { clientRefusalOf } from '../../support/client-refusal.ts';
import { eventually } from '../../support/eventually.ts';
import { useStack } from '../../support/stack.ts';

// Sessions of another provider: supabase-js is made with `accessToken`, and everything that is asked of `auth` throws.

let state = '';
const stack = useStack(async () => {
  state = await mkdtemp(join(tmpdir(), 'supapush-third-party-'));
  // PostgreSQL may run as another user.
  await chmod(state, 0o755);
  return { stateDirectory: state, functions: false, workers: { net: false, cron: false } };
});
let browser: ClientBrowser;
/** Who is signed in at the provider. */
let provider: { id: string | null; listeners: Set<(id: string | null) => void> };

beforeEach(() => {
  browser = createBrowser(stack());
  provider = { id: null, listeners: new Set() };
});
afterEach(() => browser.close());
afterAll(() => rm(state, { recursive: true, force: true }));

async function tokenOf(sub: string): Promise<string> {
  const { jwtSecret } = await openStackState(state);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, role: 'authenticated', aud: 'authenticated', exp })}`;
  return `${signed}.${createHmac('sha256', jwtSecret).update(signed).digest('base64url')}`;
}

const client = (): SupabaseClient =>
  createClient(stack().url, stack().publishableKey, {
    accessToken: async () => (provider.id ? await tokenOf(provider.id) : null),
    global: { fetch: browser.environment.fetch },
  });

const OPTIONS: PushClientOptions = {
  userId: () => provider.id,
  onUserChange: (listener) => {
    provider.listeners.add(listener);
    return () => provider.listeners.delete(listener);
  },
};

function become(id: string | null): void {
  provider.id = id;
  for (const listener of provider.listeners) listener(id);
}

const becomes = (push: PushClient, status: string) =>
  eventually(
    () => push.status,
    (now) => now === status,
  );

test('without options the client says which it needs, before anything else', () => {
  const { onUserChange } = OPTIONS;
  for (const options of [{}, { userId: () => null }, { onUserChange }] as PushClientOptions[]) {
    expect(() => browser.open(options, client())).toThrow(
      expect.objectContaining({
        code: 'session_unknown',
        hint: expect.stringMatching(/userId and onUserChange/),
      }),
    );
  }
});

test('a device is registered for the user of the provider, and everything else works for them', async () => {
  const { id } = await signUp(browser.createSupabase());
  provider.id = id;
  const push = browser.open(OPTIONS, client());
  expect(await push.sync()).toBe('default');
  const device = await push.subscribe();
  expect((await push.devices.list()).map((one) => one.id)).toEqual([device.id]);
  expect(await push.preferences.mute('news')).toMatchObject({ mutedCategories: ['news'] });
  expect(await push.inbox.page()).toEqual([]);
  expect(await push.sendTest()).toMatch(/^[0-9a-f-]{36}$/);
});

test('a user who signs out at the provider loses the device here, and the next user decides anew', async () => {
  const first = (await signUp(browser.createSupabase())).id;
  const second = (await signUp(browser.createSupabase())).id;
  provider.id = first;
  const push = browser.open(OPTIONS, client());
  const users: (string | null)[] = [];
  push.onUserChange((id) => users.push(id));
  await push.sync();
  await push.subscribe();
  become(null);
  await becomes(push, 'signed-out');
  expect(browser.subscription).toBeNull();
  become(second);
  await becomes(push, 'granted');
  become(first);
  await becomes(push, 'subscribed');
  expect(users).toEqual([null, second, first]);
});

test('what was done offline is made good for the user who did it', async () => {
  provider.id = (await signUp(browser.createSupabase())).id;
  const push = browser.open(OPTIONS, client());
  await push.sync();
  browser.online = false;
  await push.preferences.mute('news');
  browser.comeOnline();
  await push.sync();
  expect((await push.preferences.get()).mutedCategories).toEqual(['news']);
});

test('a page that does not know its user yet waits for the provider', async () => {
  const { id } = await signUp(browser.createSupabase());
  let ready: (id: string) => void = () => undefined;
  const loaded = new Promise<string>((resolve) => {
    ready = resolve;
  });
  const push = browser.open({ ...OPTIONS, userId: () => loaded }, client());
  const status = push.sync();
  provider.id = id;
  ready(id);
  expect(await status).toBe('default');
});

test('a sign-out is heard although the page never learnt who was signed in', async () => {
  provider.id = (await signUp(browser.createSupabase())).id;
  const before = browser.open(OPTIONS, client());
  await before.sync();
  await before.subscribe();
  before.dispose();
  let isAway = true;
  const userId = () => (isAway ? Promise.reject(new Error('There is no network.')) : provider.id);
  const push = browser.open({ ...OPTIONS, userId }, client());
  await push.sync().catch(() => undefined);
  isAway = false;
  become(null);
  await becomes(push, 'signed-out');
  expect(browser.subscription).toBeNull();
});

test('a server that renders pages does not hear the provider', () => {
  const onUserChange = () => {
    throw new Error('window is not defined');
  };
  expect(createPushClientIn(undefined, client(), { ...OPTIONS, onUserChange }).status).toBe('unknown');
});

test('signing out is the provider’s: the client says so and takes nothing away', async () => {
  provider.id = (await signUp(browser.createSupabase())).id;
  const push = browser.open(OPTIONS, client());
  await push.sync();
  await push.subscribe();
  expect((await clientRefusalOf(push.signOut())).code).toBe('session_elsewhere');
  expect(push.status).toBe('subscribed');
});

test('an id that is no uuid is refused by code, everywhere', async () => {
  provider.id = 'user_2NNEqL2nrIRdJ194ndJqAHwEfxC';
  const push = browser.open(OPTIONS, client());
  for (const call of [
    () => push.sync(),
    () => push.subscribe(),
    () => push.unsubscribe({ everywhere: true }),
    () => push.inbox.page(),
    () => push.preferences.set({ enabled: false }),
    () => push.topics.join('news'),
    () => push.alerts.create({ symbol: 'DAX', condition: 'above', threshold: 1 }),
    () => push.sendTest(),
    () => push.inbox.markAllRead(),
  ]) {
    const refusal = await clientRefusalOf(call());
    expect(refusal).toMatchObject({ code: 'user_id_not_uuid', status: 403 });
    expect(refusal.hint).toMatch(/claim sub/);
  }
});

test('an id without a user in auth.users is told as such', async () => {
  provider.id = randomUUID();
  const push = browser.open(OPTIONS, client());
  await push.sync();
  expect((await clientRefusalOf(push.subscribe())).code).toBe('user_unknown');
});
