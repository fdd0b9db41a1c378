import type postgres from 'postgres';
import { asService } from './postgres.ts';
import type { SubscriptionInput } from './subscriptions.ts';

/** Which devices these prove, as push-events asks it: their ids, or null. */
export async function prove(sql: postgres.Sql, devices: SubscriptionInput[]): Promise<(string | null)[]> {
  const [row] = await asService(
    sql,
    (t) => t<{ ids: (string | null)[] }[]>`
      select public.push_proven_devices(${sql.json(devices as never)}) as ids`,
  );
  return (row as { ids: (string | null)[] }).ids;
}

/** Exchanges a subscription as push-events does; returns the id of the device's row. */
export async function resubscribe(
  sql: postgres.Sql,
  old: SubscriptionInput,
  renewed: SubscriptionInput & { vapid_key?: string },
  now: Date = new Date(),
): Promise<string> {
  const [row] = await asService(
    sql,
    (t) => t<{ id: string }[]>`
      select public.push_resubscribe(
        ${old.endpoint}, ${old.p256dh}, ${old.auth}, ${renewed.endpoint}, ${renewed.p256dh}, ${renewed.auth},
        ${renewed.vapid_key ?? null}, ${now}
      ) as id`,
  );
  return (row as { id: string }).id;
}

/** Releases a device as push-events does; whether there was one. */
export async function release(sql: postgres.Sql, device: SubscriptionInput): Promise<boolean> {
  const [row] = await asService(
    sql,
    (t) => t<{ released: boolean }[]>`
      select public.push_release(${device.endpoint}, ${device.p256dh}, ${device.auth}) as released`,
  );
  return (row as { released: boolean }).released;
}
