import type postgres from 'postgres';
import { createUser } from './postgres.ts';

type Client = postgres.Sql | postgres.TransactionSql;

/** What the owner of an alert writes of it. */
export interface AlertInput {
  symbol?: string;
  condition?: string;
  threshold?: number | null;
  window_minutes?: number;
  direction?: string | null;
  level?: string | null;
  level_condition?: string | null;
  hysteresis?: number;
  hysteresis_unit?: string;
  cooldown?: string;
  recurring?: boolean;
  expires_at?: Date | null;
  active_from?: string | null;
  active_until?: string | null;
  timezone?: string | null;
  setup?: string | null;
  title?: string | null;
  body?: string | null;
  urgency?: string;
  enabled?: boolean;
}

export interface Alert extends Required<AlertInput> {
  id: string;
  user_id: string;
  armed: boolean;
  last_side: string | null;
  level_price: number | null;
  last_fired_at: Date | null;
  times_fired: number;
  held_back: number;
  held_until: Date | null;
  disabled_reason: string | null;
  generation: number;
  upper_line: number | null;
  lower_line: number | null;
}

export interface Quote {
  symbol: string;
  value: unknown;
  quoted_at?: Date | string;
  source?: string;
}

export interface Recorded {
  recorded: number;
  ignored: { duplicate: number; out_of_order: number; stale: number; invalid: number };
  fired: number;
}

/** Where the clock of these tests starts: late enough for no alert to be older than its first quote. */
export const MORNING = new Date('2040-06-04T08:00:00Z');

/** A recurring alert that DAX crosses 100, unless told otherwise, of a new user unless given one; its id. */
export async function makeAlert(sql: Client, values: AlertInput = {}, userId?: string): Promise<string> {
  const row = {
    symbol: 'DAX',
    condition: 'crosses_above',
    recurring: true,
    ...(values.condition === 'level' ? {} : { threshold: 100 }),
    ...values,
    user_id: userId ?? (await createUser(sql)).id,
  };
  const [made] = await sql<
    { id: string }[]
  >`insert into public.push_alerts ${sql(row as never)} returning id`;
  return (made as { id: string }).id;
}

export async function readAlert(sql: Client, id: string): Promise<Alert> {
  const [row] = await sql<Alert[]>`select * from public.push_alerts where id = ${id}`;
  if (!row) throw new Error(`No alert ${id}.`);
  return row;
}

/** Records quotes as the service does. */
export async function recordQuotes(sql: postgres.Sql, quotes: unknown, now: Date): Promise<Recorded> {
  const [row] = await sql<{ result: Recorded }[]>`
    select public.push_record_quotes(${sql.json(quotes as never)}, ${now}) as result`;
  return (row as { result: Recorded }).result;
}

/** Quotes one symbol at these values, a minute apart; how many alerts each of them fired. */
export async function course(
  sql: postgres.Sql,
  values: number[],
  { symbol = 'DAX', start = MORNING, seconds = 60 }: { symbol?: string; start?: Date; seconds?: number } = {},
): Promise<number[]> {
  const fired: number[] = [];
  for (const [index, value] of values.entries()) {
    const now = new Date(start.getTime() + index * seconds * 1000);
    fired.push((await recordQuotes(sql, [{ symbol, value, quoted_at: now }], now)).fired);
  }
  return fired;
}

/** What users were told by alerts, in order. */
export async function toldByAlerts(
  sql: Client,
): Promise<{ user_id: string; title: string; body: string; params: Record<string, unknown>; tag: string }[]> {
  return await sql`
    select user_id, title, body, params, tag, category, urgency from public.push_notifications
    where idempotency_key like 'alert:%' order by created_at, idempotency_key`;
}

/** The message that says how many more alerts fired. */
export interface AlertSummary {
  id: string;
  user_id: string;
  title: string;
  body: string | null;
  url: string | null;
  category: string;
  urgency: string;
  tag: string;
  inbox: boolean;
  params: { count: number; names: string; symbols: { symbol: string; count: number }[] };
}

/** What users were told of alerts beyond their limit, in order. */
export async function alertSummaries(sql: Client): Promise<AlertSummary[]> {
  return await sql<AlertSummary[]>`
    select id, user_id, title, body, url, category, urgency, tag, inbox, params from public.push_notifications
    where tag = 'alerts:more' order by send_at, created_at`;
}

/** Takes users with their alerts, quotes and levels away, so that the tests of a file do not meet. */
export async function clearAlerts(sql: Client): Promise<void> {
  await sql`delete from auth.users`;
  await sql`delete from public.push_levels`;
  await sql`delete from push.sessions`;
  await sql`delete from public.push_quotes`;
  await sql`delete from push.quote_history`;
}
