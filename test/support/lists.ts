import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

/** A fan-out as it stands. */
export interface FanOut {
  id: string;
  members: number;
  deliveries: number;
  failed: number;
  failures: number;
  next_at: Date;
  finished_at: Date | null;
  stopped: string | null;
  last_error: string | null;
}

/** The one fan-out that there is. */
export async function readFanOut(sql: Client): Promise<FanOut> {
  const [row, ...others] = await sql<FanOut[]>`
    select id, members::int, deliveries::int, failed::int, failures, next_at, finished_at, stopped, last_error from push.fan_outs`;
  if (!row || others.length > 0)
    throw new Error(`Expected one fan-out, found ${others.length + (row ? 1 : 0)}.`);
  return row;
}

/**
 * An application of which a trigger refuses to write to some users, as one does that looks for a tenant and finds none. Here it
 * refuses no user.
 */
export async function createRefusal(sql: Client): Promise<void> {
  await sql`create table if not exists public.refused (user_id uuid primary key, sqlstate text not null)`;
  await sql.unsafe(`
    create or replace function public.refuse_users() returns trigger language plpgsql security definer as $$
    declare v_refused record;
    begin
      select r.* into v_refused from public.refused as r join push_written as w on w.user_id = r.user_id limit 1;
      if v_refused.sqlstate = 'P0004' then
        assert false, 'no such tenant';
      elsif v_refused.user_id is not null then
        raise exception using errcode = v_refused.sqlstate, message = 'no such tenant';
      end if;
      return null;
    end $$;
    drop trigger if exists refuse_users on public.push_notifications;
    create trigger refuse_users after insert on public.push_notifications
    referencing new table as push_written for each statement execute function public.refuse_users();
    delete from public.refused where true;
  `);
}

/** Has the application refuse these users, with that error. */
export async function refuse(sql: Client, userIds: string[], sqlstate = 'P0001'): Promise<void> {
  await sql`insert into public.refused ${sql(userIds.map((user_id) => ({ user_id, sqlstate })))}`;
}
