import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import type { PushClient } from '../client/push-client.ts';
import { createFormat, type PushFormat } from './format.ts';
import { mergeStrings, type PushStringChanges, type PushStrings } from './strings/push-strings.ts';

/** What everything below a provider shares. */
export interface PushContext {
  /** Null where there is none yet, as on a server. */
  readonly client: PushClient | null;
  readonly strings: PushStrings;
  readonly format: PushFormat;
  /** What the first `sync()` failed with. */
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
 * Lets hooks and components below it use a client, and syncs it once. Whoever gives it the user's id as `key` loads
 * everything anew when another user signs in.
 */
export function PushProvider({ client, strings, locale, children }: PushProviderProps): ReactNode {
  const [syncError, setSyncError] = useState<Error | null>(null);
  useEffect(() => {
    let current = true;
    setSyncError(null);
    client?.sync().catch((error: Error) => current && setSyncError(error));
    return () => {
      current = false;
    };
  }, [client]);
  const value = useMemo(
    () => ({ client, strings: mergeStrings(strings), format: createFormat(locale), syncError }),
    [client, strings, locale, syncError],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** What the nearest provider shares. Throws without one. */
export function usePushContext(): PushContext {
  const context = useContext(Context);
  if (!context)
    throw new Error('Wrap your app in <PushProvider client={…}>: a hook of supapush has none above it.');
  return context;
}
