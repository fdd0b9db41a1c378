import type { SupabaseClient } from '@supabase/supabase-js';
import { z } from 'zod';
import type { ReceiptEvent, SubscriptionKeys } from '../../shared/device-message.ts';
import { type ErrorCode, SupapushError } from '../../shared/errors.ts';
import { databaseError } from './database-error.ts';
import type { Database } from './types.generated.ts';

/** What one device says of one delivery. */
export interface Receipt {
  /** In decimal digits. */
  deliveryId: string;
  event: ReceiptEvent;
  action: string | null;
  /** When it happened by the device's clock, in ISO 8601; null for now. */
  at: string | null;
}

/** What devices without a session may have done; every call is one RPC, and throws what `databaseError()` says when it fails. */
export interface DeviceEvents {
  /** The ids of the devices that these are all of, in their order; null for wrong keys and for devices that are unknown. */
  prove(devices: SubscriptionKeys[]): Promise<(string | null)[]>;
  record(receipts: Receipt[]): Promise<{ accepted: number; repeated: number; refused: number }>;
  /**
   * Gives a device that proves its old keys a new subscription; returns the id of its row. Throws `subscription_unknown`,
   * `endpoint_taken`, `too_many_resubscriptions`, or what is wrong with the new one.
   */
  resubscribe(
    old: SubscriptionKeys,
    renewed: SubscriptionKeys & { vapidKey: string | null },
  ): Promise<string>;
  /** Whether there was such a device, which is gone now. */
  release(device: SubscriptionKeys): Promise<boolean>;
}

const counts = z.object({
  accepted: z.number().int(),
  repeated: z.number().int(),
  refused: z.number().int(),
});

/** Device events over supabase-js with the secret key (see `supabase/schemas/75_receipts`). */
export function createDeviceEvents(client: SupabaseClient<Database>): DeviceEvents {
  return {
    async prove(devices) {
      const { data, error, status } = await client.rpc('push_proven_devices', {
        p_devices: devices.map(({ endpoint, p256dh, auth }) => ({ endpoint, p256dh, auth })),
      });
      if (error) throw databaseError('push_proven_devices', { error, status });
      const ids = z.array(z.uuid().nullable()).length(devices.length);
      return understood('push_proven_devices', ids, data);
    },

    async record(receipts) {
      const { data, error, status } = await client.rpc('push_record_receipts', {
        p_receipts: receipts.map(({ deliveryId, ...others }) => ({ delivery_id: deliveryId, ...others })),
      });
      if (error) throw databaseError('push_record_receipts', { error, status });
      return understood('push_record_receipts', counts, data);
    },

    async resubscribe(old, renewed) {
      const { data, error, status } = await client.rpc('push_resubscribe', {
        p_old_endpoint: old.endpoint,
        p_old_p256dh: old.p256dh,
        p_old_auth: old.auth,
        p_endpoint: renewed.endpoint,
        p_p256dh: renewed.p256dh,
        p_auth: renewed.auth,
        ...(renewed.vapidKey === null ? {} : { p_vapid_key: renewed.vapidKey }),
      });
      if (error) throw databaseError('push_resubscribe', { error, status }, REFUSALS);
      return understood('push_resubscribe', z.uuid(), data);
    },

    async release({ endpoint, p256dh, auth }) {
      const { data, error, status } = await client.rpc('push_release', {
        p_endpoint: endpoint,
        p_p256dh: p256dh,
        p_auth: auth,
      });
      if (error) throw databaseError('push_release', { error, status });
      return understood('push_release', z.boolean(), data);
    },
  };
}

const REFUSALS = [
  'subscription_unknown',
  'endpoint_taken',
  'endpoint_not_allowed',
  'endpoint_malformed',
  'p256dh_invalid',
  'auth_invalid',
  'vapid_key_invalid',
  'too_many_resubscriptions',
] as const satisfies ErrorCode[];

function understood<T>(call: string, shape: z.ZodType<T>, data: unknown): T {
  const read = shape.safeParse(data);
  if (read.success) return read.data;
  throw new SupapushError('queue_answer_malformed', undefined, { cause: call });
}
