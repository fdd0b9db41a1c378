import { describeSubscription } from '../shared/subscription.ts';
import { subscribeBrowser } from './browser-subscription.ts';
import type { ClientContext } from './client-context.ts';
import { deviceNameOf, deviceTypeOf } from './device-kind.ts';
import type { Browser } from './device-state.ts';
import { DEVICE_COLUMNS, type DeviceRow } from './devices.ts';
import type { ProjectState, Repair, SessionState, StoreState } from './diagnose.ts';
import type { PushEnvironment } from './environment.ts';
import { startRelease } from './release.ts';
import { fromRow } from './rows.ts';
import { tellWorker } from './worker-messages.ts';

/**
 * Does what `diagnose()` has said of these states. Returns the row of this device where it has one then. Rejects with
 * `endpoint_taken` where another user has a row of the endpoint, with other keys, and with what browser and project refuse.
 */
export async function repair(
  context: ClientContext,
  diagnosis: Repair,
  { registration, subscription, userAgent }: Browser,
  { subscription: known }: StoreState,
  answer: ProjectState | undefined,
  { userId }: SessionState,
): Promise<DeviceRow | undefined> {
  const { environment, options, project } = context;
  const store = await context.store();
  const vapidKey = answer?.vapidKey ?? '';

  const keep = async (own: PushSubscription, row: DeviceRow): Promise<DeviceRow> => {
    await store.set('subscription', describeSubscription(own, vapidKey));
    await store.set('user_id', userId as string);
    await store.set('vapid_key', vapidKey);
    if (project.eventsUrl) await store.set('events_url', project.eventsUrl);
    return row;
  };

  /** Writes the row of a subscription: in place of the one before it, so that id and preferences stay, or a new one. */
  const write = async (own: PushSubscription): Promise<DeviceRow> => {
    const { navigator } = environment as PushEnvironment;
    const row = {
      ...describeSubscription(own, vapidKey),
      device_type: deviceTypeOf(navigator),
      device_name: (options.deviceName ?? deviceNameOf(navigator)).slice(0, 50),
      user_agent: userAgent,
      expires_at: own.expirationTime && new Date(own.expirationTime).toISOString(),
    };
    const table = () => project.from('push_subscriptions');
    const before = (known ?? subscription)?.endpoint;
    const moved =
      before && before !== row.endpoint
        ? await project.data(table().update(row).eq('endpoint', before).select(DEVICE_COLUMNS).maybeSingle())
        : null;
    const written =
      moved ??
      (await project.data(table().upsert(row, { onConflict: 'endpoint' }).select(DEVICE_COLUMNS).single()));
    return await keep(own, fromRow(written));
  };

  switch (diagnosis) {
    case 'nothing':
    case 'ask':
      return;
    case 'hand-over':
      tellWorker(registration, 'clear');
      return;
    case 'release':
    case 'give-up': {
      const keys = subscription ? describeSubscription(subscription, vapidKey) : known;
      try {
        await subscription?.unsubscribe();
      } finally {
        // What still came until then, too.
        tellWorker(registration, 'clear');
      }
      if (keys) await startRelease(context, keys, userId);
      if (diagnosis === 'give-up') await store.delete('user_id');
      return;
    }
    case 'delete':
      tellWorker(registration, 'clear');
      if (known) await startRelease(context, known, userId);
      return;
    case 'keep':
      return await keep(subscription as PushSubscription, answer?.row as DeviceRow);
    case 'write':
      return await write(subscription as PushSubscription);
    case 'subscribe':
      await subscription?.unsubscribe();
      return await write(await subscribeBrowser(registration as ServiceWorkerRegistration, vapidKey));
  }
}
