import type { SupabaseClient } from '@supabase/supabase-js';
import { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import { databaseError } from './database-error.ts';
import type { Database } from './types.generated.ts';

const report = z.looseObject({
  healthy: z.boolean(),
  reasons: z.array(z.object({ code: z.string(), message: z.string() })),
});

/** What `push_health` tells: see `supabase/schemas/90_operations/health.sql` for the other values. */
export type HealthReport = z.infer<typeof report>;

/** Reads the project's health. Throws what `databaseError()` says when that fails. */
export async function readHealth(client: SupabaseClient<Database>): Promise<HealthReport> {
  const { data, error, status } = await client.rpc('push_health');
  if (error) throw databaseError('push_health', { error, status });
  const read = report.safeParse(data);
  if (!read.success) {
    throw new SupapushError(
      'queue_answer_malformed',
      'push_health answered another shape than this function knows. Run: supabase db push',
    );
  }
  return read.data;
}
