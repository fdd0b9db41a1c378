import type { SupabaseClient } from '@supabase/supabase-js';
import type { PushClientOptions } from './push-client.ts';
import { PushClientError } from './push-client-error.ts';
import { type Session, sessionOf } from './session.ts';

/** What is needed of a Supabase client: any `@supabase/supabase-js` of version 2 has it, whatever its types. */
export interface PushSupabaseClient {
  readonly auth: { getSession(): unknown; onAuthStateChange(callback: never): unknown };
  from(relation: never): unknown;
  rpc(name: never): unknown;
}

/** What a query of supabase-js resolves to. */
interface Answer {
  readonly data: unknown;
  readonly error: { message: string; code?: string; details?: unknown; hint?: unknown } | null;
  readonly status?: number;
}

/** A column to sort by; `-` before it for the newest first. Together they must tell any two rows apart. */
type Order = string;

/** The project as the client asks it. Everything rejects with a `PushClientError`, `offline` when there was no answer. */
export interface Project {
  readonly session: Session;
  readonly client: SupabaseClient;
  /** A table of Supapush, whatever schema the client asks by default. */
  from(table: string): ReturnType<SupabaseClient['from']>;
  rpc(name: string, args?: Record<string, unknown>): Promise<unknown>;
  /** Every row of a table that the user may see, also where the project's Max rows hands over a few at a time. */
  list(table: string, columns: string, ...orders: Order[]): Promise<object[]>;
  /** The data of an answer. */
  data(query: Answer | PromiseLike<Answer>): Promise<unknown>;
  /** The user who is signed in, or null. */
  userId(): Promise<string | null>;
  /** Where Edge Functions answer, without a slash at the end; undefined where the client does not say. */
  readonly functionsUrl: string | undefined;
  /** Where `push-events` answers; undefined where the client does not say. */
  readonly eventsUrl: string | undefined;
}

/** Looks at a Supabase client as a project. Throws `session_unknown` where nothing says who is signed in. */
export function projectOf(supabase: PushSupabaseClient, options: PushClientOptions = {}): Project {
  const client = supabase as unknown as SupabaseClient;
  // Our tables and functions are in public; an app's client may have another schema as its default.
  const api = client.schema?.('public' as never) ?? client;
  const session = sessionOf(client, options);
  const { supabaseUrl } = supabase as { supabaseUrl?: string };
  const functionsUrl = (options.functionsUrl ?? (supabaseUrl && `${supabaseUrl}/functions/v1`))?.replace(
    /\/+$/,
    '',
  );

  const data = async (query: Answer | PromiseLike<Answer>): Promise<unknown> => {
    const { data, error, status } = await query;
    if (error) throw errorOf(error, status);
    return data;
  };

  return {
    session,
    client,
    data,
    from: (table) => api.from(table) as ReturnType<SupabaseClient['from']>,
    rpc: (name, args) => data(api.rpc(name, args)),
    async list(table, columns, ...orders) {
      const rows: object[] = [];
      for (let total = 1; rows.length < total; ) {
        let query = api.from(table).select(columns, { count: 'exact' });
        for (const order of orders)
          query = query.order(order.replace('-', ''), { ascending: order[0] !== '-' });
        const answer = await query.range(rows.length, rows.length + 999);
        const page = (await data(answer)) as object[];
        rows.push(...page);
        // Rows that were deleted meanwhile do not come any more.
        total = page.length ? (answer.count ?? 0) : 0;
      }
      return rows;
    },
    userId: session.userId,
    functionsUrl,
    eventsUrl: functionsUrl && `${functionsUrl}/push-events`,
  };
}

function errorOf(error: NonNullable<Answer['error']>, status?: number): PushClientError {
  const { code, details, hint, message } = error;
  if (!status) return new PushClientError('offline', { cause: error });
  const of = { status, cause: error };
  // push.refuse() in the database: the machine code is the detail.
  if (code?.startsWith('PT') && typeof details === 'string')
    return new PushClientError(details, { ...of, message, hint: hint as string });
  if (/^(PGRST20[25]|42P01|42883)$/.test(code ?? '')) return new PushClientError('not_installed', of);
  if (code === 'PGRST106') return new PushClientError('schema_not_exposed', of);
  if (status === 401) return new PushClientError('not_signed_in', of);
  if (code === 'PGRST116') return new PushClientError('not_found', of);
  if (code === '42501') return new PushClientError('forbidden', of);
  return new PushClientError('failed', { ...of, message });
}
