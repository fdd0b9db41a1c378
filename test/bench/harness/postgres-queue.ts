import type postgres from 'postgres';
import type { ClaimedDelivery } from '../../../src/server/channels/channel.ts';
import type { DeliveryQueue } from '../../../src/server/database/delivery-queue.ts';

interface ClaimedRow {
  delivery_id: number;
  claim_number: number;
  notification_id: string;
  user_id: string;
  host: string;
}

/** The queue as a dispatcher sees it, without the Data API in between. What is claimed says whose it is, not what it says. */
export function createPostgresQueue(sql: postgres.Sql): DeliveryQueue {
  return {
    async claim(dispatcher, limit, busy) {
      const [row] = await sql<[{ claim: { deliveries: ClaimedRow[]; paces: Record<string, number> } }]>`
        select public.push_claim(${dispatcher}, ${limit}, p_busy_hosts => ${busy.hosts}, p_busy_users => ${busy.users}::uuid[],
          p_rooms => ${sql.json(busy.rooms ?? {})}, p_paces => ${sql.json(busy.paces ?? {})}) as claim`;
      const { deliveries, paces } = row.claim;
      return { deliveries: deliveries.map(toDelivery), unreadable: [], paces };
    },
    async complete(reports) {
      const outcomes = reports.map(({ deliveryId, claimNumber, outcome }) => ({
        delivery_id: deliveryId,
        claim_number: claimNumber,
        outcome: outcome.outcome,
        status: outcome.status,
        ...('code' in outcome ? { code: outcome.code } : {}),
        ...('retryAfterSeconds' in outcome ? { retry_after: outcome.retryAfterSeconds } : {}),
      }));
      await sql`select public.push_complete(${sql.json(outcomes)})`;
    },
    async heartbeat(dispatcher, deliveryIds) {
      await sql`select public.push_heartbeat(${dispatcher}, ${deliveryIds}::bigint[])`;
    },
    async fanOut() {
      const [row] = await sql<[{ made: boolean }]>`select public.push_fan_out() as made`;
      return row.made;
    },
    async leave(dispatcher, final) {
      const [row] = await sql<[{ left: boolean }]>`select public.push_leave(${dispatcher}, ${final}) as left`;
      return row.left;
    },
  };
}

function toDelivery(row: ClaimedRow): ClaimedDelivery {
  return {
    deliveryId: row.delivery_id,
    claimNumber: row.claim_number,
    userId: row.user_id,
    host: row.host,
    target: { channel: 'webpush', endpoint: row.host, p256dh: '', auth: '', vapidKey: null },
    content: {
      notificationId: row.notification_id,
      title: '',
      body: null,
      url: null,
      params: {},
      category: null,
      collapseKey: null,
      tag: null,
      position: null,
      presentation: null,
      appUrl: null,
    },
    urgency: 'normal',
    ttl: 60,
  };
}
