import { markOf } from './push-message.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * Sets the badge of the app's icon to `count`, or to the number of notifications that are shown.
 *
 * `closed` is the id of one that was closed a moment ago, which some browsers still list.
 */
export async function updateBadge(state: WorkerState, count?: number, closed?: string): Promise<void> {
  const { navigator, registration } = state.scope;
  if (state.options.appBadge === false || !navigator.setAppBadge) return;
  await navigator.setAppBadge(count ?? (await countShown(registration, closed)));
}

async function countShown(registration: ServiceWorkerRegistration, closed?: string): Promise<number> {
  const marks = (await registration.getNotifications()).map(markOf);
  return marks.filter((mark) => mark !== null && (closed === undefined || mark.notification_id !== closed))
    .length;
}
