import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { VERSION } from '../../shared/version.ts';
import type { ServerClock } from './server-clock.ts';
import type { Database } from './types.generated.ts';

const TIMEOUT_MS = 15_000;

/** The Edge Functions that call the database. */
type FunctionName = 'push-dispatch' | 'push-events' | 'push-health' | 'push-quotes';

/**
 * A client with the secret key and no session; a request that is not answered within 15 s fails.
 *
 * @param caller whose calls they are: the database notes of which release it is
 * @param clock is shown every answer
 */
export function createServiceClient(
  supabaseUrl: string,
  secretKey: string,
  caller: FunctionName,
  clock?: ServerClock,
): SupabaseClient<Database> {
  return createClient<Database>(supabaseUrl, secretKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: {
      headers: { 'x-supapush-function': `${caller}/${VERSION}` },
      async fetch(input, init) {
        // A database that hangs is one that failed: the queue tries again, and leases end.
        const response = await fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
        clock?.observe(response.headers);
        return response;
      },
    },
  });
}
