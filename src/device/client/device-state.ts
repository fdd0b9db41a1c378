import { findRegistration } from './browser-subscription.ts';
import type { ClientContext } from './client-context.ts';
import { DEVICE_COLUMNS } from './devices.ts';
import type { BrowserState, ProjectState, SessionState, StoreState } from './diagnose.ts';
import type { PushEnvironment } from './environment.ts';
import { fromRow } from './rows.ts';
import { obstacleOf } from './support.ts';

/** What this browser has, and by what that is changed. */
export interface Browser extends BrowserState {
  /** Of the app's service worker, if there is one. */
  readonly registration: ServiceWorkerRegistration | undefined;
  readonly subscription: PushSubscription | null;
}

/** Looks at what the browser has; where no registration is given, with the one that is there. */
export async function readBrowser(
  { environment, options }: ClientContext,
  given?: ServiceWorkerRegistration,
): Promise<Browser> {
  const registration =
    given ??
    (obstacleOf(environment) ? undefined : await findRegistration(environment as PushEnvironment, options));
  return {
    permission: environment?.Notification?.permission,
    // As much as the column holds.
    userAgent: environment?.navigator.userAgent.slice(0, 1000),
    registration,
    subscription: (await registration?.pushManager.getSubscription()) ?? null,
  };
}

export async function readStore(context: ClientContext): Promise<StoreState> {
  const store = await context.store();
  return {
    subscription: await store.get('subscription'),
    releasedEndpoint: await store.get('released_endpoint'),
    userId: await store.get('user_id'),
  };
}

/** Asks the project for the user's row of the browser's subscription. */
export async function readRow(
  { project }: ClientContext,
  { subscription }: BrowserState,
  store: StoreState,
  { userId, asked }: SessionState,
): Promise<ProjectState['row']> {
  const row =
    subscription &&
    (await project.data(
      project
        .from('push_subscriptions')
        .select(DEVICE_COLUMNS)
        .eq('endpoint', subscription.endpoint)
        .maybeSingle(),
    ));
  if (row) return fromRow(row);
  if (asked || store.userId !== userId) return 'none';
  // It may have been removed elsewhere before its user signed out here, and in again.
  const endpoint = store.subscription?.endpoint ?? store.releasedEndpoint;
  return endpoint && (await project.rpc('push_device_removed', { p_address: endpoint })) ? 'removed' : 'none';
}
