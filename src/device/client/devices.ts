import type { ClientContext } from './client-context.ts';
import type { Device } from './push-client.ts';
import { fromRow } from './rows.ts';

/** A row of `push_subscriptions`, as far as it is looked at. */
export interface DeviceRow extends Omit<Device, 'name' | 'current'> {
  readonly deviceName: string | null;
  readonly endpoint: string | null;
  readonly vapidKey: string | null;
}

/** The columns of a `DeviceRow`. */
export const DEVICE_COLUMNS =
  'id, device_name, channel, device_type, user_agent, created_at, last_used_at, endpoint, vapid_key';

/** A device as the app sees it; `ownEndpoint` is that of this browser. */
export function deviceOf(row: DeviceRow, ownEndpoint: string | null | undefined): Device {
  const { deviceName, endpoint, vapidKey: _, ...device } = row;
  return { ...device, name: deviceName, current: endpoint !== null && endpoint === ownEndpoint };
}

/** The user's devices, newest first. */
export async function readDevices({ project, store }: ClientContext): Promise<Device[]> {
  const own = await (await store()).get('subscription');
  const rows = await project.list('push_subscriptions', DEVICE_COLUMNS, '-created_at', 'id');
  return rows.map((row) => deviceOf(fromRow(row), own?.endpoint));
}
