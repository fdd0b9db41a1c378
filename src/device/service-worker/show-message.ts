import { readMessage, type ShownOptions } from './push-message.ts';
import type { ReceiptQueue } from './receipt-queue.ts';
import type { WorkerState } from './worker-state.ts';

/** Shows the message of a push event, whatever it is and whatever else fails, and reports it. Never rejects. */
export async function showMessage(
  state: WorkerState,
  receipts: ReceiptQueue,
  content: unknown,
): Promise<void> {
  const { clears } = state.display;
  const { defaultTitle, icon, badge, onPush } = state.options;
  const defaults = {
    title: defaultTitle ?? state.scope.location.hostname,
    ...(icon === undefined ? {} : { icon }),
    ...(badge === undefined ? {} : { badge }),
  };
  const message = readMessage(content, defaults);
  const { supapush: mark, ...params } = message.options.data;
  if (onPush) await state.callHook(() => onPush(message));
  // The hook may have changed all of it. Without our mark, a click would not be handled.
  const title = String(message.title || defaults.title);
  const options: ShownOptions = { ...message.options, data: { ...message.options?.data, supapush: mark } };
  let isShown: boolean;
  try {
    isShown = await state.display.showNewest(title, options, defaults.title);
  } catch (error) {
    // Only without permission: there is nothing to report, but what waits can go.
    console.error('supapush: the browser showed nothing.', error);
    await receipts.flush();
    return;
  }
  // Its user has left while it was being prepared.
  if (clears !== state.display.clears) return await state.display.clear();
  // A newer one stands in its place.
  if (!isShown) {
    await receipts.flush();
    return;
  }
  await Promise.allSettled([
    state.display.updateBadge(mark.app_badge),
    state.tellPages({
      event: 'displayed',
      notificationId: mark.notification_id ?? null,
      category: mark.category ?? null,
      title,
      body: options.body === undefined ? null : String(options.body),
      data: params,
    }),
    receipts.report(mark, 'displayed'),
  ]);
}
