import type { SubscriptionKeys } from '../../shared/device-message.ts';
import type { KnownSubscription, PushStore } from '../shared/push-store.ts';
import { describeSubscription, isRemoved, vapidKeyOf } from '../shared/subscription.ts';
import type { ChangedSubscriptionEvent } from './worker-scope.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * Follows a subscription that the browser has changed, and subscribes itself where the browser did not. There is no session
 * here: the keys of the old subscription prove to `push-events` that it is the same device. Never rejects.
 */
export async function followSubscription(state: WorkerState, event: ChangedSubscriptionEvent): Promise<void> {
  let registered = false;
  try {
    const registeredLast = await state.readStore((store) => store.get('subscription'));
    const renewed = await getNewSubscription(state, event, registeredLast);
    if (renewed !== null) {
      // The one that was registered comes first: of a change that never got through, the project does not know.
      const candidates = [registeredLast, describeUsable(event.oldSubscription)];
      registered = await resubscribe(state, registeredLast, candidates, renewed);
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
    if (!(await state.readStore((store) => store.get('pending_resubscribe')))) return true;
    const registeredLast = await state.withStore((store) => store.get('subscription'));
    const renewed = describeUsable(await state.scope.registration.pushManager.getSubscription());
    if (registeredLast !== undefined && renewed !== null && registeredLast.endpoint !== renewed.endpoint) {
      await resubscribe(state, registeredLast, [registeredLast], renewed);
      return !(await state.withStore((store) => store.get('pending_resubscribe')));
    }
    await state.withStore((store) => store.delete('pending_resubscribe'));
    return true;
  } catch {
    return false;
  }
}

async function getNewSubscription(
  state: WorkerState,
  event: ChangedSubscriptionEvent,
  registeredLast: KnownSubscription | undefined,
): Promise<KnownSubscription | null> {
  const { pushManager } = state.scope.registration;
  const given = describeUsable(event.newSubscription) ?? describeUsable(await pushManager.getSubscription());
  if (given !== null && given.endpoint !== event.oldSubscription?.endpoint) return given;
  const key =
    (await state.readStore((store) => store.get('vapid_key'))) ??
    registeredLast?.vapid_key ??
    (await state.fetchVapidKey());
  if (key === undefined) return null;
  const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  return describeUsable(made, key);
}

/** Whether the project has taken the new subscription in the place of one of the old ones. `registeredBefore`: when this began. */
async function resubscribe(
  state: WorkerState,
  registeredBefore: KnownSubscription | undefined,
  candidates: (KnownSubscription | null | undefined)[],
  renewed: KnownSubscription,
): Promise<boolean> {
  const url = await state.eventsUrl();
  if (url === undefined) return false;
  const tried = new Set([renewed.endpoint]);
  for (const candidate of candidates) {
    if (!candidate || tried.has(candidate.endpoint)) continue;
    const { endpoint, p256dh, auth } = candidate;
    tried.add(endpoint);
    const answer = await state.post(url, { resubscribe: { old: keysOf(candidate), new: renewed } });
    if (answer === null) {
      const kept = await noteUnlessSignedOut(state, registeredBefore, renewed, async (store) => {
        if (!registeredBefore)
          await store.set('subscription', { endpoint, p256dh, auth, vapid_key: renewed.vapid_key });
        await store.set('pending_resubscribe', true);
      });
      if (kept) await state.syncLater();
      return false;
    }
    if (answer.ok) {
      const kept = await noteUnlessSignedOut(state, registeredBefore, renewed, async (store) => {
        await store.set('subscription', renewed);
        await store.delete('pending_resubscribe');
      });
      // The row that now has it was to be released by what it had before.
      if (!kept) await state.post(url, { release: keysOf(renewed) });
      return kept;
    }
  }
  await noteUnlessSignedOut(state, registeredBefore, renewed, (store) => store.delete('pending_resubscribe'));
  return false;
}

/**
 * Notes what came of a change, unless its user has signed out meanwhile: what was noted then would register the next one
 * unasked. False after a sign-out; then the browser's subscription is ended too, which may be younger than that.
 */
async function noteUnlessSignedOut(
  state: WorkerState,
  registeredBefore: KnownSubscription | undefined,
  renewed: KnownSubscription,
  note: (store: PushStore) => Promise<void>,
): Promise<boolean> {
  const { pushManager } = state.scope.registration;
  const noteOrEnd = async (): Promise<boolean> => {
    const registered = await state.withStore((store) => store.get('subscription'));
    const current = await pushManager.getSubscription();
    // Another one that a page has registered since is as it should be.
    if (registered && registered.endpoint !== registeredBefore?.endpoint) return true;
    if (!registered && registeredBefore) {
      await current?.unsubscribe();
      await state.withStore((store) => store.delete('pending_resubscribe'));
      return false;
    }
    // Of a device that was never noted, only the browser knows.
    if (!registered && current?.endpoint !== renewed.endpoint) return false;
    await state.withStore(note);
    return true;
  };
  // Where nothing can be stored, nothing can be wrong.
  return await state.withDeviceLock(noteOrEnd).catch(() => true);
}

function keysOf({ endpoint, p256dh, auth }: SubscriptionKeys): SubscriptionKeys {
  return { endpoint, p256dh, auth };
}

/** A subscription as the project knows it, by `vapidKey` where the browser says none; null when there is none that can be used. */
function describeUsable(
  subscription: PushSubscription | null | undefined,
  vapidKey = '',
): KnownSubscription | null {
  if (!subscription || isRemoved(subscription.endpoint)) return null;
  const known = describeSubscription(subscription, vapidKeyOf(subscription) ?? vapidKey);
  return known.p256dh && known.auth ? known : null;
}
