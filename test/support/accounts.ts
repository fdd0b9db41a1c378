import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { PushService, VirtualDevice } from '../../tools/local/push-service/push-service.ts';

/** A user and the devices that are registered, at several push services. */
export interface Account {
  userId: string;
  devices: { service: PushService; device: VirtualDevice }[];
}

/** Makes users with ten devices each, shared evenly between these push services. */
export async function createAccounts(
  sql: postgres.Sql,
  count: number,
  services: PushService[],
): Promise<Account[]> {
  const accounts = Array.from({ length: count }, (): Account => ({ userId: randomUUID(), devices: [] }));
  await sql`insert into auth.users ${sql(accounts.map(({ userId }) => ({ id: userId })))}`;
  for (const account of accounts) await addDevices(sql, account, services);
  return accounts;
}

/** Registers ten more devices of an account, shared evenly between these push services. */
export async function addDevices(
  sql: postgres.Sql,
  account: Account,
  services: PushService[],
): Promise<void> {
  const added = services.flatMap((service) =>
    Array.from({ length: 10 / services.length }, () => ({ service, device: service.createDevice() })),
  );
  await sql`insert into public.push_subscriptions ${sql(
    added.map(({ device }) => ({
      user_id: account.userId,
      endpoint: device.endpoint,
      ...device.subscription.keys,
    })),
  )}`;
  account.devices.push(...added);
}
