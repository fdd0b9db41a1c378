import type postgres from 'postgres';
import { insertManyAlerts } from '../../support/many-alerts.ts';

/** As many symbols as one tick quotes. */
export const SYMBOLS = Array.from({ length: 1000 }, (_, index) => `S${index}`);

/** So many symbols, the first ones, have an alert that both of two values in turn cross. */
export const CROSSED = 200;

/** Every alert's symbol begins at 100; each of these crosses what the other one has armed. */
export const VALUES = [101, 100] as const;

/**
 * Inserts `count` recurring alerts, by turns of `users`, evenly over the symbols, and a day of quotes at 100.
 *
 * The first of each of the first 200 symbols is that it crosses 100.5. All others wait further away, above, below or both;
 * from the second thousand on, a tenth of them for a change over an hour or a day.
 */
export async function openMarket(superuser: postgres.Sql, users: string[], count: number): Promise<void> {
  await insertManyAlerts(
    superuser,
    superuser`
      select (${users}::uuid[])[1 + n % ${users.length}::int] as user_id, 'S' || n % 1000 as symbol,
        case when c.is_change then 'percent_change' when f.far is null then 'crosses'
          else (array['above', 'below', 'crosses'])[1 + n / 1000 % 3] end as condition,
        case when c.is_change then 5 + f.far when f.far is null then 100.5
          when n / 1000 % 3 = 1 then 95 - f.far else 105 + f.far end as threshold,
        case when not c.is_change then 0 when n % 2 = 0 then 60 else 1440 end as window_minutes,
        case when c.is_change then 'either' end as direction,
        null::text as level, null::float8 as level_price, null::timestamptz as expires_at
      from generate_series(0, ${count - 1}::int) as n
      cross join lateral (select n / 1000 % 10 = 9 as is_change) as c
      cross join lateral (select case when n >= ${CROSSED}::int then n / 1000 * 0.01 end as far) as f`,
  );
  await superuser`
    insert into push.quote_history (symbol, quoted_at, value)
    select 'S' || n % 1000, now() - interval '10 minutes' * (1 + n / 1000), 100 from generate_series(0, 149999) as n`;
  await superuser.unsafe('vacuum analyze').simple();
}

/** Quotes as `push_record_quotes()` takes them. */
export function quotesOf(symbols: readonly string[], value: number, at: Date) {
  return symbols.map((symbol) => ({ symbol, value, quoted_at: at.toISOString() }));
}

/** Records quotes and returns how many alerts they fired. */
export async function recordQuotes(
  sql: postgres.Sql | postgres.TransactionSql,
  quotes: ReturnType<typeof quotesOf>,
): Promise<number> {
  const [row] = await sql<{ fired: number }[]>`
    select (public.push_record_quotes(${sql.json(quotes)}) ->> 'fired')::int as fired`;
  return row?.fired ?? Number.NaN;
}
