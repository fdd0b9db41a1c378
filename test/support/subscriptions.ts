import { createECDH, randomBytes, randomUUID } from 'node:crypto';
import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

export const FCM = 'https://fcm.googleapis.com';
export const MOZILLA = 'https://updates.push.services.mozilla.com';
export const WINDOWS = 'https://*.notify.windows.com';
export const APPLE = 'https://*.push.apple.com';

export type SubscriptionKeys = { p256dh: string; auth: string };

export type SubscriptionInput = SubscriptionKeys & { endpoint: string };

/** The keys of a new device, as `PushSubscription.toJSON()` has them. */
export function createKeys(): SubscriptionKeys {
  const device = createECDH('prime256v1');
  device.generateKeys();
  return {
    p256dh: device.getPublicKey('base64url'),
    auth: randomBytes(16).toString('base64url'),
  };
}

/** An endpoint of a push service as browsers get them. */
export function createEndpoint(origin: string = FCM): string {
  const host = origin.replace('*.notify', 'wns2-by3p.notify').replace('*.push', 'web.push');
  return `${host}/fcm/send/${randomUUID()}:${randomBytes(60).toString('base64url')}`;
}

/** What a browser's `PushManager.subscribe()` would give now. */
export function createSubscription(values: Partial<SubscriptionInput> = {}): SubscriptionInput {
  return { endpoint: createEndpoint(), ...createKeys(), ...values };
}

/** Registers a new device of a user and returns its row's id. */
export async function subscribe(
  sql: Client,
  userId: string,
  values: Partial<SubscriptionInput> & Record<string, unknown> = {},
): Promise<string> {
  const row = { ...createSubscription(), user_id: userId, ...values };
  const [inserted] = await sql<{ id: string }[]>`
    insert into public.push_subscriptions ${sql(row as Record<string, string>)} returning id`;
  return (inserted as { id: string }).id;
}

/** What an app on a phone registers: the token that Firebase gave it. */
export function createAppSubscription(): { channel: 'fcm'; fcm_token: string } {
  const installation = randomBytes(16).toString('base64url');
  return { channel: 'fcm', fcm_token: `${installation}:APA91b${randomBytes(100).toString('base64url')}` };
}

/** Registers a new app of a user and returns its row's id. */
export async function subscribeApp(sql: Client, userId: string): Promise<string> {
  const [inserted] = await sql<{ id: string }[]>`
    insert into public.push_subscriptions ${sql({ ...createAppSubscription(), user_id: userId })} returning id`;
  return (inserted as { id: string }).id;
}
