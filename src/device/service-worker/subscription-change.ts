import { encodeBase64Url } from '../../shared/base64url.ts';
import type { KnownSubscription, PushStore } from '../shared/push-store.ts';
import type { ChangedSubscriptionEvent } from './worker-scope.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * Follows a subscription that the browser has changed, and subscribes itself where the browser did not. There is no session
 * here: the keys of the old subscription prove to `push-events` that it is the same device. Never rejects.
 */
export async function followSubscription(state: WorkerState, event: ChangedSubscriptionEvent): Promise<void> {
  let registered = false;
  try {
    const registeredLast = await state.storedOr((store) => store.get('subscription'));
    const fresh = await freshSubscription(state, event, registeredLast);
    if (fresh !== null) {
      // The one that was registered comes first: of a change that never got through, the project does not know.
      const candidates = [registeredLast, knownOf(event.oldSubscription)];
      registered = await resubscribe(state, registeredLast, candidates, fresh);
    }
  } catch (error) {
    console.error('supapush: the subscription was lost.', error);
  }
  // A page can do what is left: it has a session.
  await state.tellPages({ event: 'subscription-changed', registered }).catch(() => undefined);
}

/** Reports a change to the project that could not be reported when it happened. Never rejects; false when it still cannot. */
export async function retryResubscription(state: WorkerState): Promise<boolean> {
  try {
    if (!(await state.storedOr((store) => store.get('pending_resubscribe')))) return true;
    const registeredLast = await state.stored((store) => store.get('subscription'));
    const fresh = knownOf(await state.scope.registration.pushManager.getSubscription());
    if (registeredLast !== undefined && fresh !== null && registeredLast.endpoint !== fresh.endpoint) {
      await resubscribe(state, registeredLast, [registeredLast], fresh);
      return !(await state.stored((store) => store.get('pending_resubscribe')));
    }
    await state.stored((store) => store.delete('pending_resubscribe'));
    return true;
  } catch {
    return false;
  }
}

async function freshSubscription(
  state: WorkerState,
  event: ChangedSubscriptionEvent,
  registeredLast: KnownSubscription | undefined,
): Promise<KnownSubscription | null> {
  const { pushManager } = state.scope.registration;
  const given = knownOf(event.newSubscription) ?? knownOf(await pushManager.getSubscription());
  if (given !== null && given.endpoint !== event.oldSubscription?.endpoint) return given;
  const key =
    (await state.storedOr((store) => store.get('vapid_key'))) ??
    registeredLast?.vapid_key ??
    (await askForKey(state));
  if (key === undefined) return null;
  const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  return knownOf(made, key);
}

async function askForKey(state: WorkerState): Promise<string | undefined> {
  const url = await state.eventsUrl();
  return url === undefined ? undefined : await state.fetchVapidKey(url);
}

/** Whether the project has taken the new subscription in the place of one of the old ones. `began`: what was registered. */
async function resubscribe(
  state: WorkerState,
  began: KnownSubscription | undefined,
  candidates: (KnownSubscription | null | undefined)[],
  fresh: KnownSubscription,
): Promise<boolean> {
  const url = await state.eventsUrl();
  if (url === undefined) return false;
  const tried = new Set([fresh.endpoint]);
  for (const candidate of candidates) {
    if (!candidate || tried.has(candidate.endpoint)) continue;
    const { endpoint, p256dh, auth } = candidate;
    tried.add(endpoint);
    const answer = await state.post(url, { resubscribe: { old: keysOf(candidate), new: fresh } });
    if (answer === null) {
      const kept = await noteIfOurs(state, began, fresh, async (store) => {
        if (!began) await store.set('subscription', { endpoint, p256dh, auth, vapid_key: fresh.vapid_key });
        await store.set('pending_resubscribe', true);
      });
      if (kept) await state.syncLater();
      return false;
    }
    if (answer.ok) {
      const kept = await noteIfOurs(state, began, fresh, async (store) => {
        await store.set('subscription', fresh);
        await store.delete('pending_resubscribe');
      });
      // The row that now has it was to be released by what it had before.
      if (!kept) await state.post(url, { release: keysOf(fresh) });
      return kept;
    }
  }
  await noteIfOurs(state, began, fresh, (store) => store.delete('pending_resubscribe'));
  return false;
}

/**
 * Notes what came of a change, unless its user has signed out meanwhile: what was noted then would register the next one
 * unasked. False after a sign-out; then the browser's subscription is ended too, which may be younger than that.
 */
async function noteIfOurs(
  state: WorkerState,
  began: KnownSubscription | undefined,
  fresh: KnownSubscription,
  note: (store: PushStore) => Promise<void>,
): Promise<boolean> {
  const { pushManager } = state.scope.registration;
  const look = async (): Promise<boolean> => {
    const now = await state.stored((store) => store.get('subscription'));
    const current = await pushManager.getSubscription();
    // Another one that a page has registered since is as it should be. Of a device that was never noted, only the browser knows.
    if (now ? now.endpoint !== began?.endpoint : !began && current?.endpoint !== fresh.endpoint) return !!now;
    if (!now && began) {
      await current?.unsubscribe();
      await state.stored((store) => store.delete('pending_resubscribe'));
      return false;
    }
    await state.stored(note);
    return true;
  };
  // Where nothing can be stored, nothing can be wrong.
  return await state.aloneWithDevice(look).catch(() => true);
}

/** What proves a subscription. */
function keysOf({ endpoint, p256dh, auth }: KnownSubscription): Omit<KnownSubscription, 'vapid_key'> {
  return { endpoint, p256dh, auth };
}

/** A subscription in the project's terms; null when there is none, or none that can be used. */
function knownOf(subscription: PushSubscription | null | undefined, key = ''): KnownSubscription | null {
  // Chrome hands out endpoints on this host shortly after unsubscribing; they never work.
  if (!subscription || /^https:\/\/permanently-removed\.invalid\b/.test(subscription.endpoint)) return null;
  const { p256dh, auth } = subscription.toJSON().keys ?? {};
  if (p256dh === undefined || auth === undefined) return null;
  const made = subscription.options.applicationServerKey;
  const vapidKey = made === null ? key : encodeBase64Url(new Uint8Array(made));
  return { endpoint: subscription.endpoint, p256dh, auth, vapid_key: vapidKey };
}
