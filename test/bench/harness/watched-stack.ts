import postgres from 'postgres';
import { type Stack, type StackOptions, startStack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { type PushSink, startPushSink } from './push-sink.ts';
import { createUsersWithDevices } from './recipients.ts';

/** A whole local Supabase in which an insert into `public.orders` notifies its owner. */
export interface WatchedStack {
  stack: Stack;
  /** Takes what is sent to the devices of the users; in a process of its own. */
  sink: PushSink;
  sql: postgres.Sql;
  users: string[];
  /** Calls of push-dispatch so far. */
  rings(): Promise<number>;
  /** Resolves when nothing is waited for any more and every dispatcher has left. */
  idle(): Promise<void>;
}

/** Runs `work` with such a stack that flushes to disk, `users` users with a device each, and one bare table beside it. */
export async function withWatchedStack<T>(
  options: StackOptions & { users: number },
  work: (watched: WatchedStack) => Promise<T>,
): Promise<T> {
  const { users: count, ...stackOptions } = options;
  const stack = await startStack({ durable: true, ...stackOptions });
  const sink = await startPushSink();
  const sql = postgres(stack.databaseUrl, { max: 4, onnotice: () => undefined });
  try {
    await sql`insert into push.hosts (origin) values (${sink.origin})`;
    const admin = postgres(stack.superuserDatabaseUrl, { max: 1, onnotice: () => undefined });
    const users = await createUsersWithDevices(admin, sink.origin, count);
    await countRings(admin);
    await admin.end();
    await sql`create table public.orders (id bigint generated always as identity primary key, owner_id uuid not null)`;
    await sql`create table public.bare_orders (like public.orders including all)`;
    await sql`select push.watch('order_made', 'public.orders', 'new.owner_id', $$ 'Order ' || new.id $$,
      p_body => $$ 'It will be with you tomorrow.' $$, p_url => $$ '/orders/' || new.id $$)`;
    return await work({
      stack,
      sink,
      sql,
      users,
      async rings() {
        const [row] = await sql<{ count: number }[]>`select count(*)::int as count from public.rings`;
        return row?.count ?? 0;
      },
      async idle() {
        await eventually(
          () => sql`
            select from push.dispatchers union all
            (select from push.deliveries where state in ('queued', 'sending') limit 1)`,
          (rows) => rows.length === 0,
          120_000,
        );
      },
    });
  } finally {
    await sql.end();
    sink.stop();
    await stack.stop();
  }
}

/** pg_net takes its requests off the queue before it sends them: every ring is counted where it is made. */
async function countRings(admin: postgres.Sql): Promise<void> {
  await admin
    .unsafe(`
      create table public.rings (rung_at timestamptz not null default clock_timestamp());
      create function public.count_ring() returns trigger language plpgsql security definer set search_path = '' as $$
      begin
        insert into public.rings default values;
        return null;
      end $$;
      create trigger count_ring after insert on net.http_request_queue
        for each row execute function public.count_ring();
      grant select on public.rings to postgres;`)
    .simple();
}
