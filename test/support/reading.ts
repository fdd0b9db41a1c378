import type postgres from 'postgres';

/** What a piece of work has read, by Postgres' own count. */
export interface Reading<T> {
  result: T;
  /** Tables that were read from one end to the other. */
  sequentialScans: string[];
  /** Rows of tables and entries of indexes, before any filter. */
  rows: number;
  /** Pages, each time one was looked at. */
  pages: number;
}

/** Does `work` in a transaction that is rolled back, and counts what it alone has read of these tables. */
export async function readingOf<T>(
  sql: postgres.Sql,
  tables: string[],
  work: (sql: postgres.TransactionSql) => Promise<T>,
): Promise<Reading<T>> {
  const count = async (transaction: postgres.TransactionSql) => {
    const [row] = await transaction<[{ scans: Record<string, number>; rows: number; pages: number }]>`
      select
        jsonb_object_agg(r.name, pg_stat_get_xact_numscans(r.id)) filter (where not r.is_index) as scans,
        sum(pg_stat_get_xact_tuples_returned(r.id))::int as rows,
        sum(pg_stat_get_xact_blocks_fetched(r.id))::int as pages
      from (
        select t.name::regclass as id, t.name, false as is_index from unnest(${tables}::text[]) as t (name)
        union all
        select i.indexrelid, null, true from pg_index as i where i.indrelid = any (${tables}::regclass[])
      ) as r`;
    return row;
  };
  let reading: Reading<T> | undefined;
  const undone = new Error('Rolled back.');
  await sql
    .begin(async (transaction) => {
      const before = await count(transaction);
      const result = await work(transaction);
      const after = await count(transaction);
      reading = {
        result,
        sequentialScans: tables.filter((table) => after.scans[table] !== before.scans[table]),
        rows: after.rows - before.rows,
        pages: after.pages - before.pages,
      };
      throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
  return reading as Reading<T>;
}
