import type postgres from 'postgres';

/** Finds which alerts these values cross; their ids in order. */
export type Find = (sql: postgres.Sql, symbols: readonly string[], value: number) => Promise<string[]>;

/** As the trigger on quotes does. */
export const findByIndex: Find = async (sql, symbols, value) => {
  const [row] = await sql<[{ ids: string[] }]>`
    select array_agg(c.id order by c.id) as ids
    from push.crossed_alerts(${symbols as string[]}, array_fill(${value}::float8, array[${symbols.length}::int]),
      array_fill(now(), array[${symbols.length}::int])) as c`;
  return row.ids;
};

/** By one join with every alert of those symbols that waits, as the planner likes it best. */
export const findByJoin: Find = async (sql, symbols, value) => {
  const [row] = await sql<[{ ids: string[] }]>`
    with measure as materialized (
      select q.symbol, 0 as window_minutes, ${value}::float8 as value from unnest(${symbols as string[]}::text[]) as q (symbol)
      union all
      select q.symbol, w.minutes, (${value}::float8 - h.value) / h.value * 100
      from unnest(${symbols as string[]}::text[]) as q (symbol)
      cross join (values (60), (1440)) as w (minutes)
      cross join lateral (
        select h.value from push.quote_history as h
        where h.symbol = q.symbol collate "C" and h.quoted_at <= now() - make_interval(mins => w.minutes)
        order by h.quoted_at desc
        limit 1
      ) as h
    )
    select array_agg(a.id order by a.id) as ids
    from measure as m
    join public.push_alerts as a on a.symbol = m.symbol collate "C" and a.window_minutes = m.window_minutes
    where a.enabled and (a.upper_line <= m.value or a.lower_line >= m.value)`;
  return row.ids;
};
