import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { PushService, VirtualDevice } from '../../tools/local/push-service/push-service.ts';

export interface Recipient {
  userId: string;
  device: VirtualDevice;
  subscriptionId: string;
}

/** Makes users with one device each at the local push service, in two statements however many they are. */
export async function createRecipients(
  sql: postgres.Sql,
  pushService: PushService,
  count: number,
): Promise<[Recipient, ...Recipient[]]> {
  const users = Array.from({ length: count }, () => ({ id: randomUUID() }));
  const devices = users.map(() => pushService.createDevice());
  await sql`insert into auth.users ${sql(users)}`;
  const rows = devices.map((device, index) => ({
    id: randomUUID(),
    user_id: users[index]?.id ?? '',
    endpoint: device.endpoint,
    ...device.subscription.keys,
  }));
  for (let start = 0; start < rows.length; start += 5000) {
    await sql`insert into public.push_subscriptions ${sql(rows.slice(start, start + 5000))}`;
  }
  const [first, ...others] = rows.map((row, index) => ({
    userId: row.user_id,
    device: devices[index] as VirtualDevice,
    subscriptionId: row.id,
  }));
  if (first === undefined) throw new RangeError('At least one recipient.');
  return [first, ...others];
}

/** Deliveries by state. */
export async function deliveryStates(sql: postgres.Sql): Promise<Record<string, number>> {
  const rows = await sql<{ state: string; count: number }[]>`
    select state, count(*)::int as count from push.deliveries group by state`;
  return Object.fromEntries(rows.map((row) => [row.state, row.count]));
}
