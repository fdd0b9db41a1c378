import type { ClientContext } from './client-context.ts';
import type { Device } from './push-client.ts';
import { fromRow } from './rows.ts';

/** A row of `push_subscriptions`, as far as it is looked at. */
export interface DeviceRow {
  readonly id: string;
  readonly endpoint: string | null;
  readonly vapid_key: string | null;
  readonly user_agent: string | null;
}

/** The columns of a `DeviceRow` and a `Device`. */
export const DEVICE_COLUMNS =
  'id, device_name, channel, device_type, user_agent, created_at, last_used_at, endpoint, vapid_key';

/** A device as the app sees it; `endpoint` is that of this browser. */
export function deviceOf(row: DeviceRow, endpoint: string | undefined): Device {
  const {
    deviceName,
    endpoint: own,
    vapidKey: _,
    ...device
  } = fromRow<Device & { deviceName: string | null; endpoint: string | null; vapidKey: string | null }>(row);
  return { ...device, name: deviceName, current: own !== null && own === endpoint };
}

/** The rows of the user's devices, newest first. */
export async function readDevices({ project }: ClientContext): Promise<DeviceRow[]> {
  return (await project.list('push_subscriptions', DEVICE_COLUMNS, '-created_at', 'id')) as DeviceRow[];
}
