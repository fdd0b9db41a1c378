import type postgres from 'postgres';
import { createUser } from './postgres.ts';
import type { Delivery } from './queue.ts';
import { subscribe } from './subscriptions.ts';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Preferences {
  enabled?: boolean | null;
  timezone?: string | null;
  locale?: string | null;
  quiet_from?: string | null;
  quiet_until?: string | null;
  quiet_by_weekday?: unknown;
  muted_categories?: string[] | null;
}

/** Quiet from ten at night to seven in the morning. */
export const NIGHTS_IN_VIENNA: Preferences = {
  timezone: 'Europe/Vienna',
  quiet_from: '22:00',
  quiet_until: '07:00',
};

/** In a winter that is far away, so that a message for then always has to wait: Vienna is an hour ahead of UTC. */
export const EVENING = new Date('2041-01-11T20:30:00Z');
export const NIGHT = new Date('2041-01-11T23:30:00Z');
export const MORNING = new Date('2041-01-12T06:00:00Z');

/** Hours around now, by the clock of UTC: for what looks at the real clock. */
export function quietNow(): Preferences {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
  return { timezone: 'UTC', quiet_from: at(-2), quiet_until: at(2) };
}

/** Says what a user wants; what is left out stays as it was. */
export async function prefer(sql: Client, userId: string, preferences: Preferences): Promise<void> {
  await put(sql, 'push_preferences', { user_id: userId, ...preferences });
}

/** Says what is different for one device; what is left out stays as it was. */
export async function preferOnDevice(
  sql: Client,
  userId: string,
  subscriptionId: string,
  preferences: Preferences,
): Promise<void> {
  await put(sql, 'push_device_preferences', {
    subscription_id: subscriptionId,
    user_id: userId,
    ...preferences,
  });
}

// As supabase-js upserts.
async function put(
  sql: Client,
  table: string,
  { quiet_by_weekday, ...row }: Preferences & Record<string, unknown>,
) {
  const values =
    quiet_by_weekday === undefined ? row : { ...row, quiet_by_weekday: sql.json(quiet_by_weekday as never) };
  const [key] = Object.keys(row);
  const changes = Object.keys(values).map((column) => `${column} = excluded.${column}`);
  await sql`
    insert into public.${sql(table)} ${sql(values as Record<string, never>)}
    on conflict (${sql(key as string)}) do update set ${sql.unsafe(changes.join(', '))}`;
}

/** A new user with these preferences and one device. */
export async function createUserWhoPrefers(
  sql: Client,
  preferences: Preferences,
): Promise<{ userId: string; subscriptionId: string }> {
  const { id: userId } = await createUser(sql);
  const subscriptionId = await subscribe(sql, userId);
  await prefer(sql, userId, preferences);
  return { userId, subscriptionId };
}

export interface Message {
  category?: string;
  urgency?: string;
  sendAt?: Date;
  expiresAt?: Date;
}

/** Notifies a user; returns the notification's id. */
export async function tell(sql: Client, userId: string, message: Message = {}): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select push.notify(
      ${userId}, 'Hello', p_category => ${message.category ?? null}, p_urgency => ${message.urgency ?? 'normal'},
      p_send_at => ${message.sendAt ?? null}, p_expires_at => ${message.expiresAt ?? null}
    ) as id`;
  return (row as { id: string }).id;
}

/** Notifies a user at this moment, however far from now, and returns what became of the deliveries. */
export async function tellAt(
  sql: Client,
  userId: string,
  at: Date,
  message: Omit<Message, 'sendAt'> = {},
): Promise<Delivery[]> {
  const id = await tell(sql, userId, { ...message, sendAt: at });
  await sql`select push.enqueue_due_notifications(1000, ${at})`;
  return await deliveriesOf(sql, id);
}

/** The deliveries of a notification, oldest device first. */
export async function deliveriesOf(sql: Client, notificationId: string): Promise<Delivery[]> {
  return await sql<Delivery[]>`
    select d.* from push.deliveries d left join public.push_subscriptions s on s.id = d.subscription_id
    where d.notification_id = ${notificationId} order by s.created_at, d.id`;
}
