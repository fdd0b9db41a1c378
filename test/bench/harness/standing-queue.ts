import type postgres from 'postgres';
import type { PostgresServer } from '../../../tools/local/postgres/postgres-server.ts';
import { BELL_SECRET, PROJECT_URL } from '../../support/bell.ts';
import { connect, createMigrated } from './database.ts';
import { createUsersWithDevices } from './recipients.ts';

export const HOST = 'https://fcm.googleapis.com';
/** Deliveries per claim and per report where rows are only to be worked off, and calls at a time. */
const BATCH = 500;
const WORKERS = 2;

/** A database of its own whose queue is filled and worked off faster than applications and dispatchers would. */
export interface StandingQueue {
  /** One connection as `postgres`, always the same. */
  sql: postgres.Sql;
  superuser: postgres.Sql;
  /** With one device each. */
  users: string[];
  /** Puts a delivery for each user into the queue, due now, without triggers. */
  fill(): Promise<void>;
  /** Claims and reports what is due until `count` are done or nothing is left. */
  work(count: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startStandingQueue(
  server: PostgresServer,
  database: string,
  userCount: number,
): Promise<StandingQueue> {
  await createMigrated(server, database);
  const superuser = connect(server, { database, superuser: true });
  const users = await createUsersWithDevices(superuser, HOST, userCount);
  const sql = connect(server, { database });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
  await sql`update push.hosts set max_in_flight = ${100_000}`;
  await insertNotifications(superuser);
  await sql.unsafe(WORK).simple();
  const workers = connect(server, { database, connections: WORKERS });
  return {
    sql,
    superuser,
    users,
    fill: () =>
      superuser.begin(async (transaction) => {
        await transaction`set local session_replication_role = replica`;
        await transaction`
          insert into push.queue (notification_id, subscription_id, host, due_at, expires_at)
          select n.id, s.id, s.host, clock_timestamp(), now() + interval '1 day'
          from public.push_subscriptions as s
          cross join lateral (
            select n.id from public.push_notifications as n
            where n.user_id = s.user_id and n.idempotency_key = 'standing'
          ) as n`;
      }) as Promise<void>,
    async work(count) {
      const share = Math.ceil(count / WORKERS);
      await Promise.all(
        Array.from({ length: WORKERS }, () => workers.unsafe(`call public.bench_work(${share}, ${BATCH})`)),
      );
    },
    async stop() {
      await Promise.all([sql.end(), superuser.end(), workers.end()]);
    },
  };
}

/** One for each user, which is delivered again and again: the log has no foreign key and no two rows that must differ. */
async function insertNotifications(superuser: postgres.Sql): Promise<void> {
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`
      insert into public.push_notifications (user_id, title, body, url, urgency, expires_at, idempotency_key)
      select id, 'Acme is won', 'The deal went from negotiation to won.', '/deals/1', 'normal', now() + interval '1 day',
        'standing'
      from auth.users`;
  });
  await superuser.unsafe('vacuum analyze public.push_notifications').simple();
}

// What a dispatcher's calls do, without the way to it and back. It only makes what is measured later, so it need not wait for
// the disk.
const WORK = `
  create procedure public.bench_work(p_count integer, p_batch integer)
  language plpgsql as $$
  declare
    v_dispatcher constant uuid := gen_random_uuid();
    v_claimed jsonb;
    v_done integer := 0;
  begin
    set synchronous_commit = off;
    while v_done < p_count loop
      v_claimed := (public.push_claim(v_dispatcher, p_batch) -> 'deliveries')::jsonb;
      commit;
      exit when v_claimed = '[]';
      perform public.push_complete((
        select jsonb_agg(jsonb_build_object('delivery_id', d.delivery_id, 'claim_number', d.claim_number, 'outcome', 'sent', 'status', 201))
        from jsonb_to_recordset(v_claimed) as d (delivery_id bigint, claim_number integer)
      ));
      commit;
      v_done := v_done + jsonb_array_length(v_claimed);
    end loop;
    set synchronous_commit = on;
  end $$`;
