import { useCallback } from 'react';
import type { PushClient, Topic } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { useAction } from './use-action.ts';
import { useLoaded } from './use-loaded.ts';

export interface UseTopics {
  /** Null until they were loaded. */
  readonly topics: readonly Topic[] | null;
  readonly loading: boolean;
  /** Why loading or the last action failed. */
  readonly error: Error | null;
  /** Why loading failed. */
  readonly loadError: Error | null;
  readonly reload: () => Promise<void>;
  /** Whether it went well. */
  readonly join: (key: string) => Promise<boolean>;
  readonly leave: (key: string) => Promise<boolean>;
}

const load = ({ topics }: PushClient): Promise<readonly Topic[]> => topics.list();

/** The audiences that the user may join. */
export function useTopics(): UseTopics {
  const { client } = usePushContext();
  const { data, loading, error, reload, change } = useLoaded(load);
  const { error: failed, run } = useAction();
  const setJoined = useCallback(
    (key: string, joined: boolean) =>
      run(key, async () => {
        await (joined ? client?.topics.join(key) : client?.topics.leave(key));
        change((topics) => topics.map((topic) => (topic.key === key ? { ...topic, joined } : topic)));
      }),
    [client, run, change],
  );
  return {
    topics: data,
    loading,
    error: failed ?? error,
    loadError: error,
    reload,
    join: useCallback((key) => setJoined(key, true), [setJoined]),
    leave: useCallback((key) => setJoined(key, false), [setJoined]),
  };
}
