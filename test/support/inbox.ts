import type postgres from 'postgres';
import { asUser } from './postgres.ts';

export interface InboxMessage {
  id: string;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
  category: string | null;
  tag: string | null;
  audience_topic: string | null;
  /** As text, because a Date has no microseconds. */
  send_at: string;
  read_at: string | null;
}

export interface PageOptions {
  limit?: number;
  /** The last row of the page before. */
  after?: Pick<InboxMessage, 'id' | 'send_at'> | undefined;
  unreadOnly?: boolean;
  category?: string;
}

/** A page of a user's inbox, as the user reads it. */
export async function readInbox(
  sql: postgres.Sql,
  userId: string,
  { limit, after, unreadOnly, category }: PageOptions = {},
): Promise<InboxMessage[]> {
  return await asUser(
    sql,
    userId,
    (t) => t<InboxMessage[]>`
      select id, title, body, url, params, category, tag, audience_topic, send_at::text, read_at::text
      from public.push_inbox(
        ${limit ?? null}::integer, ${after?.send_at ?? null}::text::timestamptz, ${after?.id ?? null}::uuid,
        ${unreadOnly ?? false}, ${category ?? null}
      )`,
  );
}

/** The titles of a page, in its order; what is unread carries a star. */
export async function readTitles(
  sql: postgres.Sql,
  userId: string,
  options?: PageOptions,
): Promise<string[]> {
  const rows = await readInbox(sql, userId, options);
  return rows.map(({ title, read_at }) => (read_at === null ? `${title}*` : title));
}

export async function countUnread(sql: postgres.Sql, userId: string): Promise<number> {
  const [row] = await asUser(sql, userId, (t) => t<{ n: number }[]>`select public.push_unread_count() as n`);
  return (row as { n: number }).n;
}

/** Marks as the user does; returns what is unread then. */
export async function markRead(sql: postgres.Sql, userId: string, ids: string[]): Promise<number> {
  const [row] = await asUser(
    sql,
    userId,
    (t) => t<{ n: number }[]>`select public.push_mark_read(${ids}) as n`,
  );
  return (row as { n: number }).n;
}

/** Marks as the user does; returns what is unread then. */
export async function markUnread(sql: postgres.Sql, userId: string, ids: string[]): Promise<number> {
  const [row] = await asUser(
    sql,
    userId,
    (t) => t<{ n: number }[]>`select public.push_mark_unread(${ids}) as n`,
  );
  return (row as { n: number }).n;
}

/** Marks as the user does, everything that was sent until then; returns what is unread then. */
export async function markAllRead(
  sql: postgres.Sql,
  userId: string,
  until: string | null = null,
): Promise<number> {
  const [row] = await asUser(
    sql,
    userId,
    (t) => t<{ n: number }[]>`select public.push_mark_all_read(${until}::text::timestamptz) as n`,
  );
  return (row as { n: number }).n;
}
