import { useCallback, useEffect } from 'react';
import type { PushClient } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { asError } from './use-action.ts';
import { useReady } from './use-push.ts';
import { useRecovery } from './use-recovery.ts';
import { useStateOfUser } from './use-state-of-user.ts';

interface State<T> {
  readonly data: T | null;
  readonly error: Error | null;
  readonly loading: boolean;
}

const NOTHING = { data: null, error: null, loading: true };

export interface Loaded<T> {
  /** Null until it was loaded once; what was loaded stays while it is loaded anew. */
  readonly data: T | null;
  readonly loading: boolean;
  readonly error: Error | null;
  /** Never rejects: what fails is in `error`. */
  readonly reload: () => Promise<void>;
  /** Changes what was loaded, and lets what is being loaded go: it may be older than the change. */
  readonly change: (change: (data: T) => T) => void;
}

/**
 * Loads something of the user who is signed in, and lets it go as soon as another one is. What failed is tried again when the
 * network is back, or the page is looked at again.
 *
 * @param load the same function at every render, or it is loaded again and again
 */
export function useLoaded<T>(load: (client: PushClient) => Promise<T>): Loaded<T> {
  const { client } = usePushContext();
  const ready = useReady();
  const [state, setState, owner] = useStateOfUser<State<T>>(NOTHING);
  // Only the answer to the newest question counts, and none once the component is gone.
  const reload = useCallback(async () => {
    const request = ++owner.requests;
    if (!client || !ready) return setState(() => NOTHING);
    setState((state) => ({ ...state, loading: true }));
    try {
      const data = await load(client);
      if (request === owner.requests) setState(() => ({ data, error: null, loading: false }));
    } catch (error) {
      if (request === owner.requests)
        setState((state) => ({ ...state, error: asError(error), loading: false }));
    }
  }, [client, ready, load, setState, owner]);
  useEffect(() => {
    void reload();
    return () => {
      owner.requests++;
    };
  }, [reload, owner]);
  useRecovery(state.error, reload);
  const isLoaded = state.data !== null;
  const change = useCallback(
    (change: (data: T) => T) => {
      // Nothing is there to change, and what is being loaded may be older than the change.
      if (!isLoaded) return void reload();
      owner.requests++;
      setState(({ data }) => ({ data: data === null ? null : change(data), error: null, loading: false }));
    },
    [isLoaded, reload, setState, owner],
  );
  return { ...state, reload, change };
}
