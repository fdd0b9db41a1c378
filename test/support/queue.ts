import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { createUser } from './postgres.ts';
import { subscribe } from './subscriptions.ts';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Claimed {
  delivery_id: string;
  claim_number: number;
  notification_id: string;
  user_id: string;
  channel: string;
  host: string;
  endpoint: string | null;
  p256dh: string | null;
  auth: string | null;
  vapid_key: string | null;
  fcm_token: string | null;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
  category: string | null;
  urgency: string;
  collapse_key: string | null;
  tag: string | null;
  receipts: boolean;
  ttl: number;
  presentation: Record<string, unknown> | null;
  app_url: string | null;
}

export interface Delivery {
  id: string;
  notification_id: string;
  subscription_id: string;
  host: string;
  state: string;
  created_at: Date;
  due_at: Date;
  expires_at: Date;
  claims: number;
  failures: number;
  dispatcher_id: string | null;
  lease_until: Date | null;
  finished_at: Date | null;
  last_status: number | null;
  last_code: string | null;
  last_error: string | null;
}

export interface OutcomeReport {
  outcome: 'sent' | 'gone' | 'retry' | 'failed' | 'misconfigured';
  status?: number;
  code?: string;
  message?: string;
  retry_after?: number;
}

/** A moment that lies `seconds` after `start`. */
export function plus(start: Date, seconds: number): Date {
  return new Date(start.getTime() + seconds * 1000);
}

/** Seconds from one moment to another. */
export function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000;
}

/** Just after everything that was queued until now became due: where a test's own clock starts. */
export function startOfClock(): Date {
  return new Date(Date.now() + 1000);
}

/** Takes all users and topics with what is theirs, all queue state and all alarms away, so that tests of a file don't meet. */
export async function clearQueue(sql: postgres.Sql): Promise<void> {
  await sql`delete from auth.users`;
  await sql`delete from public.push_topics`;
  await sql`delete from push.dispatchers`;
  // Tests change push.queue.due_at themselves, to a time that has passed.
  await sql`delete from push.claim_starts`;
  await sql`delete from push.start_resets`;
  await sql`delete from push.pauses`;
  await sql`delete from push.alarms`;
  await sql`delete from push.rule_errors`;
  await sql`delete from net.http_request_queue`;
  await sql`update push.hosts set max_in_flight = 10000`;
  await closeCircuits(sql);
}

/** Forgets all that dispatchers have learnt about push services. */
export async function closeCircuits(sql: Client): Promise<void> {
  // In one order, as dispatchers that still report go.
  await sql`
    with held as materialized (select origin from push.hosts order by origin for update)
    update push.hosts
    set paused_at = null, probe_at = null, probed_users = '{}', resumed_at = null, last_success_at = null,
      pace = null, paced_at = null, evidence = null, evidence_since = null, evidence_count = 0, evidence_users = '{}', known_users = '{}', gone_count = 0, gone_since = null
    where origin in (select held.origin from held)`;
}

/** Pauses every push service until the next probe is due at `probeAt`. */
export async function pauseHosts(sql: Client, probeAt: Date): Promise<void> {
  await sql`update push.hosts set paused_at = now(), probe_at = ${probeAt}`;
}

/** Notifies a user and returns the notification's id. */
export async function notify(
  sql: Client,
  userId: string,
  values: {
    title?: string;
    ttl?: number;
    sendAt?: Date;
    expiresAt?: Date;
    key?: string;
    category?: string;
  } = {},
): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select push.notify(
      p_user_id => ${userId}, p_title => ${values.title ?? 'Hello'}, p_ttl => ${values.ttl ?? null},
      p_send_at => ${values.sendAt ?? null}, p_expires_at => ${values.expiresAt ?? null},
      p_idempotency_key => ${values.key ?? null}, p_category => ${values.category ?? null}
    ) as id`;
  return (row as { id: string }).id;
}

/** A new user with one device, and one notification waiting for it. */
export async function queueOne(
  sql: Client,
  values: { endpoint?: string; ttl?: number } = {},
): Promise<{ userId: string; subscriptionId: string; notificationId: string; deliveryId: string }> {
  const { id: userId } = await createUser(sql);
  const { ttl, ...subscription } = values;
  const subscriptionId = await subscribe(sql, userId, subscription);
  const notificationId = await notify(sql, userId, ttl === undefined ? {} : { ttl });
  const [delivery] = await sql<{ id: string }[]>`
    select id from push.deliveries where notification_id = ${notificationId}`;
  return { userId, subscriptionId, notificationId, deliveryId: (delivery as { id: string }).id };
}

/** Claims as push-dispatch does. */
export async function claim(
  sql: Client,
  now: Date,
  {
    limit = 200,
    dispatcher = randomUUID(),
    busyHosts = [],
    busyUsers = [],
    project = null,
    rooms = {},
    paces = {},
  }: {
    limit?: number;
    dispatcher?: string;
    busyHosts?: string[];
    busyUsers?: string[];
    project?: string | null;
    rooms?: Record<string, number>;
    paces?: Record<string, number>;
  } = {},
): Promise<Claimed[]> {
  const [row] = await sql<{ deliveries: Claimed[] }[]>`
    select public.push_claim(
      ${dispatcher}, ${limit}, ${now}, ${busyHosts}, ${busyUsers}::uuid[], p_project => ${project}, p_rooms => ${sql.json(rooms)}, p_paces => ${sql.json(paces)}
    ) -> 'deliveries' as deliveries`;
  return (row?.deliveries ?? []).map((one) => ({ ...one, delivery_id: String(one.delivery_id) }));
}

/** Claims the one delivery that is due; throws when there is another number of them. */
export async function claimOne(sql: Client, now: Date, dispatcher?: string): Promise<Claimed> {
  const rows = await claim(sql, now, dispatcher === undefined ? {} : { dispatcher });
  const [row, ...others] = rows;
  if (!row || others.length > 0) throw new Error(`Expected one delivery, claimed ${rows.length}.`);
  return row;
}

/** Reports what became of claimed deliveries; returns what push_complete says. */
export async function complete(
  sql: Client,
  now: Date,
  reports: (OutcomeReport & Pick<Claimed, 'delivery_id' | 'claim_number'>)[],
): Promise<{ states: Record<string, number>; recorded: number; subscriptions_deleted: number }> {
  const [row] = await sql<{ result: never }[]>`
    select public.push_complete(${sql.json(
      reports.map(({ delivery_id, claim_number, outcome, status, code, message, retry_after }) => ({
        delivery_id,
        claim_number,
        outcome,
        status: status ?? null,
        code: code ?? null,
        message: message ?? null,
        retry_after: retry_after ?? null,
      })),
    )}, ${now}) as result`;
  return (row as { result: never }).result;
}

/** One delivery as it stands. */
export async function readDelivery(sql: Client, id: string): Promise<Delivery> {
  const [row] = await sql<Delivery[]>`select * from push.deliveries where id = ${id}`;
  if (!row) throw new Error(`No delivery ${id}.`);
  return row;
}

/** Changes one of the project's limits for the rest of the file. */
export async function setSetting(sql: Client, name: string, value: string | number): Promise<void> {
  await sql`update push.settings set ${sql({ [name]: value })}`;
}
