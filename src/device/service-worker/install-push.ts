import { MESSAGE_TYPE, type PageMessage, PROTOCOL_VERSION, type WorkerAnswer } from '../shared/protocol.ts';
import { followClick, reportDismissal } from './follow-click.ts';
import { contentOf, isObject, isOurs, markOf } from './push-message.ts';
import type { PushOptions } from './push-options.ts';
import { ReceiptQueue } from './receipt-queue.ts';
import { showMessage } from './show-message.ts';
import { followSubscription, retryResubscription } from './subscription-change.ts';
import type {
  ChangedSubscriptionEvent,
  ClickedEvent,
  PushedEvent,
  WorkerEvent,
  WorkerScope,
} from './worker-scope.ts';
import { SYNC_TAG, WorkerState } from './worker-state.ts';

// On the global object: the ready script and an app's own bundle may both be loaded, and must not show everything twice.
const INSTALLED = Symbol.for('supapush.worker');

/**
 * Makes a service worker receive pushes: shows them, follows clicks, reports what became of them, and follows a subscription
 * that the browser changes. To be called while the worker's script is first run; called again, it replaces the options.
 *
 * Notifications that others have shown are left to their handlers, and those of Supapush are kept from handlers that are
 * added later: call it before them.
 */
export function installPush(scope: WorkerScope, options: PushOptions = {}): void {
  const marked = scope as WorkerScope & { [INSTALLED]?: WorkerState };
  if (marked[INSTALLED]) {
    marked[INSTALLED].options = options;
    return;
  }
  const state = new WorkerState(scope, options);
  Object.defineProperty(scope, INSTALLED, { value: state });
  const receipts = new ReceiptQueue(state);
  const sendAll = async (): Promise<void> => {
    const done = await Promise.all([receipts.flush(), retryResubscription(state)]);
    if (done.includes(false)) throw new Error('supapush: not everything could be sent yet.');
  };

  scope.addEventListener('push', (event) => {
    const pushed = event as PushedEvent;
    const content = contentOf(pushed);
    if (state.options.leaveOthers && !isOurs(content)) return;
    if (state.options.leaveOthers) event.stopImmediatePropagation();
    pushed.waitUntil(showMessage(state, receipts, content).then(() => retryResubscription(state)));
  });

  scope.addEventListener('notificationclick', (event) => {
    const clicked = event as ClickedEvent;
    const mark = markOf(clicked.notification);
    if (mark === null) return;
    event.stopImmediatePropagation();
    clicked.waitUntil(followClick(state, receipts, clicked, mark));
  });

  scope.addEventListener('notificationclose', (event) => {
    const closed = event as ClickedEvent;
    const mark = markOf(closed.notification);
    if (mark === null) return;
    event.stopImmediatePropagation();
    closed.waitUntil(reportDismissal(state, receipts, closed, mark));
  });

  scope.addEventListener('pushsubscriptionchange', (event) => {
    const changed = event as ChangedSubscriptionEvent;
    changed.waitUntil(followSubscription(state, changed).then(() => receipts.flush()));
  });

  // A rejection is how the browser learns that it shall try again later.
  scope.addEventListener('sync', (event) => {
    const synced = event as WorkerEvent & { readonly tag: string };
    if (synced.tag !== SYNC_TAG) return;
    state.syncing = true;
    synced.waitUntil(
      sendAll().finally(() => {
        state.syncing = false;
      }),
    );
  });

  scope.addEventListener('message', (event) => {
    const message = event as WorkerEvent & Pick<MessageEvent<unknown>, 'data' | 'ports'>;
    const { data, ports } = message;
    if (!isObject(data) || data.type !== MESSAGE_TYPE) return;
    // A page that asks with a port wants to know that this worker shows the messages it subscribes to.
    ports[0]?.postMessage({ type: MESSAGE_TYPE, version: PROTOCOL_VERSION } satisfies WorkerAnswer);
    const what = data.event as PageMessage['event'];
    // Browsers without background sync: a page says that it is online again.
    if (what === 'flush') message.waitUntil(sendAll().catch(() => undefined));
    // The device is no longer its user's. The worker does it, for who signs out often leaves the page.
    else if (what === 'clear') message.waitUntil(state.display.clear());
  });

  scope.addEventListener('install', (event) => {
    if (state.options.claim) (event as WorkerEvent).waitUntil(scope.skipWaiting());
  });
  scope.addEventListener('activate', (event) => {
    if (state.options.claim) (event as WorkerEvent).waitUntil(scope.clients.claim());
  });
}
