import type postgres from 'postgres';
import { type Clock, systemClock } from './clock.ts';
import { Latch } from './latch.ts';
import { type NetRequest, type NetResponse, sendRequest } from './pg-net-request.ts';
import { startSession, type Worker } from './worker-session.ts';

export type { Worker };

const BATCH_SIZE = 200;
const BUSY_PAUSE_MS = 1000;
const RESPONSE_TTL = '6 hours';

/**
 * Works `net.http_request_queue` of one database as the background worker of pg_net 0.20 does: batches of 200 in the
 * order of their ids, one transaction each, which takes the rows out of the queue, sends them all at once, waits for
 * every answer and writes them; then a pause of a second. Nothing is ever sent again.
 *
 * The extension may be created later. Resolves once the worker listens; rejects if the database cannot be reached.
 */
export async function startPgNetWorker(options: {
  /** As superuser (`server.url({ role: 'supabase_admin' })`). */
  databaseUrl: string;
  log?: (line: string) => void;
  /** Times the busy pause; requests time out by the machine's clock. */
  clock?: Clock;
}): Promise<Worker> {
  const { databaseUrl, log = () => {}, clock = systemClock } = options;
  const latch = new Latch();
  let shouldWake = true;
  return startSession({
    // check_worker_is_up() looks for this name.
    name: 'pg_net 0.20.0',
    databaseUrl,
    channel: 'pg_net_wake',
    log,
    onNotify: () => {
      // Only the first commit after the worker fell asleep or began to work sets the latch. So a busy worker's pause
      // is cut short once and then lasts its second: the half second of latency that pg_net has under load.
      if (shouldWake) return;
      shouldWake = true;
      latch.set();
    },
    work: async (sql, signal, lost) => {
      shouldWake = true;
      while (!signal.aborted) {
        if (!shouldWake) {
          await latch.wait(signal);
          continue;
        }
        shouldWake = false;
        let worked = true;
        while (worked && !signal.aborted) {
          worked = await inTransaction(sql, lost, () => workBatch(sql, signal, lost));
          await latch.wait(signal, { clock, milliseconds: BUSY_PAUSE_MS });
        }
      }
    },
  });
}

/**
 * By hand, on the session's only connection: `sql.begin` sends its rollback into a connection that the server has
 * closed, which postgres.js 3.4 answers with an uncaught error.
 */
async function inTransaction<T>(sql: postgres.Sql, lost: AbortSignal, work: () => Promise<T>): Promise<T> {
  await sql`begin`;
  try {
    const result = await work();
    await sql`commit`;
    return result;
  } catch (error) {
    if (!lost.aborted) await sql`rollback`;
    throw error;
  }
}

/** Returns whether there was anything to do. */
async function workBatch(sql: postgres.Sql, signal: AbortSignal, lost: AbortSignal): Promise<boolean> {
  const [extension] = await sql<{ installed: boolean }[]>`
    select to_regclass('net.http_request_queue') is not null and to_regclass('net._http_response') is not null
      as installed
  `;
  if (!extension?.installed) return false;
  const expired = await sql`
    with old as (
      select ctid from net._http_response
      where created < now() - ${RESPONSE_TTL}::interval order by created limit ${BATCH_SIZE}
    )
    delete from net._http_response as response using old where response.ctid = old.ctid
  `;
  const requests = await sql<NetRequest[]>`
    with batch as (select id from net.http_request_queue order by id limit ${BATCH_SIZE}),
    taken as (
      delete from net.http_request_queue as queue using batch where queue.id = batch.id
      returning queue.id, method, url, headers, body, timeout_milliseconds
    )
    select
      id::text as id, upper(method) as method, url, headers, body, timeout_milliseconds as "timeoutMs"
    from taken order by taken.id
  `;
  const responses: NetResponse[] = [];
  await Promise.all(
    requests.map(async (request) => {
      const response = await sendRequest(request, signal);
      if (response) responses.push(response);
    }),
  );
  lost.throwIfAborted();
  if (responses.length > 0) await sql`insert into net._http_response ${sql(responses)}`;
  return requests.length > 0 || expired.count > 0;
}
