import type postgres from 'postgres';

/** What one call cost, as Postgres itself counts it: with all that it did inside, triggers too. */
export interface Cost {
  milliseconds: number;
  /** Pages looked at, in memory or not. */
  buffers: number;
  /** Rows and index entries that were read of what grows: the queue, its log, notifications and subscriptions. Live or dead. */
  rows: number;
  /** What the call answered. */
  answer: string;
}

interface Explained {
  Plan: { 'Shared Hit Blocks': number; 'Shared Read Blocks': number };
  'Execution Time': number;
}

/** Calls an SQL expression, such as `public.push_claim(…)`, in a transaction of its own. */
export async function costOf(sql: postgres.Sql, expression: string): Promise<Cost> {
  return (await sql.begin(async (transaction) => {
    const before = await rowsRead(transaction);
    const [explained] = await transaction.unsafe<[{ 'QUERY PLAN': [Explained] }]>(
      `explain (analyze, buffers, timing off, format json) select set_config('bench.answer', (${expression})::text, false)`,
    );
    const after = await rowsRead(transaction);
    const [row] = await transaction<[{ answer: string }]>`select current_setting('bench.answer') as answer`;
    const [{ Plan: plan, 'Execution Time': milliseconds }] = explained['QUERY PLAN'];
    return {
      milliseconds,
      buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
      rows: after - before,
      answer: row.answer,
    };
  })) as Cost;
}

async function rowsRead(transaction: postgres.TransactionSql): Promise<number> {
  const [row] = await transaction<[{ rows: number }]>`
    with growing as (
      select unnest('{push.queue,public.push_notifications,public.push_subscriptions}'::regclass[]) as id
      union all
      select p.relid from pg_partition_tree('push.delivery_log') as p where p.isleaf
    ), read as (
      select g.id from growing as g
      union all
      select i.indexrelid from pg_index as i where i.indrelid in (select g.id from growing as g)
    )
    select sum(pg_stat_get_xact_tuples_returned(r.id) + pg_stat_get_xact_tuples_fetched(r.id))::int as rows from read as r`;
  return row.rows;
}
