import type { SupabaseClient } from '@supabase/supabase-js';
import { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import { queueError } from './database-error.ts';
import type { Database, Json } from './types.generated.ts';

const plannedSource = z
  .object({
    source: z.string(),
    lease: z.uuid(),
    adapter: z.enum(['json', 'csv']),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    value_at: z.string(),
    symbol_at: z.string().nullable(),
    time_at: z.string().nullable(),
    timezone: z.string(),
    delimiter: z.string(),
    separator: z.string(),
    batch_size: z.int().positive(),
    max_bytes: z.int().positive(),
    timeout_ms: z.int().positive(),
    budget_ms: z.int().positive(),
    local_origin: z.string().nullable(),
    symbols: z.array(z.tuple([z.string(), z.string()])),
    trial: z.boolean(),
    max_requests: z.int().positive().nullable(),
  })
  .transform((row) => ({
    source: row.source,
    lease: row.lease,
    adapter: row.adapter,
    url: row.url,
    headers: row.headers,
    places: { valueAt: row.value_at, symbolAt: row.symbol_at, timeAt: row.time_at },
    timezone: row.timezone,
    delimiter: row.delimiter,
    separator: row.separator,
    batchSize: row.batch_size,
    maxBytes: row.max_bytes,
    /** For one request, from looking the name up to the last byte. */
    timeoutMs: row.timeout_ms,
    /** For all requests of this run. */
    budgetMs: row.budget_ms,
    /** The quote server of a local stack, the only address that may be asked without https. */
    localOrigin: row.local_origin,
    /** Ours and the source's name for it, those that wait longest first. */
    symbols: row.symbols,
    /** Whether the source has never given these: users believe them to exist. */
    trial: row.trial,
    /** How often it may be asked in this run; null: as often as the symbols need. */
    maxRequests: row.max_requests,
  }));

/** A source that is due, and what it is to be asked for. */
export type PlannedSource = z.infer<typeof plannedSource>;

/** Why a request for quotes gave none. Kept in `push.quote_sources` and branched on there. */
export type QuoteErrorCode =
  | 'address_refused'
  | 'answer_malformed'
  | 'answer_too_large'
  | 'credentials_refused'
  | 'internal'
  | 'network_error'
  | 'redirected'
  | 'secret_missing'
  | 'server_error'
  | 'symbols_refused'
  | 'throttled'
  | 'timed_out'
  | 'unexpected_status';

/** What one run got from one source. */
export interface SourceReport {
  source: string;
  lease: string;
  requests: number;
  quotes: { symbol: string; value: number; quoted_at?: string }[];
  /** Symbols that it was asked for and gave no value of. */
  missing: string[];
  /** Symbols that the source does not know. */
  refused: string[];
  /** Values that are none. */
  rejected: { symbol: string; message: string }[];
  error: { code: QuoteErrorCode; message: string; retry_after?: number } | null;
}

const outcome = z.looseObject({ accepted: z.boolean(), recorded: z.int().optional() });

/** What is to be fetched, as the database decides it; every call is one RPC and throws what `queueError()` says when it fails. */
export interface QuotePlan {
  /** The sources that are due, one with symbols on trial perhaps twice; each is ours until reported, or until its lease ends. */
  due(): Promise<PlannedSource[]>;
  /** Records what a source gave; how many quotes were new. */
  report(report: SourceReport): Promise<number>;
}

/** The plan over supabase-js with the secret key (see `supabase/schemas/88_quote_sources`). */
export function createQuotePlan(client: SupabaseClient<Database>): QuotePlan {
  return {
    async due() {
      const { data, error } = await client.rpc('push_quote_plan');
      if (error) throw queueError('push_quote_plan', error);
      return understood('push_quote_plan', z.array(plannedSource).safeParse(data));
    },
    async report(report) {
      const { data, error } = await client.rpc('push_quote_report', { p_report: report as unknown as Json });
      if (error) throw queueError('push_quote_report', error);
      return understood('push_quote_report', outcome.safeParse(data)).recorded ?? 0;
    },
  };
}

function understood<T>(call: string, read: z.ZodSafeParseResult<T>): T {
  if (read.success) return read.data;
  throw new SupapushError(
    'queue_answer_malformed',
    `${call} answered another shape than this function knows: ${z.prettifyError(read.error).slice(0, 300)}. Run: supabase db push`,
  );
}
