import type postgres from 'postgres';
import { asService, createUser } from './postgres.ts';

/** Makes these the watched symbols, and no others. */
export async function watchSymbols(sql: postgres.Sql, symbols: string[]): Promise<void> {
  await sql`delete from public.push_alerts`;
  if (symbols.length === 0) return;
  const { id } = await createUser(sql);
  await sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold)
    select ${id}, s.symbol, 'above', 1e99 from unnest(${symbols}::text[]) as s (symbol)`;
}

/** Makes another user, who watches these symbols beside all others. */
export async function watchedByAnother(sql: postgres.Sql, symbols: string[]): Promise<void> {
  const { id } = await createUser(sql);
  await sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold)
    select ${id}, s.symbol, 'above', 1e99 from unnest(${symbols}::text[]) as s (symbol)`;
}

/** The quotes that are recorded, by symbol. */
export async function recordedQuotes(sql: postgres.Sql): Promise<Record<string, number>> {
  const rows = await sql<{ symbol: string; value: number }[]>`
    select symbol, value from public.push_quotes order by symbol`;
  return Object.fromEntries(rows.map(({ symbol, value }) => [symbol, value]));
}

/** Forgets all quotes, alerts, sources and alarms. */
export async function clearQuotes(sql: postgres.Sql): Promise<void> {
  await sql`delete from public.push_alerts`;
  await sql`delete from public.push_quotes`;
  await sql`delete from push.quote_history`;
  await sql`select push.drop_quote_source(name) from push.quote_sources`;
  await sql`delete from push.alarms`;
}

/** What push.define_quote_source() takes, beside the name. */
export interface SourceOptions {
  adapter?: string;
  url?: string;
  value_at?: string | null;
  symbol_at?: string | null;
  time_at?: string | null;
  headers?: Record<string, unknown>;
  symbols?: Record<string, unknown>;
  symbol_pattern?: string;
  precedence?: number;
  batch_size?: number;
  every?: string;
  timeout?: string;
  max_bytes?: number;
  value_above?: number | null;
  fallback_after?: string;
  timezone?: string;
  delimiter?: string;
  separator?: string;
}

/** Declares a JSON source of lists, `{"data": [{"symbol", "last", "time"}]}`, unless `options` say otherwise. */
export async function defineSource(
  sql: postgres.Sql,
  name: string,
  options: SourceOptions = {},
): Promise<void> {
  const given: SourceOptions = {
    adapter: 'json',
    url: 'https://api.example.com/quotes?symbols={symbols}',
    value_at: 'data[*].last',
    symbol_at: 'data[*].symbol',
    time_at: 'data[*].time',
    ...options,
  };
  const entries = Object.entries(given).map(([key, value]) =>
    typeof value === 'object' && value !== null ? [key, sql.json(value as never)] : [key, value],
  );
  const names = entries.map(([key], index) => `p_${key} => $${index + 2}`).join(', ');
  await sql.unsafe(`select push.define_quote_source(p_name => $1, ${names})`, [
    name,
    ...entries.map(([, value]) => value as never),
  ]);
}

export interface PlannedRow {
  source: string;
  lease: string;
  symbols: [ours: string, theirs: string][];
  trial: boolean;
  max_requests: number | null;
  local_origin: string | null;
}

/** What a run of push-quotes is told to ask. */
export async function planQuotes(sql: postgres.Sql, now: Date): Promise<PlannedRow[]> {
  const [row] = await asService(
    sql,
    (t) => t<{ plan: PlannedRow[] }[]>`select public.push_quote_plan(${now}) as plan`,
  );
  return row?.plan ?? [];
}

export interface Report {
  source: string;
  lease: string;
  quotes?: { symbol: string; value: number | string | null; quoted_at?: Date }[];
  missing?: string[];
  refused?: string[];
  rejected?: { symbol: string; message: string }[];
  error?: { code: string; message: string; retry_after?: number };
}

/** Reports as a run of push-quotes does. */
export async function reportQuotes(
  sql: postgres.Sql,
  now: Date,
  { quotes = [], missing = [], refused = [], rejected = [], error, ...report }: Report,
): Promise<Record<string, unknown>> {
  const value = { requests: 1, quotes, missing, refused, rejected, error: error ?? null, ...report };
  const [row] = await asService(
    sql,
    (t) =>
      t<{ answer: Record<string, unknown> }[]>`
        select public.push_quote_report(${t.json(value as never)}, ${now}) as answer`,
  );
  return row?.answer ?? {};
}

/** What a run asks for, by our names. */
export function askedFor(...planned: (PlannedRow | undefined)[]): string[] {
  return planned.flatMap((one) => one?.symbols.map(([ours]) => ours) ?? []);
}

/**
 * One run of push-quotes, in which every source answers everything: `sources` with the symbols that `exist`, the others with
 * nothing. Returns what was asked.
 */
export async function runSources(
  sql: postgres.Sql,
  now: Date,
  exist: readonly string[],
  sources: readonly string[] = ['main'],
): Promise<PlannedRow[]> {
  const planned = await planQuotes(sql, now);
  for (const one of planned) {
    const asked = askedFor(one);
    const given = sources.includes(one.source) ? asked.filter((symbol) => exist.includes(symbol)) : [];
    await reportQuotes(sql, now, {
      source: one.source,
      lease: one.lease,
      quotes: given.map((symbol) => ({ symbol, value: 1 })),
      missing: asked.filter((symbol) => !given.includes(symbol)),
    });
  }
  return planned;
}

export interface SourceState {
  state: string;
  failures: number;
  last_error_code: string | null;
  last_error: string | null;
  next_attempt_at: string | null;
  symbols: number;
  refused_symbols: number;
  missing_symbols: number;
  last_run: Record<string, unknown> | null;
}

/** How a source is doing, as health shows it. */
export async function sourceState(sql: postgres.Sql, name: string, now = new Date()): Promise<SourceState> {
  const [row] = await asService(
    sql,
    (t) => t<{ health: { quote_sources: (SourceState & { source: string })[] } }[]>`
      select public.push_health(${now}) as health`,
  );
  const found = row?.health.quote_sources.find(({ source }) => source === name);
  if (!found) throw new Error(`health shows no source ${name}`);
  return found;
}
