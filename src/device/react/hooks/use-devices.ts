import { useCallback } from 'react';
import type { Device, PushClient } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { useAction } from './use-action.ts';
import { useLoaded } from './use-loaded.ts';

/** A device, and whether it is left out by what its user said for it alone. */
export interface DeviceWithState extends Device {
  readonly enabled: boolean;
}

export interface UseDevices {
  /** Null until they were loaded. */
  readonly devices: readonly DeviceWithState[] | null;
  readonly loading: boolean;
  /** Why loading or the last action failed. */
  readonly error: Error | null;
  /** Why loading failed. */
  readonly loadError: Error | null;
  readonly busy: string | null;
  readonly reload: () => Promise<void>;
  /** Whether it went well. */
  readonly remove: (id: string) => Promise<boolean>;
  /** Lets a device be notified, or not, and keeps it registered. Whether it went well. */
  readonly setEnabled: (id: string, enabled: boolean) => Promise<boolean>;
}

async function loadDevices(client: PushClient): Promise<readonly DeviceWithState[]> {
  const devices = await client.devices.list();
  return await Promise.all(
    devices.map(async (device) => {
      const { enabled } = await client.preferences.device(device.id);
      return { ...device, enabled: enabled ?? true };
    }),
  );
}

/** The devices of the user who is signed in. */
export function useDevices(): UseDevices {
  const { client } = usePushContext();
  const { data, loading, error, reload, change } = useLoaded(loadDevices);
  const { busy, error: failed, run } = useAction();
  return {
    devices: data,
    loading,
    error: failed ?? error,
    loadError: error,
    busy,
    reload,
    remove: useCallback(
      (id) =>
        run(id, async () => {
          await client?.devices.remove(id);
          change((devices) => devices.filter((device) => device.id !== id));
        }),
      [client, run, change],
    ),
    setEnabled: useCallback(
      (id, enabled) =>
        run(id, async () => {
          // Null follows what the user said for all devices, so that one switch still turns off everything.
          await client?.preferences.setDevice(id, { enabled: enabled ? null : false });
          change((devices) => devices.map((device) => (device.id === id ? { ...device, enabled } : device)));
        }),
      [client, run, change],
    ),
  };
}
