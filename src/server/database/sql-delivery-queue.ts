import { CLAIM_PROTOCOL, type DeliveryQueue, outcomeRow, readClaim } from './delivery-queue.ts';
import { arrayText, type SqlDatabase } from './sql-database.ts';

/**
 * The delivery queue over a connection to the database, for a process of one's own: the same functions as over the Data API, and
 * the same shapes. Every call throws what `SqlDatabase.first()` does.
 *
 * @param projectUrl what the functions call this project: the queue gives nothing to one that it was not connected to
 */
export function createSqlDeliveryQueue(database: SqlDatabase, projectUrl: string): DeliveryQueue {
  const project = new URL(projectUrl).origin;
  return {
    async claim(dispatcher, limit, busy) {
      const row = await database.first(
        'push_claim',
        (sql) => sql<{ answer: unknown }[]>`
          select public.push_claim(
            p_dispatcher => ${dispatcher}::text::uuid,
            p_limit => ${limit}::integer,
            p_busy_hosts => ${arrayText(busy.hosts)}::text::text[],
            p_busy_users => ${arrayText(busy.users)}::text::uuid[],
            p_protocol => ${CLAIM_PROTOCOL}::integer,
            p_project => ${project}::text,
            p_rooms => ${JSON.stringify(busy.rooms ?? {})}::text::jsonb,
            p_paces => ${JSON.stringify(busy.paces ?? {})}::text::jsonb
          ) as answer`,
      );
      return readClaim(row?.answer);
    },

    async complete(reports) {
      const outcomes = JSON.stringify(reports.map(outcomeRow));
      await database.first(
        'push_complete',
        (sql) => sql`select public.push_complete(p_outcomes => ${outcomes}::text::jsonb) as answer`,
      );
    },

    async heartbeat(dispatcher, deliveryIds) {
      await database.first(
        'push_heartbeat',
        (sql) => sql`
          select public.push_heartbeat(
            p_dispatcher => ${dispatcher}::text::uuid, p_deliveries => ${arrayText(deliveryIds)}::text::bigint[]
          )`,
      );
    },

    async fanOut() {
      const row = await database.first(
        'push_fan_out',
        (sql) => sql<{ made: boolean }[]>`select public.push_fan_out() as made`,
      );
      return row?.made === true;
    },

    async leave(dispatcher, final) {
      const row = await database.first(
        'push_leave',
        (sql) => sql<{ may_leave: boolean }[]>`
          select public.push_leave(p_dispatcher => ${dispatcher}::text::uuid, p_final => ${final}::boolean) as may_leave`,
      );
      return row?.may_leave === true;
    },
  };
}
