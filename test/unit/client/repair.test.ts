import { expect, test } from 'vitest';
import { createContext } from '../../../src/device/client/client-context.ts';
import type { Browser } from '../../../src/device/client/device-state.ts';
import type { ProjectState, Repair, SessionState } from '../../../src/device/client/diagnose.ts';
import type { PushEnvironment } from '../../../src/device/client/environment.ts';
import { createMemoryStore } from '../../../src/device/client/memory-store.ts';
import { repair } from '../../../src/device/client/repair.ts';
import type { PushSettings } from '../../../src/device/shared/push-store.ts';

const KEYS = { endpoint: 'https://push.example/1', p256dh: 'p', auth: 'a' };
const NEW_KEYS = { ...KEYS, endpoint: 'https://push.example/2' };
const KEY = 'BAEC';
const ROW = { id: 'r', device_name: null, endpoint: KEYS.endpoint, vapid_key: KEY, user_agent: 'Firefox' };

/** A device of Anna's that is registered, and what is done to it from now on, in its order. */
async function createDevice() {
  const done: string[] = [];
  const subscriptionOf = (keys: typeof KEYS) =>
    ({
      endpoint: keys.endpoint,
      expirationTime: null,
      toJSON: () => ({ endpoint: keys.endpoint, keys }),
      unsubscribe: async () => done.push('unsubscribe'),
    }) as unknown as PushSubscription;

  const store = createMemoryStore();
  const known = { ...KEYS, vapid_key: KEY };
  await store.set('subscription', known);
  await store.set('user_id', 'anna');
  const settings = async () => {
    const names: (keyof PushSettings)[] = ['subscription', 'user_id', 'released_endpoint', 'pending_release'];
    const values = await Promise.all(names.map(async (name) => [name, await store.get(name)]));
    return Object.fromEntries(values.filter(([, value]) => value !== undefined));
  };

  // A query of supabase-js that notes what it was.
  const query = (steps: string[]): object => {
    const then = (step?: string) => query(step === undefined ? steps : [...steps, step]);
    return {
      steps,
      update: (row: typeof KEYS) => then(`update to ${row.endpoint}`),
      upsert: (row: typeof KEYS) => then(`upsert ${row.endpoint}`),
      delete: () => then('delete'),
      eq: (column: string, value: string) => then(`where ${column} = ${value}`),
      select: () => then(),
      single: () => then(),
      maybeSingle: () => then(),
    };
  };
  const project = {
    eventsUrl: 'https://project.example/functions/v1/push-events',
    from: () => query([]),
    data: async (query: { steps: string[] }) => {
      done.push(query.steps.join(' '));
      return ROW;
    },
  };
  const environment = {
    navigator: { userAgent: 'Firefox' },
    openPushStore: async () => store,
    fetch: async (_url: string, { body }: { body: string }) => {
      done.push(`post ${body}`);
      return Response.json({});
    },
  } as unknown as PushEnvironment;
  const registration = {
    active: { postMessage: ({ event }: { event: string }) => done.push(`tell ${event}`) },
    pushManager: {
      subscribe: async () => {
        done.push('subscribe');
        return subscriptionOf(NEW_KEYS);
      },
    },
  } as unknown as ServiceWorkerRegistration;
  const browser: Browser = {
    permission: 'granted',
    userAgent: 'Firefox',
    registration,
    subscription: subscriptionOf(KEYS),
  };
  const context = createContext(environment, project as never, {});
  const run = (diagnosis: Repair, session: SessionState, answer?: ProjectState) =>
    repair(
      context,
      diagnosis,
      browser,
      { subscription: known, releasedEndpoint: undefined, userId: 'anna' },
      answer,
      session,
    );
  return { run, done, settings };
}

const ANNA: SessionState = { userId: 'anna' };
const ANSWER: ProjectState = { vapidKey: KEY, row: 'none' };
const RELEASE = `post ${JSON.stringify({ release: KEYS })}`;
const KNOWN = { ...KEYS, vapid_key: KEY };
const NEW_KNOWN = { ...NEW_KEYS, vapid_key: KEY };

test.each<Repair>(['nothing', 'ask'])('%s: nothing is touched', async (diagnosis) => {
  const { run, done, settings } = await createDevice();
  const before = await settings();
  expect(await run(diagnosis, ANNA)).toBeUndefined();
  expect([done, await settings()]).toEqual([[], before]);
});

test('hand-over: the screen is cleared, and the rest waits for the project', async () => {
  const { run, done, settings } = await createDevice();
  await run('hand-over', { userId: 'ben' });
  expect([done, await settings()]).toEqual([['tell clear'], { subscription: KNOWN, user_id: 'anna' }]);
});

test('release: the subscription ends and the screen is cleared before anything is asked of the network', async () => {
  const { run, done, settings } = await createDevice();
  await run('release', { userId: null });
  expect(done).toEqual(['unsubscribe', 'tell clear', RELEASE]);
  // Whose it was is kept: they get it again when they sign in.
  expect(await settings()).toEqual({ user_id: 'anna', released_endpoint: KEYS.endpoint });
});

test('give-up: the row is deleted by the session, and the user forgotten', async () => {
  const { run, done, settings } = await createDevice();
  await run('give-up', ANNA);
  expect(done).toEqual(['unsubscribe', 'tell clear', `delete where endpoint = ${KEYS.endpoint}`]);
  expect(await settings()).toEqual({});
});

test('delete: the row goes, and the user gets the device again with the permission', async () => {
  const { run, done, settings } = await createDevice();
  await run('delete', ANNA);
  expect(done).toEqual(['tell clear', `delete where endpoint = ${KEYS.endpoint}`]);
  expect(await settings()).toEqual({ user_id: 'anna' });
});

test('keep: the store takes note, and nothing else happens', async () => {
  const { run, done, settings } = await createDevice();
  const row = { id: 'r' } as never;
  expect(await run('keep', { userId: 'ben' }, { vapidKey: KEY, row })).toBe(row);
  expect([done, await settings()]).toEqual([[], { subscription: KNOWN, user_id: 'ben' }]);
});

test('write: the row is written for the user who is signed in', async () => {
  const { run, done, settings } = await createDevice();
  expect(await run('write', { userId: 'ben' }, ANSWER)).toMatchObject({ id: 'r', vapidKey: KEY });
  expect(done).toEqual([`upsert ${KEYS.endpoint}`]);
  expect(await settings()).toEqual({ subscription: KNOWN, user_id: 'ben' });
});

test('subscribe: the old subscription ends, and its row moves along to the new one', async () => {
  const { run, done, settings } = await createDevice();
  expect(await run('subscribe', ANNA, ANSWER)).toMatchObject({ id: 'r' });
  expect(done).toEqual([
    'unsubscribe',
    'subscribe',
    `update to ${NEW_KEYS.endpoint} where endpoint = ${KEYS.endpoint}`,
  ]);
  expect(await settings()).toEqual({ subscription: NEW_KNOWN, user_id: 'anna' });
});
