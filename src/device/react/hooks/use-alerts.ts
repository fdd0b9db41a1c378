import { useCallback } from 'react';
import type { Alert, AlertInput, PushClient, Quote } from '../../client/push-client.ts';
import { usePushContext } from '../push-provider.tsx';
import { useAction } from './use-action.ts';
import { useInboxChanges } from './use-inbox-changes.ts';
import { useLoaded } from './use-loaded.ts';

export interface UseAlerts {
  /** Newest first; null until they were loaded. */
  readonly alerts: readonly Alert[] | null;
  readonly loading: boolean;
  /** Why loading or the last action failed. */
  readonly error: Error | null;
  /** Why loading failed. */
  readonly loadError: Error | null;
  /** The id of the alert that is being changed, `new` for one that is being made. */
  readonly busy: string | null;
  readonly reload: () => Promise<void>;
  readonly clearError: () => void;
  /** Whether it went well. */
  readonly create: (alert: AlertInput) => Promise<boolean>;
  /** What is left out stays as it is. Whether it went well. */
  readonly update: (id: string, changes: Partial<AlertInput>) => Promise<boolean>;
  readonly remove: (id: string) => Promise<boolean>;
  /** The newest value of a symbol; null where there is none. Rejects as the client does. */
  readonly quote: (symbol: string) => Promise<Quote | null>;
}

const load = ({ alerts }: PushClient): Promise<readonly Alert[]> => alerts.list();

/** The user's alerts. How they stand is loaded anew when a message comes: it may be of one that has fired. */
export function useAlerts(): UseAlerts {
  const { client } = usePushContext();
  const { data, loading, error, reload, change } = useLoaded(load);
  const { busy, error: failed, run, clearError } = useAction();
  useInboxChanges(client, reload);
  return {
    alerts: data,
    loading,
    error: failed ?? error,
    loadError: error,
    busy,
    reload,
    clearError,
    create: useCallback(
      (alert) =>
        run('new', async () => {
          const created = await client?.alerts.create(alert);
          if (created) change((alerts) => [created, ...alerts]);
        }),
      [client, run, change],
    ),
    update: useCallback(
      (id, changes) =>
        run(id, async () => {
          const updated = await client?.alerts.update(id, changes);
          if (updated) change((alerts) => alerts.map((alert) => (alert.id === id ? updated : alert)));
        }),
      [client, run, change],
    ),
    remove: useCallback(
      (id) =>
        run(id, async () => {
          await client?.alerts.delete(id);
          change((alerts) => alerts.filter((alert) => alert.id !== id));
        }),
      [client, run, change],
    ),
    quote: useCallback(async (symbol) => (await client?.alerts.quote(symbol)) ?? null, [client]),
  };
}
