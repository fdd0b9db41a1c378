import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

export const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
export const PROJECT_URL = 'https://abcdefghijklmnopqrst.supabase.co';

/** Tells the database how to ring push-dispatch. No worker of pg_net runs in database tests: rings stay to be counted. */
export async function connectBell(sql: Client): Promise<void> {
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
}

/** Requests to push-dispatch in the queue of pg_net, as this connection sees it. */
export async function countRings(sql: Client): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from net.http_request_queue where url like '%/functions/v1/push-dispatch'`;
  return (row as { count: number }).count;
}

/** Alarms that stand. */
export async function openAlarms(sql: Client): Promise<string[]> {
  const rows = await sql<{ code: string }[]>`
    select code from push.alarms where resolved_at is null order by code`;
  return rows.map((row) => row.code);
}
