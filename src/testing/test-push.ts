import { randomUUID } from 'node:crypto';
import postgres, { type Sql } from 'postgres';
import type { Outcome } from '../server/channels/channel.ts';
import { createReceiptTokens } from '../server/channels/receipt-tokens.ts';
import { createUnconfiguredChannel } from '../server/channels/unconfigured-channel.ts';
import { importAllVapidKeys } from '../server/channels/webpush/vapid-keys.ts';
import { createWebPushChannel } from '../server/channels/webpush/webpush-channel.ts';
import { dispatch } from '../server/dispatch/dispatcher.ts';
import { SupapushError } from '../shared/errors.ts';
import { createLocalQueue, enqueueDue } from './local-queue.ts';
import { type PushService, startPushService } from './push-service/push-service.ts';
import { TestDevice } from './test-device.ts';
import { createVapidKeys } from './vapid-keys.ts';

export type TestPushOptions = {
  /** The local database as its owner: `DB_URL` of `supabase status -o env`. */
  readonly databaseUrl: string;
};

/** How many deliveries had which outcome: `{ sent: 1 }`. */
export type Delivered = Partial<Record<Outcome['outcome'], number>>;

/** What an app's own tests need of push: devices that get messages, and what sends to them. */
export type TestPush = {
  /** The push service of all its devices, on loopback. */
  readonly service: PushService;
  /** The VAPID key of this run, base64url: what a device of `service.createDevice()` has to be registered with. */
  readonly vapidPublicKey: string;
  /** Registers a new device of a user who is there; as many as are wanted. Rejects with what the database says. */
  createDevice(userId: string): Promise<TestDevice>;
  /**
   * Sends what waits for its devices, as `push-dispatch` does, and resolves when all of it has an outcome. Messages to other
   * devices stay where they are.
   *
   * @param options.at what is taken for the time, for what is sent later: reminders, `send_at`, quiet hours, another attempt
   */
  deliver(options?: { at?: Date }): Promise<Delivered>;
  /** Takes its devices and its push service out of the database, and closes both. May be called again. */
  stop(): Promise<void>;
};

/**
 * Starts push for the tests of an app: a push service on loopback, which the local database may call until `stop()`, and a
 * sender in this process with a VAPID pair of its own. No function has to be served, and nothing leaves the machine.
 *
 * Rejects with `usage` unless the database is on this machine, has Supapush and is connected to no project.
 */
export async function startTestPush({ databaseUrl }: TestPushOptions): Promise<TestPush> {
  requireLoopback(databaseUrl);
  const keys = await createVapidKeys();
  const sql = postgres(databaseUrl, { max: 2, connect_timeout: 15, onnotice: () => {} });
  let service: PushService | undefined;
  try {
    await requireUnconnected(sql);
    service = await startPushService();
    await sql`insert into push.hosts (origin) values (${service.origin})`;
  } catch (error) {
    await service?.stop();
    await sql.end({ timeout: 5 });
    throw error;
  }
  const { origin } = service;
  const channels = {
    webpush: createWebPushChannel({
      signers: await importAllVapidKeys([keys]),
      receipts: await createReceiptTokens([keys], origin),
    }),
    fcm: createUnconfiguredChannel('Tests send to web push devices alone.'),
  };
  return compose({ sql, service, vapidPublicKey: keys.publicKey, channels });
}

type Parts = Pick<TestPush, 'service' | 'vapidPublicKey'> & {
  sql: Sql;
  channels: Parameters<typeof dispatch>[1]['channels'];
};

function compose({ sql, service, vapidPublicKey, channels }: Parts): TestPush {
  const { origin } = service;
  let stopped: Promise<void> | undefined;
  return {
    service,
    vapidPublicKey,
    async createDevice(userId) {
      const device = service.createDevice({ applicationServerKey: vapidPublicKey });
      const { p256dh, auth } = device.subscription.keys;
      const [row] = await sql<{ id: string }[]>`
        insert into public.push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, device_name)
        values (${userId}, ${device.endpoint}, ${p256dh}, ${auth}, ${vapidPublicKey}, 'A device of a test')
        returning id`;
      return new TestDevice({ id: row?.id ?? '', userId }, sql, service, device);
    },
    async deliver({ at } = {}) {
      const time = at ?? null;
      await enqueueDue(sql, time);
      const queue = createLocalQueue(sql, origin, time);
      return (await dispatch(randomUUID(), { queue, channels, lingerMs: 0 })).outcomes;
    },
    stop() {
      stopped ??= leave(sql, service);
      return stopped;
    },
  };
}

async function leave(sql: Sql, service: PushService): Promise<void> {
  try {
    await sql.begin(async (transaction) => {
      await transaction`delete from public.push_subscriptions as s where s.host = ${service.origin}`;
      await transaction`delete from push.hosts as h where h.origin = ${service.origin}`;
    });
  } finally {
    await Promise.all([service.stop(), sql.end({ timeout: 5 })]);
  }
}

function requireLoopback(databaseUrl: string): void {
  const host = URL.canParse(databaseUrl) ? new URL(databaseUrl).hostname : '';
  if (['127.0.0.1', 'localhost', '[::1]'].includes(host)) return;
  throw new SupapushError(
    'usage',
    'The database of a test must be on this machine: give DB_URL of `supabase status -o env`.',
  );
}

/**
 * A tunnel makes any database look like one of this machine; and a database that rings `push-dispatch` has another sender, which
 * would take messages of the tests and fail on them, as it does not have their key.
 */
async function requireUnconnected(sql: Sql): Promise<void> {
  let rung: string | undefined;
  try {
    const [row] = await sql<{ rung: string }[]>`select j.connected_url as rung from push.project as j`;
    rung = row?.rung;
  } catch (cause) {
    const { code } = cause as { code?: string };
    // The schema or the table is not there.
    if (code !== '3F000' && code !== '42P01') throw cause;
    throw new SupapushError('usage', 'This database does not have Supapush. Run: npx supabase db reset', {
      cause,
    });
  }
  if (rung === undefined) return;
  throw new SupapushError(
    'usage',
    `This database is connected to ${rung}, whose push-dispatch would take messages of the tests. Use a local database that is not: npx supabase db reset makes one.`,
  );
}
