import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import type postgres from 'postgres';
import type { Database } from '../../src/server/database/types.generated.ts';
import type { VirtualDevice } from '../../src/testing/push-service/virtual-device.ts';
import type { Stack } from '../local/stack.ts';

/** A table that a demo brings along, as generated types describe one. */
export type DemoTable<Row, Insert> = { Row: Row; Insert: Insert; Update: Partial<Row>; Relationships: [] };

/** Supapush's tables and functions with those of a demo. */
export type DemoDatabase<Tables> = {
  public: Omit<Database['public'], 'Tables'> & { Tables: Database['public']['Tables'] & Tables };
};

/** A user who signed up; `client` is signed in as that user. */
export interface DemoUser<Tables> {
  name: string;
  id: string;
  client: SupabaseClient<DemoDatabase<Tables>>;
}

/** Signs a user up at the stack's API. Throws when that fails. */
export async function signUp<Tables>(stack: Stack, name: string): Promise<DemoUser<Tables>> {
  const client = createClient(stack.url, stack.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const { data, error } = await client.auth.signUp({
    email: `${name.toLowerCase()}@example.com`,
    password: 'correct horse battery staple',
  });
  if (error || data.user === null) throw new Error(`Sign-up failed: ${error?.message}`);
  return { name, id: data.user.id, client: client as unknown as DemoUser<Tables>['client'] };
}

/** Registers a device of that user as a frontend does: by inserting its subscription. */
export async function register<Tables>(
  stack: Stack,
  user: DemoUser<Tables>,
  deviceType: string,
): Promise<VirtualDevice> {
  const device = stack.pushService.createDevice({ applicationServerKey: stack.vapidPublicKey });
  const { endpoint, keys } = device.subscription;
  const client = user.client as unknown as SupabaseClient<Database>;
  await must(
    client.from('push_subscriptions').insert({
      endpoint,
      p256dh: keys.p256dh,
      auth: keys.auth,
      vapid_key: stack.vapidPublicKey,
      device_type: deviceType,
      user_agent: `supapush demo (${deviceType})`,
    }),
  );
  return device;
}

/**
 * Waits until no delivery is queued or under way and no topic is being fanned out: outcomes are reported in batches,
 * shortly after the pushes. Throws after 20 seconds.
 */
export async function untilAllReported(sql: postgres.Sql): Promise<void> {
  for (let look = 0; look < 400; look++) {
    const [open] = await sql`
      select exists (select from push.deliveries where state in ('queued', 'sending'))
        or exists (select from push.fan_outs where finished_at is null) as work`;
    if (open?.work === false) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('Some deliveries were not reported within 20 seconds.');
}

/** The data of an answer; throws its error. */
export async function must<T>(
  request: PromiseLike<{ data: T; error: { message: string } | null }>,
): Promise<NonNullable<T>> {
  const { data, error } = await request;
  if (error) throw new Error(error.message);
  return data as NonNullable<T>;
}
