import { randomUUID } from 'node:crypto';
import type { RowOf } from './table-rows.ts';

/** Rows of fan-outs, and of what is asked when deliveries are made: see `table-rows.ts`. */
export const FAN_OUT_ROWS: Record<string, RowOf> = {
  'push.fan_outs': {
    key: 'notification_id',
    change: 'members = 0',
    row: () => ({ notification_id: randomUUID() }),
  },
  'push.fan_out_recipients': {
    key: 'user_id',
    change: 'user_id = gen_random_uuid()',
    row: () => ({ fan_out_id: randomUUID(), user_id: randomUUID() }),
  },
  'push.lists': { key: 'id', change: 'failed = 0', row: () => ({ failed: 0 }) },
  'push.delivery_counts': {
    key: 'id',
    change: 'deliveries = 0',
    row: () => ({ notification_id: randomUUID(), state: 'sent', deliveries: 1 }),
  },
  'push.judged_devices': {
    key: 'subscription_id',
    change: `banned_until = null`,
    row: () => ({ banned_until: null }),
  },
};
