import { useCallback, useSyncExternalStore } from 'react';
import type { PushStatus } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { useAction } from './use-action.ts';

export interface UsePush {
  readonly status: PushStatus;
  readonly busy: 'subscribe' | 'unsubscribe' | 'sendTest' | null;
  /** Why the last action failed, or the first `sync()`. */
  readonly error: Error | null;
  /** Registers this device, asking for permission if need be: call it from a click. Whether it went well. */
  readonly subscribe: () => Promise<boolean>;
  /** Takes this device back, or all of the user's. Whether it went well. */
  readonly unsubscribe: (options?: { everywhere?: boolean }) => Promise<boolean>;
  /** Whether it went well. */
  readonly sendTest: () => Promise<boolean>;
}

/** How push stands on this device, `unknown` on a server and until the first `sync()` has said. */
export function useStatus(): PushStatus {
  const { client } = usePushContext();
  return useSyncExternalStore(
    useCallback((listener) => client?.onStatusChange(listener) ?? (() => undefined), [client]),
    () => client?.status ?? 'unknown',
    () => 'unknown',
  );
}

/** Whether it is known that no user is signed in. */
export function useSignedOut(): boolean {
  const { signedOut } = usePushContext();
  return useStatus() === 'signed-out' || signedOut;
}

/** Whether data can be loaded: once it is known who is signed in, or finding that out has failed. */
export function useReady(): boolean {
  const { syncError } = usePushContext();
  const known = useStatus() !== 'unknown' || syncError !== null;
  return !useSignedOut() && known;
}

/** How push stands on this device, and what changes it. Nothing rejects: what fails is in `error`. */
export function usePush(): UsePush {
  const { client, syncError } = usePushContext();
  const status = useStatus();
  const { busy, error, run } = useAction<'subscribe' | 'unsubscribe' | 'sendTest'>();
  return {
    status,
    busy,
    error: error ?? syncError,
    subscribe: useCallback(() => run('subscribe', async () => client?.subscribe()), [client, run]),
    unsubscribe: useCallback(
      (options) => run('unsubscribe', async () => client?.unsubscribe(options)),
      [client, run],
    ),
    sendTest: useCallback(() => run('sendTest', async () => client?.sendTest()), [client, run]),
  };
}
