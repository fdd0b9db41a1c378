import { clickTarget } from './click-target.ts';
import type { NotificationMark } from './push-message.ts';
import type { ReceiptQueue } from './receipt-queue.ts';
import type { ClickedEvent, WorkerWindow } from './worker-scope.ts';
import type { WorkerState } from './worker-state.ts';

/** Leads to where a clicked notification of ours, or one of its actions, points, and reports it. Never rejects. */
export async function followClick(
  state: WorkerState,
  receipts: ReceiptQueue,
  { notification, action = '' }: ClickedEvent,
  mark: NotificationMark,
): Promise<void> {
  if (mark.receipt !== undefined) state.settled.add(mark.receipt);
  notification.close();
  const { registration } = state.scope;
  const own = mark.actions && Object.hasOwn(mark.actions, action) ? mark.actions[action] : undefined;
  const url =
    clickTarget(own ?? mark.navigate, registration.scope, state.options.allowOrigins) ?? registration.scope;
  const id = mark.notification_id ?? null;
  const { supapush: _, ...data } = notification.data;
  const click = { action, url, notificationId: id, category: mark.category ?? null, data };

  const lead = async (): Promise<void> => {
    const { onClick } = state.options;
    if (onClick && (await state.hook(() => onClick(click))) === false) return;
    const focused = await openTarget(state, url);
    await state.tellPages({ event: 'clicked', ...click }, focused ?? '');
  };
  await Promise.allSettled([
    lead(),
    action === '' ? receipts.report(mark, 'clicked') : receipts.report(mark, 'action', action),
    mark.app_badge === undefined ? state.display.updateBadge(undefined, id ?? undefined) : undefined,
  ]);
}

/** Reports that a notification of ours was closed by its user, and not by a click, by us or by the next of its tag. Never rejects. */
export async function noteDismissal(
  state: WorkerState,
  receipts: ReceiptQueue,
  { notification }: ClickedEvent,
  mark: NotificationMark,
): Promise<void> {
  if (state.display.isReplaced(notification.tag, mark.showing)) return;
  await Promise.allSettled([
    state.settled.has(mark.receipt ?? '') ? undefined : receipts.report(mark, 'dismissed'),
    mark.app_badge === undefined ? state.display.updateBadge(undefined, mark.notification_id) : undefined,
  ]);
}

/** Brings a URL to the front; returns the id of the app's window that has the focus now, or null after opening another. */
async function openTarget(state: WorkerState, url: string): Promise<string | null> {
  const { clients } = state.scope;
  const windows = await clients.matchAll({ type: 'window', includeUncontrolled: true });
  const there = windows.find((window) => window.url === url);
  if (there && (await hasFocused(there))) return there.id;

  const openIn = state.options.openIn ?? 'navigate';
  if (openIn !== 'window' && state.isApp(url)) {
    // A browser focuses or opens one window per click, and a worker can navigate only pages that it controls: so that is
    // asked first.
    const reachable = openIn === 'message' ? windows : await clients.matchAll({ type: 'window' });
    const other = reachable.find((window) => state.isApp(window.url));
    if (other && (await hasFocused(other))) {
      if (openIn === 'navigate') await other.navigate(url).catch(() => null);
      return other.id;
    }
  }
  await clients.openWindow(url);
  return null;
}

async function hasFocused(window: WorkerWindow): Promise<boolean> {
  return await window.focus().then(
    () => true,
    () => false,
  );
}
