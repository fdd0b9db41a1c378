import { MESSAGE_TYPE, type OpenAnswer, type WorkerMessage } from '../shared/protocol.ts';
import { within } from '../shared/time-limit.ts';
import { clickTarget } from './click-target.ts';
import type { NotificationMark } from './push-message.ts';
import type { ReceiptQueue } from './receipt-queue.ts';
import type { ClickedEvent, WorkerWindow } from './worker-scope.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * Milliseconds that a page has to say whether it goes to a URL by itself: one that sleeps in the background, before another
 * page may be opened for the click (Firefox allows that for a second), and one that was woken by the focus.
 */
const SLEEPING_LIMIT = 600;
const WOKEN_LIMIT = 1000;

/** Leads to where a clicked notification of ours, or one of its actions, points, and reports it. Never rejects. */
export async function followClick(
  state: WorkerState,
  receipts: ReceiptQueue,
  { notification, action = '' }: ClickedEvent,
  mark: NotificationMark,
): Promise<void> {
  if (mark.receipt !== undefined) state.notDismissed.add(mark.receipt);
  notification.close();
  const { registration } = state.scope;
  const ofAction = mark.actions && Object.hasOwn(mark.actions, action) ? mark.actions[action] : undefined;
  const url =
    clickTarget(ofAction ?? mark.navigate, registration.scope, state.options.allowOrigins) ??
    registration.scope;
  const id = mark.notification_id ?? null;
  const { supapush: _, ...data } = notification.data;
  const click = { action, url, notificationId: id, category: mark.category ?? null, data };

  const open = async (): Promise<void> => {
    const { onClick } = state.options;
    if (onClick && (await state.callHook(() => onClick(click))) === false) return;
    const focused = await openTarget(state, url);
    await state.tellPages(({ id }) => ({ event: 'clicked', ...click, focused: id === focused }));
  };
  const report = async (): Promise<void> => {
    await (action === '' ? receipts.report(mark, 'clicked') : receipts.report(mark, 'action', action));
    // Only now the project has it as read. A page that went there by itself has loaded its inbox before.
    if (mark.receipt !== undefined) await state.tellPages({ event: 'reported', notificationId: id });
  };
  await Promise.allSettled([
    open(),
    report(),
    mark.app_badge === undefined ? state.display.updateBadge(undefined, id ?? undefined) : undefined,
  ]);
}

/** Reports that a notification of ours was closed by its user, and not by a click, by us or by the next of its tag. Never rejects. */
export async function reportDismissal(
  state: WorkerState,
  receipts: ReceiptQueue,
  { notification }: ClickedEvent,
  mark: NotificationMark,
): Promise<void> {
  if (state.display.isReplaced(notification.tag, mark.showing)) return;
  await Promise.allSettled([
    state.notDismissed.has(mark.receipt ?? '') ? undefined : receipts.report(mark, 'dismissed'),
    mark.app_badge === undefined ? state.display.updateBadge(undefined, mark.notification_id) : undefined,
  ]);
}

/** Brings a URL to the front; returns the id of the app's window that has the focus now, or null after opening another. */
async function openTarget(state: WorkerState, url: string): Promise<string | null> {
  const { clients } = state.scope;
  const windows = await clients.matchAll({ type: 'window', includeUncontrolled: true });
  const shown = windows.find((window) => window.url === url);
  if (shown && (await hasFocused(shown))) return shown.id;

  // A browser focuses or opens one window per click.
  const openIn = state.options.openIn ?? 'navigate';
  const page = windows.find((window) => state.isApp(window.url));
  if (page && openIn !== 'window' && state.isApp(url) && (await isShownIn(state, page, url))) return page.id;
  await clients.openWindow(url).catch(() => null);
  return null;
}

/**
 * Whether a page of the app has the focus and is to show the URL. Loading the URL there would lose what the user has typed in
 * that page. So the page is asked first, and a page that has our client but no `onOpen` listener stays as it is. Only a page
 * that does not answer is navigated, which a worker can do to pages that it controls.
 */
async function isShownIn(state: WorkerState, page: WorkerWindow, url: string): Promise<boolean> {
  if (state.options.openIn === 'message') return await hasFocused(page);
  const { opens, stopListening } = askPage(page, url);
  try {
    let answer = await within(SLEEPING_LIMIT, opens).catch(() => undefined);
    const canNavigate = async (): Promise<boolean> =>
      (await state.scope.clients.matchAll({ type: 'window' })).some(({ id }) => id === page.id);
    if (answer === false || (!answer && !(await canNavigate())) || !(await hasFocused(page))) return false;
    // A page that was frozen in the background answers now. If it says no, it has the focus, and nothing was lost.
    answer ??= await within(WOKEN_LIMIT, opens).catch(() => undefined);
    if (answer === undefined) await page.navigate(url).catch(() => null);
    return true;
  } finally {
    stopListening();
  }
}

/** Asks a page whether it shows a URL by itself. */
function askPage(page: WorkerWindow, url: string): { opens: Promise<boolean>; stopListening(): void } {
  const { port1, port2 } = new MessageChannel();
  const opens = new Promise<boolean>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<OpenAnswer>) => resolve(data.opens);
  });
  const until = Date.now() + SLEEPING_LIMIT + WOKEN_LIMIT;
  page.postMessage({ type: MESSAGE_TYPE, event: 'open', url, until } satisfies WorkerMessage, [port2]);
  return { opens, stopListening: () => port1.close() };
}

async function hasFocused(window: WorkerWindow): Promise<boolean> {
  return await window.focus().then(
    () => true,
    () => false,
  );
}
