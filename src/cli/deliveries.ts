import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

/** What became of a message on one device, or what it waits for. */
export interface DeviceDelivery {
  id: string;
  subscriptionId: string;
  /** As its user knows it. */
  device: string;
  channel: string | null;
  host: string;
  state: string;
  code: string | null;
  status: number | null;
  error: string | null;
  dueAt: Date;
}

/** The deliveries of a message, in the order of its devices. */
export async function readDeliveries(sql: Client, notificationId: string): Promise<DeviceDelivery[]> {
  return await sql<DeviceDelivery[]>`
    select d.id, d.subscription_id as "subscriptionId", coalesce(s.device_name, s.device_type, 'a device that is gone') as device, s.channel, d.host,
      d.state, d.last_code as code, d.last_status as status, d.last_error as error,
      coalesce(d.parked_due_at, d.due_at) as "dueAt"
    from push.deliveries as d
    left join public.push_subscriptions as s on s.id = d.subscription_id
    where d.notification_id = ${notificationId}
    order by s.created_at, d.id`;
}

/** Why a message does not ring, by the code of its delivery; docs/reference has the others. */
const REASONS: Record<string, string> = {
  disabled: 'this user has switched notifications off',
  device_disabled: 'notifications are off on this device',
  muted: 'this user has muted the category',
  device_muted: 'the category is muted on this device',
  quiet_hours: 'quiet hours',
  user_banned: 'this user is banned',
  user_deleted: 'this user was deleted',
  throttled: 'the throttle of the category has no room left',
  daily_ceiling: 'the daily ceiling of this user is reached',
  superseded: 'a newer message of the same tag took its place',
  subscription_deleted: 'the device was removed',
  notification_cancelled: 'the message was taken back',
  discarded: 'it was discarded when a pause ended',
  paused: 'it expired in a pause',
  lease_lost: 'the dispatcher that had it ended',
};

/** A code in words. */
export function reasonFor(code: string): string {
  return REASONS[code] === undefined ? code : `${REASONS[code]} (${code})`;
}

/** What stops a push service or a category from being sent to, for all users. */
export interface Holds {
  /** The project is paused, or the database is a copy of another project's. */
  project: string | null;
  /** The category, or one above it, is paused. */
  category: string | null;
  /** Push services, and why. */
  hosts: Map<string, string>;
}

/** What holds deliveries of a category back now. */
export async function readHolds(sql: Client, category: string | null): Promise<Holds> {
  const [row] = await sql<
    { is_held: boolean; copied: string | null; reason: string | null; of_category: string | null }[]
  >`
    select push.is_held() as is_held,
      (select j.url from push.project as j where j.connected_url <> j.url or j.found is not null) as copied,
      (select p.reason from push.pauses as p where p.resumed_at is null and p.category is null and p.host is null) as reason,
      (select p.reason from push.pauses as p
       where p.resumed_at is null and (${category}::text = p.category or starts_with(${category}::text, p.category || ':'))
       limit 1) as of_category`;
  const paused = await sql<{ host: string; reason: string }[]>`
    select p.host, 'paused: ' || p.reason as reason from push.pauses as p where p.resumed_at is null and p.host is not null
    union all
    select h.origin, 'its circuit is open: ' || coalesce(h.last_error, 'it does not answer') from push.hosts as h
    where h.paused_at is not null`;
  const project =
    row?.is_held !== true
      ? null
      : row.reason !== null
        ? `the project is paused: ${row.reason}`
        : `this database is a copy of ${row.copied ?? 'another project'}: nothing is sent`;
  return {
    project,
    category: row?.of_category == null ? null : `the category is paused: ${row.of_category}`,
    hosts: new Map(paused.map(({ host, reason }) => [host, reason])),
  };
}

/** What holds a delivery to a push service back; null: nothing does. */
export function holdOn({ project, category, hosts }: Holds, host: string): string | null {
  return project ?? category ?? hosts.get(host) ?? null;
}
