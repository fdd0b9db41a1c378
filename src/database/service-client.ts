import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import type { Database } from './types.generated.ts';

const TIMEOUT_MS = 15_000;

/** A client with the secret key and no session; a request that is not answered within 15 s fails. */
export function createServiceClient(supabaseUrl: string, secretKey: string): SupabaseClient<Database> {
  return createClient<Database>(supabaseUrl, secretKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // A database that hangs is one that failed: the queue tries again, and leases end.
    global: {
      fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) }),
    },
  });
}
