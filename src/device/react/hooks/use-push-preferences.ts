import { useCallback } from 'react';
import type { Category, Preferences, PushClient } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { useAction } from './use-action.ts';
import { useLoaded } from './use-loaded.ts';

export interface UsePushPreferences {
  /** Null until they were loaded. */
  readonly preferences: Preferences | null;
  /** What can be muted, as the project describes it. */
  readonly categories: readonly Category[];
  readonly loading: boolean;
  /** Why loading or the last change failed. */
  readonly error: Error | null;
  /** Why loading failed. */
  readonly loadError: Error | null;
  readonly busy: boolean;
  readonly reload: () => Promise<void>;
  /** What is left out stays as it is. Whether it went well. */
  readonly set: (changes: Partial<Preferences>) => Promise<boolean>;
  readonly mute: (category: string) => Promise<boolean>;
  readonly unmute: (category: string) => Promise<boolean>;
}

const load = async ({ preferences }: PushClient) => {
  const [mine, categories] = await Promise.all([preferences.get(), preferences.categories()]);
  return { preferences: mine, categories };
};

/** What the user wants to get, and when. */
export function usePushPreferences(): UsePushPreferences {
  const { client } = usePushContext();
  const { data, loading, error, reload, change } = useLoaded(load);
  const { busy, error: failed, run } = useAction();
  const save = useCallback(
    (work: (client: PushClient) => Promise<Preferences>) =>
      run('change', async () => {
        if (!client) return;
        const preferences = await work(client);
        change((loaded) => ({ ...loaded, preferences }));
      }),
    [client, run, change],
  );
  return {
    preferences: data?.preferences ?? null,
    categories: data?.categories ?? [],
    loading,
    error: failed ?? error,
    loadError: error,
    busy: busy !== null,
    reload,
    set: useCallback((changes) => save((client) => client.preferences.set(changes)), [save]),
    mute: useCallback((category) => save((client) => client.preferences.mute(category)), [save]),
    unmute: useCallback((category) => save((client) => client.preferences.unmute(category)), [save]),
  };
}
