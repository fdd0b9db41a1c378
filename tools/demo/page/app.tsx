import type { SupabaseClient, User } from '@supabase/supabase-js';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import type { PushClient } from '../../../src/device/client/index.ts';
import {
  AlertEditor,
  InboxBell,
  PushPrompt,
  PushProvider,
  PushSettings,
} from '../../../src/device/react/index.ts';
import { Deals } from './deals.tsx';
import { Messages } from './messages.tsx';
import { useProblem } from './problem.tsx';
import { Quotes } from './quotes.tsx';
import { SignIn } from './sign-in.tsx';

/** A small CRM with everything that Supapush has for its users. */
export function App({ supabase, push }: { supabase: SupabaseClient; push: PushClient }): ReactNode {
  const [user, setUser] = useState<User | null | undefined>(undefined);
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange((_event, session) => setUser(session?.user ?? null));
    return () => data.subscription.unsubscribe();
  }, [supabase]);
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const follow = (): void => setPath(location.pathname);
    addEventListener('popstate', follow);
    return () => removeEventListener('popstate', follow);
  }, []);
  const open = useCallback((url: string): void => {
    history.pushState(null, '', url);
    setPath(location.pathname);
  }, []);

  // A message that is clicked leads here without loading the page anew: what is written in a form stays.
  useEffect(() => push.onOpen(open), [push, open]);
  const { run, note } = useProblem();

  if (user === undefined) return null;
  return (
    <PushProvider client={push}>
      <header className="supapush demo-header">
        <div className="demo-bar">
          <span className="demo-brand">
            <img src="/icon.svg" alt="" width="28" height="28" /> Supapush
          </span>
          {user && (
            <>
              <span className="demo-user">{user.email}</span>
              <button
                type="button"
                className="supapush-button supapush-quiet"
                onClick={() => void run(() => push.signOut())}
              >
                Sign out
              </button>
              <InboxBell
                onOpen={(url, event) => {
                  if (!url.startsWith('/')) return;
                  event.preventDefault();
                  open(url);
                }}
              />
            </>
          )}
        </div>
      </header>
      <main className="demo-main">
        {note}
        {user ? (
          <>
            <h1 className="demo-hidden">Demo</h1>
            <PushPrompt />
            <div className="demo-columns">
              <div className="demo-column">
                <Deals supabase={supabase} path={path} />
                <Quotes supabase={supabase} />
                <AlertEditor symbols={['DAX', 'BTC']} levels={['yesterday_high', 'yesterday_low']} />
              </div>
              <div className="demo-column">
                <Messages supabase={supabase} push={push} />
                <PushSettings />
              </div>
            </div>
          </>
        ) : (
          <SignIn supabase={supabase} />
        )}
      </main>
    </PushProvider>
  );
}
