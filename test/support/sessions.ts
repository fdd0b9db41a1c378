import postgres from 'postgres';
import { eventually } from './eventually.ts';

/** One session of its own, so that a test decides what is open while something else happens. */
export interface Session {
  sql: postgres.Sql;
  pid: number;
}

/** Runs `work` with that many sessions as role `postgres`, and closes them, whatever they left open. */
export async function withSessions<T>(
  url: string,
  count: number,
  work: (...sessions: Session[]) => Promise<T>,
): Promise<T> {
  const clients = Array.from({ length: count }, () => postgres(url, { max: 1, onnotice: () => {} }));
  try {
    const sessions = await Promise.all(
      clients.map(async (sql) => {
        const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
        return { sql, pid: (row as { pid: number }).pid };
      }),
    );
    return await work(...sessions);
  } finally {
    await Promise.all(clients.map((sql) => sql.end({ timeout: 0 })));
  }
}

/** Comes back once that session waits for a lock of another one. */
export async function untilBlocked(sql: postgres.Sql, { pid }: Session): Promise<void> {
  await eventually(
    async () =>
      (await sql<{ blockers: number[] }[]>`select pg_blocking_pids(${pid}) as blockers`)[0]?.blockers,
    (blockers) => (blockers?.length ?? 0) > 0,
    10_000,
  );
}

/** Comes back once that session sleeps, as one does that asks for a lock again and again. */
export async function untilAsleep(sql: postgres.Sql, session: Session): Promise<void> {
  await eventually(
    () => isAsleep(sql, session),
    (asleep) => asleep,
    10_000,
  );
}

async function isAsleep(sql: postgres.Sql, { pid }: Session): Promise<boolean> {
  const rows = await sql`select from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep'`;
  return rows.length > 0;
}

/** Whether what that session has begun comes to its end by itself, or waits for a lock of another one or sleeps. */
export async function endsOrWaits(
  sql: postgres.Sql,
  session: Session,
  work: Promise<unknown>,
): Promise<'ends' | 'waits'> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  work.then(end, end);
  return (await eventually(
    async () => {
      const [row] = await sql<{ blockers: number[] }[]>`select pg_blocking_pids(${session.pid}) as blockers`;
      const waits = row?.blockers.length || (await isAsleep(sql, session));
      return ended ? 'ends' : waits ? 'waits' : undefined;
    },
    (answer) => answer !== undefined,
    10_000,
  )) as 'ends' | 'waits';
}

/** Acts as a signed-in user until the end of the transaction that is open. */
export async function becomeUser(sql: postgres.Sql, userId: string): Promise<void> {
  await sql`
    select set_config('request.jwt.claims', ${JSON.stringify({ role: 'authenticated', sub: userId })}, true),
      set_config('request.jwt.claim.sub', ${userId}, true),
      set_config('role', 'authenticated', true)`;
}
