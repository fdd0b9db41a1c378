import type { SupabaseClient } from '@supabase/supabase-js';
import { z } from 'zod';
import { SupapushError } from '../errors.ts';
import type { Database } from './types.generated.ts';

const report = z.looseObject({
  healthy: z.boolean(),
  reasons: z.array(z.object({ code: z.string(), message: z.string() })),
});

/** What `push_health` tells: see `supabase/migrations/…_push_health.sql` for the other values. */
export type HealthReport = z.infer<typeof report>;

/** Reads the project's health. Throws `queue_unreachable` when the database does not answer. */
export async function readHealth(client: SupabaseClient<Database>): Promise<HealthReport> {
  const { data, error } = await client.rpc('push_health');
  if (error)
    throw new SupapushError(
      'queue_unreachable',
      `push_health failed: ${error.code ?? ''} ${error.message}`.trim(),
    );
  const read = report.safeParse(data);
  if (!read.success) {
    throw new SupapushError(
      'queue_answer_malformed',
      'push_health answered another shape than this function knows. Run: supabase db push',
    );
  }
  return read.data;
}
