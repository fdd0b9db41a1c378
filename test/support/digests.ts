import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Summary {
  id: string;
  user_id: string;
  title: string;
  body: string | null;
  url: string | null;
  category: string | null;
  urgency: string;
  tag: string | null;
  ttl: number | null;
  status: string;
  inbox: boolean;
  send_at: Date;
  expires_at: Date;
  digest_id: string;
  params: { count: number; digest_key: string; items: Record<string, unknown>[] };
}

export interface Message {
  title?: string;
  body?: string;
  url?: string;
  params?: Record<string, string | number>;
  category?: string;
  urgency?: string;
  ttl?: number;
  digest_key?: string;
  send_at?: Date;
  expires_at?: Date;
}

/** Declares a digest of an hour's window, or as the values say. */
export async function defineDigest(
  sql: Client,
  key: string,
  values: {
    window?: string;
    title?: string;
    body?: string;
    url?: string;
    template?: string;
    leading?: boolean;
    maxItems?: number;
    moreText?: string;
  } = {},
): Promise<void> {
  await sql`
    select push.define_digest(
      p_key => ${key}, p_window => ${values.window ?? '1 hour'}::interval, p_title => ${values.title ?? null},
      p_body => ${values.body ?? null}, p_url => ${values.url ?? null}, p_template => ${values.template ?? null},
      p_leading => ${values.leading ?? false}, p_max_items => ${values.maxItems ?? 50},
      p_more_text => ${values.moreText ?? 'and %s more'}
    )`;
}

/** Writes a message to a user and returns its id. */
export async function write(sql: Client, userId: string, message: Message = {}): Promise<string> {
  const row: Record<string, unknown> = { title: 'Hello', ...message, user_id: userId };
  const [inserted] = await sql<{ id: string }[]>`
    insert into public.push_notifications ${sql(row as Record<string, string>)} returning id`;
  return (inserted as { id: string }).id;
}

/** Closes all digests that are due, as the tick does; returns how many those were. */
export async function closeDigests(sql: Client, now: Date, limit = 1000): Promise<number> {
  const [row] = await sql<{ n: number }[]>`select push.close_digests(${limit}, ${now}) as n`;
  return (row as { n: number }).n;
}

/** Releases scheduled messages whose moment has come, as the tick does. */
export async function release(sql: Client, now: Date): Promise<number> {
  const [row] = await sql<{ n: number }[]>`select push.enqueue_due_notifications(10000, ${now}) as n`;
  return (row as { n: number }).n;
}

/** The summaries made so far, the oldest first. */
export async function readSummaries(sql: Client, userId?: string): Promise<Summary[]> {
  return await sql<Summary[]>`
    select * from public.push_notifications
    where not inbox ${userId === undefined ? sql`` : sql`and user_id = ${userId}`} order by send_at, created_at`;
}

export async function statusOf(sql: Client, id: string): Promise<string> {
  const [row] = await sql<
    { status: string }[]
  >`select status from public.push_notifications where id = ${id}`;
  return (row as { status: string }).status;
}

/** What became of a message: its status, and state and reason of its deliveries. */
export async function outcomeOf(sql: Client, id: string): Promise<[string, ...string[]]> {
  const rows = await sql<{ outcome: string }[]>`
    select state || coalesce(' ' || last_code, '') as outcome from push.deliveries
    where notification_id = ${id} order by 1`;
  return [await statusOf(sql, id), ...rows.map(({ outcome }) => outcome)];
}

/** Forgets digests, throttled categories, the ceiling, and what was counted for them. */
export async function clearLimits(sql: Client): Promise<void> {
  await sql`delete from public.push_categories`;
  await sql`delete from push.digest_policies`;
  await sql`delete from push.digests`;
  await sql`update push.settings set daily_ceiling = null`;
}
