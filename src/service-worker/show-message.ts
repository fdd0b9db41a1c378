import { updateBadge } from './app-badge.ts';
import { readMessage, type ShownOptions } from './push-message.ts';
import type { ReceiptQueue } from './receipt-queue.ts';
import type { WorkerState } from './worker-state.ts';

/** Shows the message of a push event, whatever it is and whatever else fails, and reports it. Never rejects. */
export async function showMessage(
  state: WorkerState,
  receipts: ReceiptQueue,
  content: unknown,
): Promise<void> {
  const { defaultTitle, icon, badge, onPush } = state.options;
  const defaults = {
    title: defaultTitle ?? state.scope.location.hostname,
    ...(icon === undefined ? {} : { icon }),
    ...(badge === undefined ? {} : { badge }),
  };
  const message = readMessage(content, defaults);
  const mark = message.options.data.supapush;
  if (onPush) await state.hook(() => onPush(message));
  // Whatever the hook has left of it. Without our mark, a click would be nobody's.
  const title = String(message.title || defaults.title);
  const { supapush: _, ...data } = { ...message.options?.data };
  const options: ShownOptions = { ...message.options, data: { ...data, supapush: mark } };
  try {
    await show(state.scope.registration, title, options, defaults.title);
  } catch (error) {
    // Only without permission: there is nothing to report, but what waits can go.
    console.error('supapush: the browser showed nothing.', error);
    await receipts.flush();
    return;
  }
  await Promise.allSettled([
    updateBadge(state, mark.app_badge),
    state.tellPages({
      event: 'displayed',
      notificationId: mark.notification_id ?? null,
      category: mark.category ?? null,
      title,
      body: options.body ?? null,
      data,
    }),
    receipts.report(mark, 'displayed'),
  ]);
}

/** With all that was asked for; else, since browsers differ in what they refuse, with less. */
async function show(
  registration: ServiceWorkerRegistration,
  title: string,
  options: ShownOptions,
  defaultTitle: string,
): Promise<void> {
  const { body, tag, data } = options;
  const plain = { ...(body === undefined ? {} : { body }), ...(tag === undefined ? {} : { tag }), data };
  await registration
    .showNotification(title, options)
    .catch(() => registration.showNotification(title, plain))
    .catch(() => registration.showNotification(defaultTitle, { data: { supapush: data.supapush } }));
}
