import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { createSubscription } from './subscriptions.ts';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Progress {
  status: string;
  members: number;
  total: number;
  queued: number;
  sent: number;
  failed: number;
  gone: number;
  expired: number;
  suppressed: number;
  cancelled: number;
  displayed: number;
  clicked: number;
  dismissed: number;
  acted: number;
}

/** A new topic with that many members, each of whom has that many devices; members are in the order of a fan-out. */
export async function createTopic(
  sql: postgres.Sql,
  members: number,
  devices = 1,
): Promise<{ topic: string; userIds: string[] }> {
  const topic = `t${randomUUID()}`;
  await sql`insert into public.push_topics (key, title) values (${topic}, 'A topic')`;
  const userIds = Array.from({ length: members }, () => randomUUID()).sort();
  if (members === 0) return { topic, userIds };
  await sql`insert into auth.users ${sql(userIds.map((id) => ({ id })))}`;
  await sql`insert into public.push_topic_members ${sql(userIds.map((user_id) => ({ topic, user_id })))}`;
  const rows = userIds.flatMap((user_id) =>
    Array.from({ length: devices }, () => ({ ...createSubscription(), user_id })),
  );
  if (rows.length > 0) await sql`insert into public.push_subscriptions ${sql(rows)}`;
  return { topic, userIds };
}

/** Notifies a topic and returns the notification's id. */
export async function notifyTopic(
  sql: Client,
  topic: string,
  values: { title?: string; sendAt?: Date; ttl?: number; key?: string } = {},
): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select push.notify_topic(
      p_audience_topic => ${topic}, p_title => ${values.title ?? 'Hello'}, p_ttl => ${values.ttl ?? null},
      p_send_at => ${values.sendAt ?? null}, p_idempotency_key => ${values.key ?? null}
    ) as id`;
  return (row as { id: string }).id;
}

/** One chunk, as a dispatcher or the tick has it made; false when there was none to make. */
export async function fanOut(sql: Client, limit: number, now = new Date()): Promise<boolean> {
  const [row] = await sql<{ more: boolean }[]>`select push.fan_out(${limit}, ${now}) as more`;
  return (row as { more: boolean }).more;
}

/** All chunks that are left; returns how many those were. */
export async function fanOutAll(sql: Client, limit = 1000, now = new Date()): Promise<number> {
  for (let chunks = 0; ; chunks += 1) if (!(await fanOut(sql, limit, now))) return chunks;
}

export async function readProgress(sql: Client, notificationId: string): Promise<Progress> {
  const [row] = await sql<Record<string, string>[]>`select * from push.progress(${notificationId})`;
  if (!row) throw new Error(`No notification ${notificationId}.`);
  const { status, ...counts } = row;
  return {
    status,
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Number(count)])),
  } as Progress;
}
