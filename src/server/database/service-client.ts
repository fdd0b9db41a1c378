import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import type { ServerClock } from './server-clock.ts';
import type { Database } from './types.generated.ts';

const TIMEOUT_MS = 15_000;

/**
 * A client with the secret key and no session; a request that is not answered within 15 s fails.
 *
 * @param clock is shown every answer
 */
export function createServiceClient(
  supabaseUrl: string,
  secretKey: string,
  clock?: ServerClock,
): SupabaseClient<Database> {
  return createClient<Database>(supabaseUrl, secretKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: {
      async fetch(input, init) {
        // A database that hangs is one that failed: the queue tries again, and leases end.
        const response = await fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
        clock?.observe(response.headers);
        return response;
      },
    },
  });
}
