import { describe, expect, test } from 'vitest';
import type { KnownSubscription } from '../../src/device/shared/push-store.ts';
import { eventually } from '../support/eventually.ts';
import { type PushWorker, usePushWorker, type WorkerSetup } from './support/use-push-worker.ts';

const install = usePushWorker();

const known = (name: string): KnownSubscription => ({
  endpoint: `https://push.example/${name}`,
  p256dh: `p-${name}`,
  auth: `a-${name}`,
  vapid_key: 'AQID',
});
const REMOVED = { ...known('x'), endpoint: 'https://permanently-removed.invalid/fcm/send/x' };

const keysOf = ({ endpoint, p256dh, auth }: KnownSubscription): object => ({ endpoint, p256dh, auth });

/** A `PushSubscription` as the browser has it. */
const subscription = ({ endpoint, p256dh, auth }: KnownSubscription): string => `({
  endpoint: '${endpoint}',
  options: { applicationServerKey: new Uint8Array([1, 2, 3]).buffer },
  unsubscribe: async () => { self.current = null; return true; },
  toJSON: () => ({ endpoint: '${endpoint}', keys: { p256dh: '${p256dh}', auth: '${auth}' } }),
})`;

interface Browser {
  /** What `getSubscription()` says. */
  current?: KnownSubscription;
  /** What `subscribe()` makes; it fails without. */
  next?: KnownSubscription;
}

/**
 * This Chromium has no push service to subscribe to, so that is played. A sync of the browser's own would come at any time, so it
 * is not asked for one.
 */
async function installWith({ current, next }: Browser, setup: WorkerSetup = {}): Promise<PushWorker> {
  const worker = await install(setup);
  await worker.run(`(() => {
    SyncManager.prototype.register = async () => undefined;
    self.subscribed = [];
    self.current = ${current ? subscription(current) : 'null'};
    PushManager.prototype.getSubscription = async () => current;
    PushManager.prototype.subscribe = async (options) => {
      subscribed.push(options);
      ${next ? `return (current = ${subscription(next)});` : `throw new DOMException('denied', 'NotAllowedError');`}
    };
  })()`);
  return worker;
}

/** What a page does to the store, as an expression in the worker. */
const changeStore = (call: string): string => `new Promise((resolve) => {
  const opening = indexedDB.open('supapush');
  opening.onsuccess = () => {
    const transaction = opening.result.transaction('settings', 'readwrite');
    transaction.objectStore('settings').${call};
    transaction.oncomplete = () => (opening.result.close(), resolve());
  };
})`;

const change = (worker: PushWorker, from?: KnownSubscription, to?: KnownSubscription): Promise<void> =>
  worker.dispatch(`Object.assign(new ExtendableEvent('pushsubscriptionchange'), {
    oldSubscription: ${from ? subscription(from) : 'null'}, newSubscription: ${to ? subscription(to) : 'null'},
  })`);

const heard = (worker: PushWorker): Promise<unknown> => worker.told('subscription-changed');
const registered = (worker: PushWorker): Promise<unknown> => worker.store(`store.get('subscription')`);

test('the browser gives old and new: the project is told, and so are the pages', async () => {
  const worker = await installWith({ current: known('new') });
  await change(worker, known('old'), known('new'));
  expect(worker.app.posted).toEqual([{ resubscribe: { old: keysOf(known('old')), new: known('new') } }]);
  expect(await registered(worker)).toEqual(known('new'));
  expect(await heard(worker)).toEqual({ type: 'supapush', event: 'subscription-changed', registered: true });
  expect(await worker.run('subscribed')).toEqual([]);
});

test('the browser gives nothing: the old one is in the store, and the worker subscribes with the key there', async () => {
  const settings = { subscription: known('old'), vapid_key: 'project-key' };
  const worker = await installWith({ next: known('new') }, { settings });
  await change(worker);
  expect(await worker.run('subscribed')).toEqual([
    { userVisibleOnly: true, applicationServerKey: 'project-key' },
  ]);
  expect(worker.app.posted).toEqual([{ resubscribe: { old: keysOf(known('old')), new: known('new') } }]);
  expect(await registered(worker)).toEqual(known('new'));
});

test('a key that the store has not is asked of the project', async () => {
  const worker = await installWith({ next: known('new') });
  worker.app.vapidKey = 'asked-key';
  await change(worker, known('old'));
  expect(await worker.run('subscribed')).toEqual([
    { userVisibleOnly: true, applicationServerKey: 'asked-key' },
  ]);
  expect(await registered(worker)).toEqual(known('new'));
});

test('what was registered counts, not what the browser had since', async () => {
  const worker = await installWith({}, { settings: { subscription: known('registered') } });
  await change(worker, known('never told'), known('new'));
  expect(worker.app.posted).toEqual([
    { resubscribe: { old: keysOf(known('registered')), new: known('new') } },
  ]);
});

test('where the project does not know the one, the other is tried, and then a page has to do it', async () => {
  const worker = await installWith({}, { settings: { subscription: known('registered') } });
  worker.app.answer = 404;
  await change(worker, known('old'), known('new'));
  expect(worker.app.posted).toEqual([
    { resubscribe: { old: keysOf(known('registered')), new: known('new') } },
    { resubscribe: { old: keysOf(known('old')), new: known('new') } },
  ]);
  expect(await heard(worker)).toMatchObject({ event: 'subscription-changed', registered: false });
  expect(await registered(worker)).toEqual(known('registered'));
});

test('an endpoint that never works is not taken', async () => {
  const worker = await installWith({ next: known('new') }, { settings: { vapid_key: 'k' } });
  await change(worker, known('old'), REMOVED);
  expect(worker.app.posted).toEqual([{ resubscribe: { old: keysOf(known('old')), new: known('new') } }]);
});

test('a browser that no longer allows push is told to the pages', async () => {
  const worker = await installWith({}, { settings: { vapid_key: 'k' } });
  await change(worker, known('old'));
  expect(worker.app.posted).toEqual([]);
  expect(await heard(worker)).toMatchObject({ event: 'subscription-changed', registered: false });
});

test.each([
  ['registered one', { subscription: known('old') }, undefined],
  ['one that only the browser knew', {}, known('old')],
])('a project that is not reached is told of a %s later', async (_, settings, from) => {
  const worker = await installWith({ current: known('new') }, { settings });
  worker.app.answer = 'unreachable';
  await change(worker, from, known('new'));
  expect(await heard(worker)).toMatchObject({ registered: false });
  const sync = (): Promise<void> => worker.dispatch(`new SyncEvent('sync', { tag: 'supapush' })`);
  await expect(sync()).rejects.toThrow('not everything could be sent');

  worker.app.answer = 200;
  worker.app.posted.length = 0;
  await worker.deliver('{"notification":{"title":"Hi"}}');
  await eventually(
    () => registered(worker),
    (now) => (now as KnownSubscription).endpoint === known('new').endpoint,
  );
  expect(worker.app.posted).toEqual([{ resubscribe: { old: keysOf(known('old')), new: known('new') } }]);
  await sync();
  expect(worker.app.posted).toHaveLength(1);
});

test('what a page has registered meanwhile is not told again', async () => {
  const settings = { subscription: known('new'), pending_resubscribe: true };
  const worker = await installWith({ current: known('new') }, { settings });
  await worker.dispatch(`new SyncEvent('sync', { tag: 'supapush' })`);
  expect(worker.app.posted).toEqual([]);
  expect(await worker.store(`store.get('pending_resubscribe')`)).toBeUndefined();
});

test('without storage the change is still followed', async () => {
  const worker = await installWith({ next: known('new') });
  await worker.run(`(() => {
    IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); };
    supapush.installPush(self, { eventsUrl: ${JSON.stringify(worker.app.eventsUrl)} });
  })()`);
  worker.app.vapidKey = 'asked-key';
  await change(worker, known('old'));
  expect(worker.app.posted).toEqual([{ resubscribe: { old: keysOf(known('old')), new: known('new') } }]);
});

describe('its user signs out on a page while the project is told', () => {
  const old = known('old');
  /** What the page does to the store, with its lock, when the worker's request has been answered. */
  const signOutDuring = (worker: PushWorker, keepsLock: boolean): Promise<void> =>
    worker.run(`(() => {
      const { fetch } = self;
      self.fetch = async (...request) => {
        self.fetch = fetch;
        const answer = await fetch(...request).catch((error) => error);
        let holding;
        const held = new Promise((resolve) => (holding = resolve));
        const signedOut = navigator.locks.request('supapush device', async () => {
          holding();
          // In the middle of signing out when the worker goes on, and waits.
          const waits = async () => (await navigator.locks.query()).pending.length > 0;
          if (${keepsLock}) for (let looks = 0; looks < 1000 && !(await waits()); looks++);
          await ${changeStore(`delete('subscription')`)};
        });
        await (${keepsLock} ? held : signedOut);
        if (answer instanceof Error) throw answer;
        return answer;
      };
    })()`);

  test.each([
    [200, false],
    [200, true],
    [404, false],
    ['unreachable', false],
  ] as const)(
    'answered %s (page still at it: %s): nothing is left for the next user',
    async (answer, keeps) => {
      const settings = { subscription: old };
      const worker = await installWith({ next: known('new') }, { settings: { ...settings, vapid_key: 'k' } });
      worker.app.answer = answer;
      await signOutDuring(worker, keeps);
      await change(worker, old);
      expect(await registered(worker)).toBeUndefined();
      expect(await worker.store(`store.get('pending_resubscribe')`)).toBeUndefined();
      expect(await worker.run('current')).toBeNull();
      expect(await heard(worker)).toMatchObject({ event: 'subscription-changed', registered: false });
      // The project has given the row the new address, after the page had it release the old one.
      expect(worker.app.posted.slice(1)).toEqual(answer === 200 ? [{ release: keysOf(known('new')) }] : []);
    },
  );

  test('a device that was never noted is not noted either once the browser has given it up', async () => {
    const worker = await installWith({});
    await change(worker, old, known('new'));
    expect(await registered(worker)).toBeUndefined();
  });
});

test('what a page has registered while the project was told stays', async () => {
  const worker = await installWith({ current: known('new') }, { settings: { subscription: known('old') } });
  const put = `put(${JSON.stringify(known('of the page'))}, 'subscription')`;
  await worker.run(`(() => {
    const { fetch } = self;
    self.fetch = async (...request) => {
      const answer = await fetch(...request);
      await ${changeStore(put)};
      return answer;
    };
  })()`);
  await change(worker, known('old'), known('new'));
  expect(await registered(worker)).toEqual(known('of the page'));
});
