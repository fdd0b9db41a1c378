import type { SupabaseClient } from '@supabase/supabase-js';
import { type FormEvent, type ReactNode, useState } from 'react';

/** Signs a user in, or up if they are new: a local stack sends no mail to confirm an address. */
export function SignIn({ supabase }: { supabase: SupabaseClient }): ReactNode {
  const [email, setEmail] = useState('anna@example.com');
  const [password, setPassword] = useState('correct horse battery staple');
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setError(null);
    const signedIn = await supabase.auth.signInWithPassword({ email, password });
    if (!signedIn.error) return;
    const signedUp = await supabase.auth.signUp({ email, password });
    if (signedUp.error) setError(signedIn.error.message);
  };
  return (
    <form className="supapush demo-card demo-sign-in" onSubmit={(event) => void submit(event)}>
      <h1>Push notifications inside your Supabase project</h1>
      <p className="supapush-hint">
        Everything on this page runs on your machine. Use any email address: a new one is signed up, joins a
        small company, and gets three deals.
      </p>
      <div className="supapush-field">
        <label htmlFor="email">Email</label>
        <input
          id="email"
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
      </div>
      <div className="supapush-field">
        <label htmlFor="password">Password</label>
        <input
          id="password"
          type="password"
          autoComplete="current-password"
          required
          minLength={6}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
      </div>
      <div role="alert">{error && <div className="supapush-error">{error}</div>}</div>
      <button type="submit" className="supapush-button supapush-primary">
        Sign in or sign up
      </button>
    </form>
  );
}
