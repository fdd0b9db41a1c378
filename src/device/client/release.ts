import type { SubscriptionKeys } from '../../shared/device-message.ts';
import { eventsRequest, isForLater } from '../shared/push-events.ts';
import { within } from '../shared/time-limit.ts';
import type { ClientContext } from './client-context.ts';
import { isOffline } from './push-client-error.ts';

/** Milliseconds after which an answer is no longer waited for: the next page, and who signs in, wait as long. */
const ANSWER_LIMIT = 10_000;

/**
 * Has the project forget a subscription that this browser has given up: with the session of `userId`, or after a sign-out (null)
 * by the keys that only this browser has. Noted in the store before it is tried. Not reaching the project is no error:
 * `retryRelease()` will.
 */
export async function startRelease(
  context: ClientContext,
  { endpoint, p256dh, auth }: SubscriptionKeys,
  userId: string | null,
): Promise<void> {
  const { project } = context;
  const store = await context.store();
  await store.set('pending_release', { endpoint, p256dh, auth });
  await store.delete('subscription');
  if (!userId) {
    await store.set('released_endpoint', endpoint);
    return await retryRelease(context);
  }
  try {
    await project.data(project.from('push_subscriptions').delete().eq('endpoint', endpoint));
    await store.delete('pending_release');
  } catch (error) {
    if (!isOffline(error)) throw error;
  }
}

/** Releases what could not be released when it was given up. */
export async function retryRelease({ environment, project, store: open }: ClientContext): Promise<void> {
  const store = await open();
  const keys = await store.get('pending_release');
  if (!keys || !environment || !project.eventsUrl) return;
  try {
    // Signing out often leaves the page.
    const request = { ...eventsRequest({ release: keys }), keepalive: true };
    const { status } = await within(ANSWER_LIMIT, environment.fetch(project.eventsUrl, request));
    if (isForLater(status)) return;
  } catch {
    return;
  }
  // Another answer would come again. The subscription is gone in the browser: the next push to it removes the row.
  await store.delete('pending_release');
}
