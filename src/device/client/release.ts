import { isForLater } from '../shared/for-later.ts';
import type { KnownSubscription } from '../shared/push-store.ts';
import { within } from '../shared/time-limit.ts';
import type { ClientContext } from './client-context.ts';
import { isOffline, type PushClientError } from './push-client-error.ts';

/** Milliseconds after which an answer is no longer waited for: the next page, and who signs in, wait as long. */
const ANSWER_LIMIT = 10_000;

type Address = Omit<KnownSubscription, 'vapid_key'>;

/** Has the project forget this browser, with a session or, after sign-out, by the keys that only this browser has. */
export interface Release {
  /** Forgets a subscription that this browser has given up. Not reaching the project is no error: `retry` will. */
  take(address: Address, userId: string | null): Promise<void>;
  /** Does what could not be done when it was asked for. */
  retry(): Promise<void>;
}

/** The release of this browser, noted in the store before it is tried. */
export function createRelease(context: ClientContext): Release {
  const { project, environment } = context;

  const retry = async (): Promise<void> => {
    const store = await context.store();
    const address = await store.get('pending_release');
    if (!address || !environment || !project.functionsUrl) return;
    try {
      const asked = environment.fetch(`${project.functionsUrl}/push-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ release: address }),
        // Signing out often leaves the page.
        keepalive: true,
      });
      const { status } = await within(ANSWER_LIMIT, asked);
      if (isForLater(status)) return;
    } catch {
      return;
    }
    // Another answer would come again. The subscription is gone in the browser: the next push to it removes the row.
    await store.delete('pending_release');
  };

  return {
    retry,
    async take({ endpoint, p256dh, auth }, userId) {
      const store = await context.store();
      await store.set('pending_release', { endpoint, p256dh, auth });
      await store.delete('subscription');
      if (!userId) {
        await store.set('released_endpoint', endpoint);
        return await retry();
      }
      try {
        await project.data(project.from('push_subscriptions').delete().eq('endpoint', endpoint));
        await store.delete('pending_release');
      } catch (error) {
        if (!isOffline(error)) throw error as PushClientError;
      }
    },
  };
}
