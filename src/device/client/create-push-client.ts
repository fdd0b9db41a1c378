import { within } from '../shared/time-limit.ts';
import { createAlerts } from './alerts.ts';
import { createContext } from './client-context.ts';
import { createCurrentDevice } from './current-device.ts';
import { createDeviceStatus } from './device-status.ts';
import { deviceOf, readDevices } from './devices.ts';
import { browserEnvironment, type PushEnvironment } from './environment.ts';
import { createInbox } from './inbox.ts';
import { listenToBrowser } from './listen-to-browser.ts';
import { createOfflineActions } from './offline-actions.ts';
import { createPreferences } from './preferences.ts';
import type { PushClient, PushClientOptions, PushStatus } from './push-client.ts';
import { isOffline, PushClientError } from './push-client-error.ts';
import { createSignal } from './signal.ts';
import { type PushSupabaseClient, projectOf } from './supabase.ts';
import { obstacleOf } from './support.ts';
import { createTopics } from './topics.ts';

/** Milliseconds that signing out waits for the device to be released. */
const RELEASE_LIMIT = 10_000;

/**
 * Push for the user who is signed in at `supabase`, on the device that this page runs on. Make one per page, and call
 * `sync()` when it has loaded. On a server that renders pages it is there and says `unknown`.
 */
export function createPushClient(supabase: PushSupabaseClient, options: PushClientOptions = {}): PushClient {
  return createPushClientIn(browserEnvironment(), supabase, options);
}

/** As `createPushClient`, in a browser that is given. */
export function createPushClientIn(
  environment: PushEnvironment | undefined,
  supabase: PushSupabaseClient,
  options: PushClientOptions,
): PushClient {
  const project = projectOf(supabase, options);
  const context = createContext(environment, project, options);
  const actions = createOfflineActions(context);
  const device = createCurrentDevice(context);
  const status = createDeviceStatus(context, device);
  const inboxChanged = createSignal<boolean>();
  const userChanged = createSignal<string | null>();
  const opened = createSignal<string>();

  const sync = async (): Promise<PushStatus> => {
    const found = await status.sync();
    await actions.replay().catch((error) => {
      if (!isOffline(error)) context.report(error);
    });
    return found;
  };

  const browser = listenToBrowser(context, {
    inboxChanged,
    opened,
    sync: () => void sync().catch(context.report),
    user: (userId, changed) => {
      actions.userId = userId;
      if (!changed) return;
      status.userChanged();
      userChanged.tell(userId);
    },
    signedOut: status.release,
  });

  const findCurrentDevice = async () => (await readDevices(context)).find(({ current }) => current);

  const unsubscribe: PushClient['unsubscribe'] = async ({ everywhere } = {}) => {
    if (everywhere) {
      const userId = await project.userId();
      if (!userId) throw new PushClientError('not_signed_in');
      await project.data(project.from('push_subscriptions').delete().eq('user_id', userId));
    }
    await context.withLock('device', device.unsubscribe);
    await status.sync();
    browser.tellTabs('device');
  };

  return {
    get status() {
      return status.current;
    },
    onStatusChange: status.onChange,
    onUserChange: userChanged.listen,
    onOpen: opened.listen,
    isSupported: () => !obstacleOf(environment),
    sync,
    async subscribe() {
      const obstacle = obstacleOf(environment);
      if (obstacle) throw new PushClientError(obstacle);
      if (browser.isSignedOut()) throw new PushClientError('not_signed_in');
      const setStatus = status.setterForUser();
      // Before anything else: browsers ask only as long as the click is not over.
      const permission = await environment?.Notification?.requestPermission();
      if (permission !== 'granted') {
        setStatus(permission ?? 'default');
        throw new PushClientError(permission === 'denied' ? 'permission_denied' : 'permission_dismissed');
      }
      const row = await context.withLock('device', device.subscribe);
      setStatus('subscribed');
      browser.tellTabs('device');
      return deviceOf(row, row.endpoint);
    },
    unsubscribe,
    async signOut({ scope = 'global' } = {}) {
      const userId = actions.userId;
      const told = await project.session.signOut(scope);
      // It goes on behind that: another tab may hold the device while the network answers nothing.
      await within(RELEASE_LIMIT, status.release(userId)).catch(context.report);
      return told;
    },
    async sendTest() {
      const current = await findCurrentDevice();
      // Undefined is left out of the request.
      return (await project.rpc('push_send_test', { p_subscription_id: current?.id })) as string;
    },
    devices: {
      list: () => readDevices(context),
      async remove(id) {
        if ((await findCurrentDevice())?.id === id) return await unsubscribe();
        await project.data(project.from('push_subscriptions').delete().eq('id', id));
      },
    },
    preferences: createPreferences(context, actions),
    topics: createTopics(context),
    inbox: createInbox(context, actions, inboxChanged),
    alerts: createAlerts(context),
    dispose: browser.dispose,
  };
}
