import { ensureRegistration } from './browser-subscription.ts';
import type { ClientContext } from './client-context.ts';
import { readBrowser, readRow, readStore } from './device-state.ts';
import type { DeviceRow } from './devices.ts';
import { diagnose, type SessionState } from './diagnose.ts';
import type { PushEnvironment } from './environment.ts';
import type { PushStatus } from './push-client.ts';
import { hasCode, isOffline, PushClientError } from './push-client-error.ts';
import { retryRelease } from './release.ts';
import { repair } from './repair.ts';
import { obstacleOf } from './support.ts';
import { requirePushHandler } from './worker-messages.ts';

/** This browser as a device of the user. Of all of it, one runs at a time: hold the lock `device`. */
export interface CurrentDevice {
  /** The status of this device, after repairing what can be repaired. */
  sync(): Promise<PushStatus>;
  /** Registers this browser for the user who is signed in; permission has been given. */
  subscribe(): Promise<DeviceRow>;
  /** Removes the registration of this browser, of any user. */
  unsubscribe(): Promise<void>;
  /** Removes the registration of a user who signed out; not that of another one, who may have signed in meanwhile. */
  signOut(userId: string | null): Promise<void>;
}

/** The device that this page runs on, by the browser's push subscription, the store, and the row in `push_subscriptions`. */
export function createCurrentDevice(context: ClientContext): CurrentDevice {
  const { environment, options, project } = context;

  /** Reads what there is, diagnoses and repairs it. The project is asked for the row where its VAPID key is known. */
  const diagnoseAndRepair = async (
    session: SessionState,
    registration?: ServiceWorkerRegistration,
    vapidKey?: string,
    taken?: 'taken',
  ) => {
    const browser = await readBrowser(context, registration);
    const store = await readStore(context);
    const answer = vapidKey
      ? { vapidKey, row: taken ?? (await readRow(context, browser, store, session)) }
      : undefined;
    const diagnosis = diagnose(browser, store, answer, session);
    const row = await repair(context, diagnosis, browser, store, answer, session);
    return { browser, store, diagnosis, row };
  };

  let isWorkerChecked = false;
  /** Asks the project and registers the service worker; returns the row of this device, if it has one then. */
  const register = async (session: SessionState): Promise<DeviceRow | undefined> => {
    const vapidKey = (await project.rpc('push_vapid_key')) as string | null;
    if (!vapidKey) throw new PushClientError('not_configured');
    const registration = await ensureRegistration(environment as PushEnvironment, options);
    if (session.asked) await requirePushHandler(registration);
    else if (!isWorkerChecked) {
      // A device that is registered goes on; its app's developer hears of it, once for each page.
      isWorkerChecked = true;
      requirePushHandler(registration).catch(context.report);
    }
    try {
      return (await diagnoseAndRepair(session, registration, vapidKey)).row;
    } catch (error) {
      if (!hasCode(error, 'endpoint_taken')) throw error;
      return (await diagnoseAndRepair(session, registration, vapidKey, 'taken')).row;
    }
  };

  return {
    async sync() {
      const obstacle = obstacleOf(environment);
      if (obstacle) return obstacle === 'needs_install' ? 'needs-install' : 'unsupported';
      await retryRelease(context);
      const session = { userId: await project.userId() };
      const { browser, store, diagnosis } = await diagnoseAndRepair(session);
      const permission = browser.permission as NotificationPermission;
      // No user is signed in.
      if (diagnosis === 'release') return permission === 'denied' ? 'denied' : 'signed-out';
      if (diagnosis !== 'ask' && diagnosis !== 'hand-over') return permission;
      try {
        return (await register(session)) ? 'subscribed' : permission;
      } catch (error) {
        if (!isOffline(error)) throw error;
        return browser.subscription && store.subscription ? 'subscribed' : permission;
      }
    },
    async subscribe() {
      const userId = await project.userId();
      if (!userId) throw new PushClientError('not_signed_in');
      return (await register({ userId, asked: 'subscribe' })) as DeviceRow;
    },
    async unsubscribe() {
      await diagnoseAndRepair({ userId: await project.userId(), asked: 'unsubscribe' });
    },
    async signOut(userId) {
      await diagnoseAndRepair({ userId: null, signedOut: userId });
    },
  };
}
