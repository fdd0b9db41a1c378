import { randomUUID } from 'node:crypto';
import type { RowOf } from './table-rows.ts';

const waiting = () => ({
  notification_id: randomUUID(),
  subscription_id: randomUUID(),
  host: 'https://fcm.googleapis.com',
  due_at: new Date(),
  expires_at: new Date(),
});

const ended: RowOf = {
  key: 'id',
  change: `state = 'cancelled'`,
  row: () => ({
    notification_id: randomUUID(),
    subscription_id: randomUUID(),
    host: 'https://fcm.googleapis.com',
    state: 'sent',
    created_at: new Date(),
    due_at: new Date(),
    finished_at: new Date(),
  }),
  // Refused before any row is looked for.
  find: () => '0',
};

/** Rows of the queue, of the log and its parts, and of the view of both. */
export const QUEUE_ROWS: Record<string, RowOf> = {
  'push.deliveries': {
    key: 'id',
    change: `state = 'cancelled'`,
    row: waiting,
    find: (_, made) => made.deliveryId,
  },
  'push.queue': { key: 'id', change: `last_code = 'x'`, row: waiting, find: (_, made) => made.deliveryId },
  'push.start_resets': { key: 'id', change: 'asked_at = now()', row: () => ({ asked_at: new Date() }) },
  'push.claim_starts': {
    key: 'host',
    change: `due_from = now()`,
    row: () => ({
      host: 'https://fcm.googleapis.com',
      lane: 0,
      due_from: new Date(),
      read_whole_at: new Date(),
    }),
  },
  'push.workers': {
    key: 'id',
    change: 'lease_until = now()',
    row: () => ({
      id: randomUUID(),
      name: 'evil',
      version: '9.9.9',
      registered_at: new Date(),
      lease_until: new Date(),
    }),
  },
  'push.delivery_log': ended,
  ...Object.fromEntries(Array.from({ length: 8 }, (_, part) => [`push.delivery_log_${part}`, ended])),
};
