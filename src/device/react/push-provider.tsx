import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { PushClient } from '../client/push-client.ts';
import { createFormat, type PushFormat } from './format.ts';
import { useRecovery } from './hooks/use-recovery.ts';
import { mergeStrings, type PushStringChanges, type PushStrings } from './strings/push-strings.ts';

/** What everything below a provider shares. */
export interface PushContext {
  /** Null where there is none yet, as on a server. */
  readonly client: PushClient | null;
  readonly strings: PushStrings;
  readonly format: PushFormat;
  /** How often the user has changed. Data with another count belongs to another user. */
  readonly userChanges: number;
  /** Whether it is known that the user has signed out. */
  readonly signedOut: boolean;
  /** What the last `sync()` for this user failed with; it is tried again when the network is back. */
  readonly syncError: Error | null;
}

const Context = /* @__PURE__ */ createContext<PushContext | null>(null);

export interface PushProviderProps {
  /** What `createPushClient()` gave; null while there is none, as on a server. */
  client: PushClient | null;
  strings?: PushStringChanges;
  /** BCP 47, for numbers and dates; the browser's unless given. */
  locale?: string;
  children?: ReactNode;
}

/**
 * Lets hooks and components below it use a client, and syncs it, once for each user. When another one signs in, everything
 * below that is of the user before is emptied at once, and loaded anew.
 */
export function PushProvider({ client, strings, locale, children }: PushProviderProps): ReactNode {
  const [user, setUser] = useState({ client, userChanges: 0, signedOut: false });
  // Another client may be another user's. Set while rendering: nothing below is rendered with the one and the other's data.
  if (user.client !== client) setUser({ client, userChanges: user.userChanges + 1, signedOut: false });
  const { userChanges, signedOut } = user;
  const [failed, setFailed] = useState<{ userChanges: number; error: Error } | null>(null);
  useEffect(
    () =>
      client?.onUserChange((userId) =>
        setUser(({ userChanges }) => ({ client, userChanges: userChanges + 1, signedOut: userId === null })),
      ),
    [client],
  );
  const syncs = useRef(0);
  const sync = useCallback(async () => {
    const count = ++syncs.current;
    const outcome = await client?.sync().then(
      () => null,
      (error: Error) => ({ userChanges, error }),
    );
    if (count === syncs.current) setFailed(outcome ?? null);
  }, [client, userChanges]);
  useEffect(() => {
    void sync();
    return () => {
      syncs.current++;
    };
  }, [sync]);
  const syncError = failed?.userChanges === userChanges ? failed.error : null;
  useRecovery(syncError, sync);
  const value = useMemo(
    () => ({
      client,
      strings: mergeStrings(strings),
      format: createFormat(locale),
      userChanges,
      signedOut,
      syncError,
    }),
    [client, strings, locale, userChanges, signedOut, syncError],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** What the nearest provider shares. Throws without one. */
export function usePushContext(): PushContext {
  const context = useContext(Context);
  if (!context)
    throw new Error('Wrap your app in <PushProvider client={…}>: this hook of supapush needs one above it.');
  return context;
}
