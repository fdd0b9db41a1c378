import { useCallback, useEffect, useRef, useState } from 'react';
import type { PushClient } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { asError } from './use-action.ts';
import { useReady } from './use-push.ts';

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
 * Loads something of the user who is signed in. That another one is, it learns by the `key` of the provider.
 *
 * @param load the same function at every render, or it is loaded again and again
 */
export function useLoaded<T>(load: (client: PushClient) => Promise<T>): Loaded<T> {
  const { client } = usePushContext();
  const ready = useReady();
  const [state, setState] = useState<{ data: T | null; error: Error | null; loading: boolean }>({
    data: null,
    error: null,
    loading: true,
  });
  // Only the answer to the newest question counts, and none once the component is gone.
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++turn.current;
    if (!client || !ready) return setState({ data: null, error: null, loading: true });
    setState((state) => ({ ...state, loading: true }));
    try {
      const data = await load(client);
      if (mine === turn.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((state) => ({ ...state, error: asError(error), loading: false }));
    }
  }, [client, ready, load]);
  useEffect(() => {
    void reload();
    return () => {
      turn.current++;
    };
  }, [reload]);
  const change = useCallback((change: (data: T) => T) => {
    turn.current++;
    setState(({ data }) => ({ data: data === null ? null : change(data), error: null, loading: false }));
  }, []);
  return { ...state, reload, change };
}
