import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Scope {
  category?: string;
  host?: string;
}

/** A pause as operators see it. */
export interface Pause {
  category: string | null;
  host: string | null;
  reason: string;
  paused_at: string;
  resumed_at: string | null;
  discard_before: string | null;
  discarded: number;
  waiting: number;
}

/** Stops the project, or one category or push service; returns what push.pause() says. */
export async function pause(
  sql: Client,
  now: Date,
  scope: Scope = {},
  reason = 'wrong prices',
): Promise<Pause> {
  const [row] = await sql<{ pause: Pause }[]>`
    select push.pause(${reason}, ${scope.category ?? null}, ${scope.host ?? null}, ${now}) as pause`;
  return (row as { pause: Pause }).pause;
}

/** Ends that again; returns what push.resume() says. */
export async function resume(
  sql: Client,
  now: Date,
  scope: Scope & { discardOlderThan?: string } = {},
): Promise<Pause> {
  const [row] = await sql<{ pause: Pause }[]>`
    select push.resume(
      ${scope.discardOlderThan ?? null}, ${scope.category ?? null}, ${scope.host ?? null}, ${now}) as pause`;
  return (row as { pause: Pause }).pause;
}

/** Writes that many notifications to a user, or to several in turns, in one statement. */
export async function fillQueue(
  sql: postgres.Sql,
  userIds: string | string[],
  count: number,
  category: string | null = null,
): Promise<void> {
  await sql`
    insert into public.push_notifications (user_id, title, category)
    select users[1 + n % cardinality(users)], 'Message ' || n, ${category}
    from (values (${[userIds].flat()}::uuid[])) as u (users), generate_series(1, ${count}::int) as n`;
}
