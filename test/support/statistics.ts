import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { eventually } from './eventually.ts';

type Client = postgres.Sql | postgres.TransactionSql;

/** What one row of push.stats() says. */
export interface Stats {
  bucket: Date;
  channel: string | null;
  service: string | null;
  code: string | null;
  category: string | null;
  template: string | null;
  rule: string | null;
  topic: string | null;
  outcome: string | null;
  deliveries: string;
  attempted: string;
  sent: string;
  displayed: string;
  clicked: string;
  dismissed: string;
  acted: string;
  delivery_rate: string | null;
  click_rate: string | null;
  due_to_sent: Record<string, number> | null;
}

/** What is asked of push.stats(). */
export interface StatsQuery {
  from: Date;
  until?: Date;
  every?: string;
  by?: string[];
  zone?: string;
  now: Date;
}

export async function readStats(
  sql: Client,
  { from, until, every = 'day', by = [], zone = 'UTC', now }: StatsQuery,
): Promise<Stats[]> {
  return await sql<Stats[]>`
    select * from push.stats(${from}, ${until ?? null}, ${every}, ${by}::text[], ${zone}, ${now})`;
}

/** Has statistics counted as the job does, at that moment. */
export async function rollUp(sql: Client, now: Date, limit = 1_000_000): Promise<{ deliveries: number }> {
  const [row] = await sql<
    { result: { deliveries: number } }[]
  >`select push.roll_up(${limit}, ${now}) as result`;
  return (row as { result: { deliveries: number } }).result;
}

/** The same until every transaction of that time has ended, those of other tests on this server among them. */
export async function settle(sql: postgres.Sql, now: Date): Promise<void> {
  await eventually(
    async () => {
      await rollUp(sql, now);
      const [row] = await sql<{ settled: boolean }[]>`
        select settled_until >= date_trunc('minute', ${now}::timestamptz) - interval '2 minutes' as settled
        from push.statistics_progress`;
      return row?.settled;
    },
    (settled) => settled === true,
    20_000,
  );
}

/** Takes all statistics away, and the log with its receipts, so that the tests of a file do not meet. */
export async function clearStatistics(sql: postgres.Sql): Promise<void> {
  await sql`truncate push.statistics, push.statistics_recounts, push.delivery_log, push.receipts`;
  await sql`delete from push.statistic_labels where true`;
  await sql`
    update push.statistics_progress
    set counted_until = default, settled_until = default, settling_until = null, settling_xid = null, minutes_from = default,
      hours_from = default, frozen_until = default, behind_since = null
    where id`;
}

/** A delivery as the log has it. */
export interface Ended {
  id: string;
  notification_id: string;
  host: string;
  state: string;
  last_code: string | null;
  claims: number;
  due_at: Date;
  finished_at: Date;
}

const FCM = 'https://fcm.googleapis.com';
let made = 0;

/** A row for the log that ended at that moment; sent a second after it was due, unless told otherwise. */
export function ended(at: Date, values: Partial<Ended> = {}): Ended {
  made += 1;
  const due_at = values.due_at ?? new Date(at.getTime() - 1000);
  // Its id says in which second it was made, and so its part of the log.
  const seconds = BigInt(Math.floor(due_at.getTime() / 1000)) - 1_735_689_600n;
  return {
    id: String((seconds << 22n) + BigInt(made)),
    notification_id: randomUUID(),
    host: FCM,
    state: 'sent',
    last_code: null,
    claims: 1,
    finished_at: at,
    ...values,
    due_at,
  };
}

/** Writes rows into the log, as if they had gone through the queue to a device: of `device`, or of one that is gone. */
export async function addToLog(sql: Client, rows: Ended[], device?: string): Promise<void> {
  await sql`
    insert into push.delivery_log ${sql(
      rows.map((row) => ({
        ...row,
        subscription_id: device ?? randomUUID(),
        created_at: row.due_at,
      })) as never,
    )}`;
}
