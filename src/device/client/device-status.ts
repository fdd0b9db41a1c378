import type { ClientContext } from './client-context.ts';
import type { CurrentDevice } from './current-device.ts';
import type { PushStatus } from './push-client.ts';
import { createSignal } from './signal.ts';
import { obstacleOf } from './support.ts';

/** The status of this device for the user who is signed in: what was found out for one user is not said of the next. */
export interface DeviceStatus {
  readonly current: PushStatus;
  onChange(listener: (status: PushStatus) => void): () => void;
  /** Another user is signed in than before, or none: the status is unknown where push works. */
  userChanged(): void;
  /** A setter that does nothing once another user is signed in; it returns whether it has set the status. */
  setterForUser(): (status: PushStatus) => boolean;
  /** Repairs the device and finds its status. */
  sync(): Promise<PushStatus>;
  /** Takes the device from a user who has signed out, and finds its status. */
  release(userId: string | null): Promise<void>;
}

/** The status of a device, `unknown` until the first `sync()`. */
export function createDeviceStatus(context: ClientContext, device: CurrentDevice): DeviceStatus {
  const changed = createSignal<PushStatus>();
  let current: PushStatus = 'unknown';
  let userChanges = 0;

  const set = (status: PushStatus): void => {
    const before = current;
    current = status;
    if (status !== before) changed.tell(status);
  };
  const setterForUser = () => {
    const changesBefore = userChanges;
    return (status: PushStatus): boolean => {
      const isSameUser = changesBefore === userChanges;
      if (isSameUser) set(status);
      return isSameUser;
    };
  };

  // A sync that has not begun yet serves all callers; one that has begun may miss what changed before a later call.
  let nextSync: Promise<PushStatus> | undefined;
  const sync = (): Promise<PushStatus> => {
    nextSync ??= context
      .withLock('device', async () => {
        nextSync = undefined;
        const setStatus = setterForUser();
        return [setStatus, await device.sync()] as const;
      })
      .then(([setStatus, status]) => (setStatus(status) ? status : sync()));
    return nextSync;
  };

  return {
    get current() {
      return current;
    },
    onChange: changed.listen,
    userChanged() {
      userChanges++;
      // A browser without push cannot do it for any user, so its status stays.
      if (!obstacleOf(context.environment)) set('unknown');
    },
    setterForUser,
    sync,
    async release(userId) {
      const setStatus = setterForUser();
      try {
        await context.withLock('device', () => device.signOut(userId)).catch(context.report);
        await sync();
      } finally {
        // So it is, whatever has failed.
        if (current === 'unknown') setStatus('signed-out');
      }
    },
  };
}
