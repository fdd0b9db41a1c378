import type postgres from 'postgres';
import type { ClaimedDelivery } from '../server/channels/channel.ts';
import { readClaimedRow } from '../server/database/delivery-queue.ts';
import { type DeviceDelivery, holdOn, readDeliveries, readHolds, reasonFor } from './deliveries.ts';
import type { Recipient } from './message-options.ts';

/** What sending a message would do. */
export interface Inspected {
  category: string | null;
  urgency: string;
  expiresAt: Date | null;
  /** What would hold it back as a whole, in words; null: nothing would, but for what is said of each device. */
  held: string | null;
  devices: InspectedDevice[];
  /** What would be sent, once for all devices that get the same. */
  messages: { delivery: ClaimedDelivery; devices: string[]; ids: string[] }[];
  now: Date;
}

export interface InspectedDevice {
  id: string;
  device: string;
  channel: string;
  /** Whether it would be sent now. */
  rings: boolean;
  would: 'ring now' | 'wait' | 'not ring';
  code: string | null;
  why: string | null;
  /** When it would be sent, where it waits for a moment. */
  at: Date | null;
}

/**
 * Makes the message in a transaction, has it judged and handed out as any other, and takes all of it back. Locks what writing it
 * locks, for as long as that takes.
 */
export async function inspectMessage(
  sql: postgres.Sql,
  recipient: Recipient,
  message: object,
): Promise<Inspected> {
  return await takenBack(sql, async (transaction) => {
    await transaction`set local lock_timeout = '2s'`;
    const { id, scheduledFor } = await write(transaction, recipient, message as postgres.JSONValue);
    const [notification] = await transaction<Notification[]>`
      select status, category, urgency, case when isfinite(expires_at) then expires_at end as expires_at, clock_timestamp() as now
      from public.push_notifications where id = ${id}`;
    const { status, category, urgency, expires_at: expiresAt, now } = notification as Notification;
    const found = await readDeliveries(transaction, id);
    const deliveries = found.filter(
      ({ subscriptionId }) => subscriptionId === (recipient.device ?? subscriptionId),
    );
    const holds = await readHolds(transaction, category);
    const rows = await handOut(transaction, deliveries, now);
    return {
      category,
      urgency,
      expiresAt,
      held: heldAs(status, scheduledFor, deliveries),
      devices: deliveries.map((delivery) =>
        judged(delivery, holdOn(holds, delivery.host), { now, scheduledFor }),
      ),
      messages:
        rows.length > 0
          ? sameOnce(rows, deliveries)
          : [{ delivery: await asSaid(transaction, id), devices: [], ids: [] }],
      now,
    };
  });
}

interface Notification {
  status: string;
  category: string | null;
  urgency: string;
  expires_at: Date | null;
  now: Date;
}

/** Writes the message as one for now, so that it is judged; says for when it is meant, where that is later. */
async function write(
  sql: postgres.TransactionSql,
  { id: user }: Recipient,
  message: postgres.JSONValue,
): Promise<{ id: string; scheduledFor: Date | null }> {
  const [meant] = await sql<{ later: Date | null }[]>`
    select m.send_at as later from push.message_from(${sql.json(message)}) as m where m.send_at > clock_timestamp()`;
  const scheduledFor = meant?.later ?? null;
  const [row] = await sql<{ id: string }[]>`
    select public.push_notify(
      ${user}, ${sql.json(message)}::jsonb - ${scheduledFor === null ? '' : 'send_at'}::text
    ) as id`;
  return { id: (row as { id: string }).id, scheduledFor };
}

/** Runs `work` in a transaction that leaves nothing behind. */
async function takenBack<T>(
  sql: postgres.Sql,
  work: (transaction: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  let outcome: { value: T } | undefined;
  const back = new Error('taken back');
  try {
    await sql.begin(async (transaction) => {
      outcome = { value: await work(transaction) };
      throw back;
    });
  } catch (error) {
    if (error !== back || outcome === undefined) throw error;
    return outcome.value;
  }
  throw back;
}

/** What a dispatcher would get, each at the moment when it would; nothing of what ends before. */
async function handOut(
  sql: postgres.TransactionSql,
  deliveries: readonly DeviceDelivery[],
  now: Date,
): Promise<unknown[]> {
  const rows: unknown[] = [];
  for (const { id, state, dueAt } of deliveries) {
    if (state !== 'queued') continue;
    const at = dueAt > now ? dueAt : now;
    // Without the categories that are paused: they wait, and this is what they would be.
    const handed = await sql<{ row: unknown }[]>`
      select h.row from push.settings as s,
        unnest(push.hand_out(gen_random_uuid(), array[${id}::bigint], '{}', s, ${at})) as h (row)`;
    rows.push(...handed.map(({ row }) => row));
  }
  return rows;
}

/** What the message says, as a browser without preferences would get it: for where no device gets anything. */
async function asSaid(sql: postgres.TransactionSql, id: string): Promise<ClaimedDelivery> {
  const [found] = await sql<{ row: unknown }[]>`
    select jsonb_build_object(
      'delivery_id', ((extract(epoch from clock_timestamp())::bigint - 1735689600) << 22), 'claim_number', 1, 'notification_id', n.id,
      'user_id', n.user_id, 'channel', 'webpush', 'host', '', 'endpoint', '', 'p256dh', '', 'auth', '', 'vapid_key', null,
      'title', n.title, 'body', n.body, 'url', n.url, 'params', n.params, 'category', n.category, 'urgency', n.urgency,
      'collapse_key', n.collapse_key, 'tag', n.tag, 'position', push.next_position(coalesce(n.tag, n.collapse_key)),
      'ttl', coalesce(n.ttl, s.default_ttl),
      'presentation', case when n.presentation -> 'app_badge' = '"unread"' then n.presentation - 'app_badge' else n.presentation end,
      'app_url', s.app_url
    ) as row
    from public.push_notifications as n, push.settings as s
    where n.id = ${id}`;
  return readClaimedRow(found?.row);
}

function heldAs(
  status: string,
  scheduledFor: Date | null,
  deliveries: readonly DeviceDelivery[],
): string | null {
  if (scheduledFor !== null)
    return `It is for ${scheduledFor.toISOString()}. This is how it would be judged now.`;
  switch (status) {
    case 'digested':
      return 'It waits in a digest, and is told with its summary.';
    case 'suppressed':
      return 'A throttle or the daily ceiling holds it back: it would be in the inbox alone.';
    default:
      return deliveries.length === 0 ? 'This user has no device: it would be in the inbox alone.' : null;
  }
}

function judged(
  delivery: DeviceDelivery,
  hold: string | null,
  { now, scheduledFor }: { now: Date; scheduledFor: Date | null },
): InspectedDevice {
  const { subscriptionId: id, device, state, code, dueAt } = delivery;
  const base = { id, device, channel: delivery.channel ?? '', code };
  if (state !== 'queued' && state !== 'sending') {
    const why = code === null ? state : reasonFor(code);
    return { ...base, rings: false, would: 'not ring', why, at: null };
  }
  const at = dueAt > now ? dueAt : scheduledFor;
  const whys = [
    // What holds it says it better.
    code === null || code === 'paused' ? null : reasonFor(code),
    at === null ? null : `until ${at.toISOString()}`,
    hold,
  ].filter((part) => part !== null);
  const rings = at === null && hold === null;
  return {
    ...base,
    rings,
    would: rings ? 'ring now' : 'wait',
    why: whys.length === 0 ? null : whys.join('; '),
    at,
  };
}

/** Devices that get the same message, but for the receipt and what reaches them, share one. */
function sameOnce(rows: readonly unknown[], deliveries: readonly DeviceDelivery[]): Inspected['messages'] {
  const messages = new Map<string, Inspected['messages'][number]>();
  for (const row of rows) {
    const delivery = readClaimedRow(row);
    const device = deliveries.find(({ id }) => Number(id) === delivery.deliveryId);
    const { target, content, urgency, ttl } = delivery;
    // A number of its own, by which a device tells which of two is newer: one stands for all.
    const key = JSON.stringify([target.channel, { ...content, position: null }, urgency, ttl]);
    const known = messages.get(key);
    const name = device?.device ?? '';
    const id = device?.subscriptionId ?? '';
    if (known === undefined) messages.set(key, { delivery, devices: [name], ids: [id] });
    else {
      known.devices.push(name);
      known.ids.push(id);
    }
  }
  return [...messages.values()];
}
