import { expect, test } from 'vitest';
import type { KnownSubscription } from '../../src/browser/push-store.ts';
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
  toJSON: () => ({ endpoint: '${endpoint}', keys: { p256dh: '${p256dh}', auth: '${auth}' } }),
})`;

interface Browser {
  /** What `getSubscription()` says. */
  current?: KnownSubscription;
  /** What `subscribe()` makes; it fails without. */
  next?: KnownSubscription;
}

/** This Chromium has no push service to subscribe to, so that alone is played. */
async function installWith({ current, next }: Browser, setup: WorkerSetup = {}): Promise<PushWorker> {
  const worker = await install(setup);
  await worker.run(`(() => {
    self.subscribed = [];
    PushManager.prototype.getSubscription = async () => ${current ? subscription(current) : 'null'};
    PushManager.prototype.subscribe = async (options) => {
      subscribed.push(options);
      ${next ? `return ${subscription(next)};` : `throw new DOMException('denied', 'NotAllowedError');`}
    };
  })()`);
  return worker;
}

const change = (worker: PushWorker, from?: KnownSubscription, to?: KnownSubscription): Promise<void> =>
  worker.dispatch(`Object.assign(new ExtendableEvent('pushsubscriptionchange'), {
    oldSubscription: ${from ? subscription(from) : 'null'}, newSubscription: ${to ? subscription(to) : 'null'},
  })`);

const heard = (worker: PushWorker): Promise<unknown> => worker.page.evaluate('heard.at(-1)');
const registered = (worker: PushWorker): Promise<unknown> => worker.store(`store.get('subscription')`);

test('the browser gives old and new: the project is told, and so are the pages', async () => {
  const worker = await installWith({});
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
