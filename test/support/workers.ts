import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { plus } from './queue.ts';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Heartbeat {
  calls: string[];
  channel: string;
  lease_seconds: number;
}

/** Says that a worker lives, as the command does; in this session it listens where `listens` says so. */
export async function heartbeat(
  sql: Client,
  {
    worker = randomUUID(),
    name = 'a worker',
    version = '0.1.0',
    listens = false,
    look = false,
    now = new Date(),
  }: {
    worker?: string;
    name?: string;
    version?: string;
    listens?: boolean;
    look?: boolean;
    now?: Date;
  } = {},
): Promise<Heartbeat> {
  const [row] = await sql<{ answer: Heartbeat }[]>`
    select public.push_worker_heartbeat(${worker}, ${name}, ${version}, ${listens}, ${look}, ${now}) as answer`;
  return (row as { answer: Heartbeat }).answer;
}

/** What it was called for and has not begun. */
export async function callsOf(sql: Client, worker: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from push.dispatchers where worker_id = ${worker} and is_awaited order by started_at`;
  return rows.map(({ id }) => id);
}

/** Whether a worker may end. */
export async function workerLeaves(sql: Client, worker: string, now = new Date()): Promise<boolean> {
  const [row] = await sql<{ ends: boolean }[]>`select public.push_worker_leave(${worker}, ${now}) as ends`;
  return row?.ends as boolean;
}

/** A moment at which no call is waited for any more, and workers still count as live. */
export function afterCallLease(start: Date): Date {
  return plus(start, 11);
}
