import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

/** Declares a category of which a user is pushed at most so much. */
export async function throttle(
  sql: Client,
  key: string,
  limit: number | null,
  interval: string | null = '1 hour',
  values: { overflow?: string; critical?: boolean } = {},
): Promise<void> {
  await sql`
    insert into public.push_categories (key, title, critical, throttle_limit, throttle_interval, throttle_overflow)
    values (${key}, ${key}, ${values.critical ?? false}, ${limit}, ${interval}, ${values.overflow ?? null})`;
}
