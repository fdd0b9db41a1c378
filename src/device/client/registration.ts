import {
  describeSubscription,
  ensureRegistration,
  findRegistration,
  isRemoved,
  subscribeBrowser,
  vapidKeyOf,
} from './browser-subscription.ts';
import type { ClientContext } from './client-context.ts';
import { deviceNameOf, deviceTypeOf } from './device-kind.ts';
import { DEVICE_COLUMNS, type DeviceRow } from './devices.ts';
import type { PushEnvironment } from './environment.ts';
import type { PushStatus } from './push-client.ts';
import { isOffline, PushClientError } from './push-client-error.ts';
import { createRelease } from './release.ts';
import { obstacleOf } from './support.ts';
import { requirePushHandler, tellWorker } from './worker-messages.ts';

/** This browser as a device of the user: finding out, making and taking back. None of it may run twice at a time. */
export interface Registration {
  /** The status of this device, after repairing what can be repaired. */
  settle(): Promise<PushStatus>;
  /** Registers this browser for the user who is signed in; permission has been given. */
  register(): Promise<DeviceRow>;
  /** Removes the registration of this browser, for any user. */
  withdraw(): Promise<void>;
  /** Removes the registration of a user who signed out; not that of another one, who may have signed in meanwhile. */
  signOut(userId: string | null): Promise<void>;
}

/** The registration of this browser, by its push subscription, the store, and the row in `push_subscriptions`. */
export function createRegistration(context: ClientContext): Registration {
  const { project, options } = context;
  const release = createRelease(context);

  const subscriptionNow = async (environment: PushEnvironment): Promise<PushSubscription | null> =>
    (await (await findRegistration(environment, options))?.pushManager.getSubscription()) ?? null;

  // The worker closes the notifications of another user, also when this page is left.
  const clearScreen = (): Promise<void> => tellWorker(context, 'clear');

  let checked = false;
  const checkWorker = async (worker: ServiceWorkerRegistration, asked: boolean): Promise<void> => {
    if (asked) return await requirePushHandler(worker);
    // A device that is registered goes on; its app's developer hears of it, once for each page.
    if (!checked) requirePushHandler(worker).catch(context.report);
    checked = true;
  };

  const vapidKey = async (): Promise<string> => {
    const key = await project.rpc('push_vapid_key');
    if (!key) throw new PushClientError('not_configured');
    return key as string;
  };

  const rowOf = async (endpoint: string): Promise<DeviceRow | null> =>
    (await project.data(
      project.from('push_subscriptions').select(DEVICE_COLUMNS).eq('endpoint', endpoint).maybeSingle(),
    )) as DeviceRow | null;

  /** Writes the row of a subscription: in place of the one it follows, so that id and preferences stay, or a new one. */
  const write = async (
    environment: PushEnvironment,
    subscription: PushSubscription,
    key: string,
    follows: string | undefined,
  ): Promise<DeviceRow> => {
    const { navigator } = environment;
    const row = {
      ...describeSubscription(subscription, key),
      device_type: deviceTypeOf(navigator),
      device_name: (options.deviceName ?? deviceNameOf(navigator)).slice(0, 50),
      user_agent: navigator.userAgent.slice(0, 1000),
      expires_at: subscription.expirationTime && new Date(subscription.expirationTime).toISOString(),
    };
    const table = () => project.from('push_subscriptions');
    if (follows && follows !== row.endpoint) {
      const [moved] = (await project.data(
        table().update(row).eq('endpoint', follows).select(DEVICE_COLUMNS),
      )) as DeviceRow[];
      if (moved) return moved;
    }
    return (await project.data(
      table().upsert(row, { onConflict: 'endpoint' }).select(DEVICE_COLUMNS).single(),
    )) as DeviceRow;
  };

  /** Null: the user has removed this device elsewhere, and did not ask for it here (`asked`). */
  const registerAs = async (
    environment: PushEnvironment,
    userId: string,
    asked: boolean,
  ): Promise<DeviceRow | null> => {
    const [store, key] = await Promise.all([context.store(), vapidKey()]);
    const worker = await ensureRegistration(environment, options);
    await checkWorker(worker, asked);
    const known = await store.get('subscription');
    const isOurs = (await store.get('user_id')) === userId;
    const before = await worker.pushManager.getSubscription();
    let subscription = before;
    let row: DeviceRow | null = null;
    // Safari does not always say; then it is the key that was noted.
    const madeWith =
      before && (vapidKeyOf(before) ?? (known?.endpoint === before.endpoint ? known.vapid_key : key));
    if (before && madeWith === key && !isRemoved(before)) {
      row = await rowOf(before.endpoint);
      // Registered once, and the row is gone: its push service may have said that nothing arrives there any more.
      if (!row && known?.endpoint === before.endpoint && isOurs) subscription = null;
    } else subscription = null;
    // It may have been removed elsewhere before its user signed out here, and in again.
    const last = known?.endpoint ?? (await store.get('released_endpoint'));
    if (
      !(asked || row) &&
      last &&
      isOurs &&
      (await project.rpc('push_device_removed', { p_address: last }))
    ) {
      await before?.unsubscribe();
      await clearScreen();
      await store.delete('subscription');
      await store.delete('user_id');
      return null;
    }
    if (!subscription) {
      await before?.unsubscribe();
      subscription = await subscribeBrowser(worker, key);
    }

    if (row?.vapid_key !== key || row.user_agent !== environment.navigator.userAgent.slice(0, 1000)) {
      const follows = known?.endpoint ?? before?.endpoint;
      try {
        row = await write(environment, subscription, key, follows);
      } catch (error) {
        if ((error as PushClientError).code !== 'endpoint_taken') throw error;
        // The endpoint is another user's, with other keys: only a new subscription can be ours.
        await subscription.unsubscribe();
        subscription = await subscribeBrowser(worker, key);
        row = await write(environment, subscription, key, undefined);
      }
    }
    await store.set('subscription', describeSubscription(subscription, key));
    await store.set('user_id', userId);
    await store.set('vapid_key', key);
    if (project.functionsUrl) await store.set('events_url', `${project.functionsUrl}/push-events`);
    return row;
  };

  const settleAs = async (environment: PushEnvironment, userId: string): Promise<PushStatus> => {
    const store = await context.store();
    const known = await store.get('subscription');
    if (known && (await store.get('user_id')) !== userId) await clearScreen();
    const permission = environment.Notification?.permission;
    if (permission !== 'granted') {
      // The browser has dropped the subscription by itself; its row would wait for the next push to fail.
      if (known) await release.take(known, userId);
      return permission === 'denied' ? 'denied' : 'default';
    }
    const existing = await subscriptionNow(environment);
    // A user who signs in again gets the device again. Another user has to subscribe, unless the device was left to them.
    if (!existing && !known && (await store.get('user_id')) !== userId) return 'granted';
    try {
      return (await registerAs(environment, userId, false)) ? 'subscribed' : 'granted';
    } catch (error) {
      if (isOffline(error)) return existing && known ? 'subscribed' : 'granted';
      throw error;
    }
  };

  const withdraw = async (userId: string | null): Promise<void> => {
    const { environment } = context;
    const known = await (await context.store()).get('subscription');
    const reached = environment && !obstacleOf(environment) ? environment : undefined;
    const subscription = reached && (await subscriptionNow(reached));
    const address = subscription ? describeSubscription(subscription, '') : known;
    try {
      await subscription?.unsubscribe();
    } finally {
      // What still came until then, too.
      if (reached) await clearScreen();
    }
    if (address) await release.take(address, userId);
  };

  return {
    async settle() {
      const { environment } = context;
      if (!environment) return 'unsupported';
      const obstacle = obstacleOf(environment);
      if (obstacle) return obstacle === 'needs_install' ? 'needs-install' : 'unsupported';
      await release.retry();
      const userId = await project.userId();
      if (userId) return await settleAs(environment, userId);
      await withdraw(null);
      return environment.Notification?.permission === 'denied' ? 'denied' : 'signed-out';
    },
    async register() {
      const { environment } = context;
      const userId = await project.userId();
      if (!environment || !userId) throw new PushClientError('not_signed_in');
      return (await registerAs(environment, userId, true)) as DeviceRow;
    },
    async withdraw() {
      await withdraw(await project.userId());
      // Taken back on purpose: the next sync() leaves it so.
      await (await context.store()).delete('user_id');
    },
    async signOut(userId) {
      const owner = await (await context.store()).get('user_id');
      if (!owner || owner === userId) await withdraw(null);
    },
  };
}
