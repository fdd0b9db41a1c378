import { within } from '../shared/time-limit.ts';
import { createAlerts } from './alerts.ts';
import { createContext } from './client-context.ts';
import { deviceOf, readDevices } from './devices.ts';
import { browserEnvironment, type PushEnvironment } from './environment.ts';
import { createInbox } from './inbox.ts';
import { listenToBrowser } from './listen-to-browser.ts';
import { createOfflineActions } from './offline-actions.ts';
import { createPreferences } from './preferences.ts';
import type { PushClient, PushClientOptions, PushStatus } from './push-client.ts';
import { isOffline, PushClientError } from './push-client-error.ts';
import { createRegistration } from './registration.ts';
import { createSignal } from './signal.ts';
import { type PushSupabaseClient, projectOf } from './supabase.ts';
import { obstacleOf } from './support.ts';
import { createTopics } from './topics.ts';

/** Milliseconds that signing out waits for the device to be taken back. */
const TAKE_BACK_LIMIT = 10_000;

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
  options: PushClientOptions = {},
): PushClient {
  const project = projectOf(supabase, options);
  const context = createContext(environment, project, options);
  const actions = createOfflineActions(context);
  const registration = createRegistration(context);
  const statusChanged = createSignal<PushStatus>();
  const inboxChanged = createSignal<void>();
  const userChanged = createSignal<string | null>();
  const opened = createSignal<string>();

  let status: PushStatus = 'unknown';
  const setStatus = (now: PushStatus): PushStatus => {
    const before = status;
    status = now;
    if (now !== before) statusChanged.tell(now);
    return now;
  };

  /** How many users there were: work that began for one of them must not change the status of the next. */
  let users = 0;
  const isSupported = (): boolean => environment !== undefined && obstacleOf(environment) === undefined;

  // A sync that has not begun yet serves all callers; one that has begun may miss what changed before a later call.
  let waiting: Promise<PushStatus> | undefined;
  const sync = (): Promise<PushStatus> => {
    waiting ??= context
      .alone('device', async () => {
        waiting = undefined;
        const began = users;
        return { began, now: await registration.settle() };
      })
      .then(({ began, now }) => (began === users ? setStatus(now) : sync()));
    return waiting;
  };
  const syncAll = async (): Promise<PushStatus> => {
    const now = await sync();
    await actions.replay().catch((error) => {
      if (!isOffline(error)) context.report(error);
    });
    return now;
  };

  const takeBack = async (userId: string | null): Promise<void> => {
    const began = users;
    try {
      await context.alone('device', () => registration.signOut(userId)).catch(context.report);
      await sync();
    } finally {
      // So it is, whatever has failed.
      if (began === users && status === 'unknown') setStatus('signed-out');
    }
  };

  const browser = listenToBrowser(context, {
    inboxChanged,
    opened,
    sync: () => void syncAll().catch(context.report),
    user: (userId, changed) => {
      actions.userId = userId;
      if (!changed) return;
      users++;
      // A browser without push cannot do it for any user, so its status stays.
      if (isSupported()) setStatus('unknown');
      userChanged.tell(userId);
    },
    signedOut: takeBack,
  });

  const ownEndpoint = async () => (await (await context.store()).get('subscription'))?.endpoint;

  const unsubscribe = async (everywhere = false): Promise<void> => {
    if (everywhere) {
      const userId = await project.userId();
      if (!userId) throw new PushClientError('not_signed_in');
      await project.data(project.from('push_subscriptions').delete().eq('user_id', userId));
    }
    await context.alone('device', registration.withdraw);
    await sync();
    browser.tellTabs('device');
  };

  return {
    get status() {
      return status;
    },
    onStatusChange: statusChanged.listen,
    onUserChange: userChanged.listen,
    onOpen: opened.listen,
    isSupported,
    sync: syncAll,
    async subscribe() {
      const obstacle = environment ? obstacleOf(environment) : 'unsupported';
      if (obstacle) throw new PushClientError(obstacle);
      if (browser.isSignedOut()) throw new PushClientError('not_signed_in');
      const began = users;
      // Before anything else: browsers ask only as long as the click is not over.
      const permission = await environment?.Notification?.requestPermission();
      if (permission !== 'granted') {
        setStatus(permission === 'denied' ? 'denied' : 'default');
        throw new PushClientError(permission === 'denied' ? 'permission_denied' : 'permission_dismissed');
      }
      const row = await context.alone('device', registration.register);
      if (began === users) setStatus('subscribed');
      browser.tellTabs('device');
      return deviceOf(row, row.endpoint ?? undefined);
    },
    unsubscribe: ({ everywhere } = {}) => unsubscribe(everywhere),
    async signOut({ scope = 'global' } = {}) {
      const userId = actions.userId;
      const told = await project.session.signOut(scope);
      // It goes on behind that: another tab may hold the device while the network answers nothing.
      await within(TAKE_BACK_LIMIT, takeBack(userId)).catch(context.report);
      return told;
    },
    async sendTest() {
      const endpoint = await ownEndpoint();
      const device = endpoint && (await readDevices(context)).find((row) => row.endpoint === endpoint);
      return (await project.rpc('push_send_test', device ? { p_subscription_id: device.id } : {})) as string;
    },
    devices: {
      async list() {
        const endpoint = await ownEndpoint();
        return (await readDevices(context)).map((row) => deviceOf(row, endpoint));
      },
      async remove(id) {
        const endpoint = await ownEndpoint();
        const rows = await readDevices(context);
        if (endpoint && rows.some((row) => row.id === id && row.endpoint === endpoint))
          return await unsubscribe();
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
