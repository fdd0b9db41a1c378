import type { Session as AuthSession, SupabaseClient } from '@supabase/supabase-js';
import { within } from '../shared/time-limit.ts';
import type { PushClientOptions, SignOutOptions } from './push-client.ts';
import { PushClientError } from './push-client-error.ts';

/** Milliseconds after which the user is signed out although the server does not answer. */
const ANSWER_LIMIT = 4000;

const UUID = /^([\da-f]{4}-?){7}[\da-f]{4}$/i;

/** Who uses the app here. */
export interface Session {
  /** The user who is signed in, or null. Rejects with `offline` where that cannot be known without a network. */
  userId(): Promise<string | null>;
  /** Calls the listener with the user who is signed in, first with the one the page finds; events are those of supabase-js. */
  listen(listener: (event: string, userId: string | null) => void): () => void;
  /** Ends the session here, whatever the server says; whether it was told. */
  signOut(scope: NonNullable<SignOutOptions['scope']>): Promise<boolean>;
}

/** The session of a Supabase client, or what the app says of another provider's. Throws `session_unknown` without either. */
export function sessionOf(client: SupabaseClient, options: PushClientOptions): Session {
  const { userId, onUserChange } = options;
  if (userId && onUserChange) return sessionOfProvider(userId, onUserChange);
  // With the option `accessToken`, everything that is asked of `auth` throws, and nothing is in it.
  if (!userId && !onUserChange && 'getSession' in client.auth) return sessionOfSupabase(client.auth);
  throw new PushClientError('session_unknown');
}

function sessionOfSupabase(auth: SupabaseClient['auth']): Session {
  const session = async (): Promise<AuthSession | null> => {
    const { data, error } = await auth.getSession();
    // A session that cannot be renewed without a network cannot be used now, but the user has not signed out.
    if (error?.name === 'AuthRetryableFetchError') throw new PushClientError('offline', { cause: error });
    return data.session;
  };

  /** Ends the session at the server alone: what is signed in here by the time of a late answer is not touched by it. */
  const revoke = async (scope: 'global' | 'local'): Promise<boolean> => {
    const token = (await session())?.access_token;
    if (!token) return true;
    const { error } = await auth.admin.signOut(token, scope);
    // Ended before, or the account is gone.
    return !error || [401, 403, 404].includes(error.status ?? 0);
  };

  return {
    userId: async () => (await session())?.user.id ?? null,
    listen(listener) {
      const { data } = auth.onAuthStateChange((event, now) => listener(event, now?.user.id ?? null));
      return () => data.subscription.unsubscribe();
    },
    async signOut(scope) {
      const told = await within(ANSWER_LIMIT, revoke(scope)).catch(() => false);
      await within(ANSWER_LIMIT, auth.signOut({ scope: 'local' })).catch(() => undefined);
      // Earlier versions of supabase-js keep a session whose end they could not tell, and one that is being renewed.
      const isKept = await within(ANSWER_LIMIT, session()).catch(() => true);
      if (isKept) await (auth as unknown as { _removeSession(): Promise<void> })._removeSession();
      return told;
    },
  };
}

function sessionOfProvider(
  userId: NonNullable<PushClientOptions['userId']>,
  onUserChange: NonNullable<PushClientOptions['onUserChange']>,
): Session {
  const readUserId = async (): Promise<string | null> => {
    const id = (await userId()) ?? null;
    // The database says the same of the token, but first of a filter that names this id, and there without a code.
    if (id && !UUID.test(id)) throw new PushClientError('user_id_not_uuid', { status: 403 });
    return id;
  };
  return {
    userId: readUserId,
    listen(listener) {
      let last: string | null | undefined;
      let isUnknown = false;
      // Providers say it again with each new token.
      const onUser = (id: string | null): void => {
        const before = last;
        last = id;
        // After a question without an answer, the first word may be that of a sign-out.
        if (before === undefined && !isUnknown) listener('INITIAL_SESSION', id);
        else if (id !== before) listener(id ? 'SIGNED_IN' : 'SIGNED_OUT', id);
      };
      const stop = onUserChange((id) => onUser(id ?? null));
      // What the provider has said meanwhile is newer.
      void readUserId().then(
        (id) => last === undefined && onUser(id),
        () => {
          isUnknown = true;
        },
      );
      return stop;
    },
    signOut: () => Promise.reject(new PushClientError('session_elsewhere')),
  };
}
