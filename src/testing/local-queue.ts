import type { Sql } from 'postgres';
import { type DeliveryQueue, outcomeRow, readClaimedRow } from '../server/database/delivery-queue.ts';

/**
 * The delivery queue of a local database, over its owner's connection, for the devices of one push service: what waits for
 * other devices stays where it is, so that test files side by side do not take each other's messages, and nothing leaves
 * the machine.
 *
 * @param origin the push service: its row of `push.hosts`
 * @param at what is taken for the time; the database's clock unless given
 */
export function createLocalQueue(sql: Sql, origin: string, at: Date | null): DeliveryQueue {
  const now = sql`coalesce(${at}::timestamptz, clock_timestamp())`;
  return {
    async claim(dispatcher, limit, busy) {
      const [row] = await sql<{ deliveries: unknown[] }[]>`
        select public.push_claim(
          p_dispatcher => ${dispatcher}::uuid,
          p_limit => ${limit}::integer,
          p_now => ${now},
          p_busy_hosts => array(select h.origin from push.hosts as h where h.origin <> ${origin}) || ${busy.hosts}::text[],
          p_busy_users => ${busy.users}::uuid[]
        ) -> 'deliveries' as deliveries`;
      return { deliveries: (row?.deliveries ?? []).map(readClaimedRow), unreadable: [] };
    },

    async complete(reports) {
      const outcomes = sql.json(reports.map(outcomeRow));
      await sql`select public.push_complete(p_outcomes => ${outcomes}, p_now => ${now})`;
    },

    async heartbeat(dispatcher, deliveryIds) {
      await sql`
        select public.push_heartbeat(
          p_dispatcher => ${dispatcher}::uuid, p_deliveries => ${deliveryIds}::bigint[], p_now => ${now}
        )`;
    },

    async fanOut() {
      const [row] = await sql<{ made: boolean }[]>`select public.push_fan_out(p_now => ${now}) as made`;
      return row?.made === true;
    },

    async leave(dispatcher) {
      // Not push_leave(): what waits for other devices would keep this dispatcher here.
      await sql`delete from push.dispatchers as d where d.id = ${dispatcher}::uuid`;
      return true;
    },
  };
}

/** Makes what comes due by itself, as the jobs of pg_cron do: reminders, notifications with a time, digests. */
export async function enqueueDue(sql: Sql, at: Date | null): Promise<void> {
  const now = sql`coalesce(${at}::timestamptz, clock_timestamp())`;
  // One after the other, as the tick does: a digest holds what has come due.
  await sql`select push.send_reminders(10000, ${now})`;
  await sql`select push.enqueue_due_notifications(10000, ${now})`;
  await sql`select push.close_digests(1000, ${now})`;
}
