import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { createContext } from '../../../src/device/client/client-context.ts';
import type { PushEnvironment } from '../../../src/device/client/environment.ts';
import { listenToBrowser } from '../../../src/device/client/listen-to-browser.ts';
import { createMemoryStore } from '../../../src/device/client/memory-store.ts';
import { startRelease } from '../../../src/device/client/release.ts';
import { createSignal } from '../../../src/device/client/signal.ts';
import { requirePushHandler, tellWorker } from '../../../src/device/client/worker-messages.ts';
import { installPush } from '../../../src/device/service-worker/install-push.ts';
import type { WorkerScope, WorkerWindow } from '../../../src/device/service-worker/worker-scope.ts';
import { WorkerState } from '../../../src/device/service-worker/worker-state.ts';
import type { ReadableMessage } from '../../../src/server/functions/device-message.ts';
import { readDeviceMessage } from '../../../src/server/functions/device-message.ts';
import { provenReceipts, type ReadableReceipt } from '../../../src/server/functions/proven-receipts.ts';
import { createBodyReader } from '../../../src/server/functions/read-body.ts';
import type { DeviceMessage, DeviceReceipt } from '../../../src/shared/device-message.ts';
import { eventually } from '../../support/eventually.ts';

// The real code of page, worker and function, and between them nothing but what a browser and a network carry.

const APP = 'https://app.example/';
const EVENTS_URL = 'https://project.example/functions/v1/push-events';
const KEYS = { endpoint: 'https://push.example/1', p256dh: 'p256dh', auth: 'auth' };

afterEach(() => vi.unstubAllGlobals());

/** One browser with a page and a worker of ours. */
function createBrowser() {
  const holders = new Map<string, Promise<unknown>>();
  const locks = {
    request<T>(name: string, work: () => Promise<T>): Promise<T> {
      const held = (holders.get(name) ?? Promise.resolve()).then(work);
      holders.set(name, held);
      return held;
    },
  };
  const page = new EventTarget();
  const workerEvents = new EventTarget();
  const moves: string[] = [];
  const closed: string[] = [];
  const notification = {
    data: { supapush: { notification_id: '7', receipt: '1.a', navigate: '/deals/7' } },
    close: () => void closed.push('7'),
  };
  const work: Promise<unknown>[] = [];

  const dispatch = async (type: string, members: object): Promise<void> => {
    const event = Object.assign(new Event(type), { waitUntil: (of: Promise<unknown>) => work.push(of) });
    for (const [name, value] of Object.entries(members)) Object.defineProperty(event, name, { value });
    workerEvents.dispatchEvent(event);
    await Promise.all(work.splice(0));
  };
  const active = {
    scriptURL: `${APP}sw.js`,
    postMessage: (data: unknown, ports: MessagePort[] = []) =>
      void dispatch('message', { data: structuredClone(data), ports }),
  };
  const registration = {
    active,
    scope: APP,
    getNotifications: async () => (closed.length > 0 ? [] : [notification]),
    pushManager: { getSubscription: async () => null },
  } as unknown as ServiceWorkerRegistration;
  const window: WorkerWindow = {
    id: 'page',
    url: `${APP}inbox`,
    focus: async () => void moves.push('focus'),
    navigate: async (url) => void moves.push(`navigate ${url}`),
    postMessage: (data: unknown, ports: MessagePort[] = []) =>
      void page.dispatchEvent(
        Object.defineProperty(new MessageEvent('message', { data: structuredClone(data) }), 'ports', {
          value: ports,
        }),
      ),
  };
  const scope: WorkerScope = {
    location: { href: active.scriptURL, hostname: 'app.example' },
    navigator: { locks },
    registration,
    clients: {
      matchAll: async () => [window],
      openWindow: async (url) => void moves.push(`open ${url}`),
      claim: async () => undefined,
    },
    // Refused, as in a private window: what is to be sent stays in the worker's memory.
    indexedDB: undefined as unknown as IDBFactory,
    skipWaiting: async () => undefined,
    addEventListener: (type, listener) => workerEvents.addEventListener(type, listener),
  };
  const environment = {
    navigator: {
      userAgent: '',
      locks,
      serviceWorker: {
        getRegistration: async () => registration,
        addEventListener: page.addEventListener.bind(page),
        removeEventListener: page.removeEventListener.bind(page),
      },
    },
    location: { href: APP },
    document: { hidden: true },
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    openPushStore: async () => store,
    fetch: (url: string, init: RequestInit) => fetch(url, init),
  } as unknown as PushEnvironment;
  const store = createMemoryStore();
  const session = { listen: () => () => undefined };
  const context = createContext(environment, { session, eventsUrl: EVENTS_URL } as never, {});
  return { scope, registration, notification, context, locks, moves, closed, dispatch };
}

/** What was posted to `push-events`, as the function reads it. */
function recordPosts(): DeviceMessage<unknown>[] {
  const messages: DeviceMessage<unknown>[] = [];
  const readBody = createBodyReader();
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    expect(url).toBe(EVENTS_URL);
    const { signal: _, ...rest } = init;
    messages.push(await readDeviceMessage(new Request(url, rest), readBody));
    return Response.json({});
  });
  return messages;
}

describe('locks', () => {
  test('the worker leaves the device alone while a page holds it, and the other way round', async () => {
    const { context, scope } = createBrowser();
    const state = new WorkerState(scope, {});
    const happened: string[] = [];
    const as = (who: string, done: Promise<void>) => async () => {
      happened.push(`${who} begins`);
      await done;
      happened.push(`${who} ends`);
    };
    const pendingWork = () => new Promise((resolve) => setImmediate(resolve));
    for (const first of ['page', 'worker']) {
      const holding = Promise.withResolvers<void>();
      const page = () => context.withLock('device', as('page', holding.promise));
      const worker = () => state.withDeviceLock(as('worker', holding.promise));
      const begun = first === 'page' ? page() : worker();
      await pendingWork();
      const waiting = first === 'page' ? worker() : page();
      await pendingWork();
      expect(happened).toEqual([`${first} begins`]);
      holding.resolve();
      await Promise.all([begun, waiting]);
      expect(happened.splice(0)).toHaveLength(4);
    }
  });
});

describe('what a page tells the worker', () => {
  test('hello: the worker says that it is ours', async () => {
    const { scope, registration } = createBrowser();
    installPush(scope);
    await expect(requirePushHandler(registration)).resolves.toBeUndefined();
  });

  test('clear: what is shown is closed', async () => {
    const { scope, registration, closed } = createBrowser();
    installPush(scope);
    tellWorker(registration, 'clear');
    await eventually(
      () => closed,
      ([id]) => id === '7',
    );
  });

  test('flush: what waits is sent', async () => {
    const { scope, registration, notification, dispatch } = createBrowser();
    installPush(scope, { eventsUrl: EVENTS_URL });
    vi.stubGlobal('fetch', async () => new Response(null, { status: 503 }));
    await dispatch('notificationclose', { notification });
    const messages = recordPosts();
    tellWorker(registration, 'flush');
    await eventually(
      () => messages,
      ({ length }) => length === 1,
    );
  });
});

describe('what the worker tells a page', () => {
  function listen() {
    const browser = createBrowser();
    const inboxChanged = createSignal<boolean>();
    const opened = createSignal<string>();
    const heard: unknown[] = [];
    inboxChanged.listen((inOtherTabs) => heard.push({ inboxChanged: inOtherTabs }));
    const sync = () => void heard.push('sync');
    const none = () => undefined;
    listenToBrowser(browser.context, {
      inboxChanged,
      opened,
      sync,
      user: none,
      signedOut: async () => undefined,
    });
    return { ...browser, heard, opened };
  }

  test('a subscription that the browser has changed: the page looks after it', async () => {
    const { scope, dispatch, heard } = listen();
    installPush(scope);
    await dispatch('pushsubscriptionchange', {});
    expect(heard).toEqual(['sync']);
  });

  test('a notification that was shown: the inbox has changed, in all tabs', async () => {
    const { scope, heard } = listen();
    const state = new WorkerState(scope, {});
    await state.tellPages({
      event: 'displayed',
      notificationId: '7',
      category: null,
      title: 'Acme is won',
      body: null,
      data: {},
    });
    expect(heard).toEqual([{ inboxChanged: true }]);
  });

  test('a click: the page says whether it goes there, and the worker does what it says', async () => {
    const { scope, notification, dispatch, moves, opened } = listen();
    recordPosts();
    installPush(scope, { eventsUrl: EVENTS_URL });
    await dispatch('notificationclick', { notification, action: '' });
    expect(moves.splice(0)).toEqual([`open ${APP}deals/7`]);
    const paths: string[] = [];
    opened.listen((path) => paths.push(path));
    await dispatch('notificationclick', { notification, action: '' });
    expect([moves, paths]).toEqual([['focus'], ['/deals/7']]);
  });
});

describe('what both tell push-events', () => {
  test('a release of the page is read as it was meant', async () => {
    const messages = recordPosts();
    await startRelease(createBrowser().context, KEYS, null);
    expect(messages).toEqual([{ release: KEYS }]);
  });

  test('a receipt of the worker is one', async () => {
    const { scope, notification, dispatch } = createBrowser();
    const messages = recordPosts();
    installPush(scope, { eventsUrl: EVENTS_URL });
    await dispatch('notificationclose', { notification });
    const [message] = messages;
    const receipts = message && 'receipts' in message ? message.receipts : [];
    const tokens = { sign: async () => '', verify: async (token: string) => token };
    expect(await provenReceipts(receipts, tokens)).toEqual([
      { deliveryId: '1.a', event: 'dismissed', action: null, at: expect.any(String) },
    ]);
  });

  test('a subscription that the browser has changed is told with what proves the old one', async () => {
    const { scope, dispatch } = createBrowser();
    const messages = recordPosts();
    installPush(scope, { eventsUrl: EVENTS_URL });
    const subscription = (keys: typeof KEYS) => ({
      endpoint: keys.endpoint,
      options: { applicationServerKey: new Uint8Array([1, 2, 3]).buffer },
      toJSON: () => ({ endpoint: keys.endpoint, keys }),
    });
    const renewed = { ...KEYS, endpoint: 'https://push.example/2' };
    await dispatch('pushsubscriptionchange', {
      oldSubscription: subscription(KEYS),
      newSubscription: subscription(renewed),
    });
    expect(messages).toEqual([{ resubscribe: { old: KEYS, new: { ...renewed, vapid_key: 'AQID' } } }]);
  });

  test('whatever devices can write is what the function reads', () => {
    expectTypeOf<DeviceMessage>().toExtend<ReadableMessage>();
    expectTypeOf<DeviceReceipt>().toExtend<ReadableReceipt>();
  });
});
