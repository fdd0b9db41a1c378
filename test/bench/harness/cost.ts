import type postgres from 'postgres';

/** What one call cost, as Postgres itself counts it: with all that it did inside, triggers too. */
export interface Cost {
  milliseconds: number;
  /** Pages looked at, in memory or not. */
  buffers: number;
  /** What the call answered. */
  answer: string;
}

interface Explained {
  Plan: { 'Shared Hit Blocks': number; 'Shared Read Blocks': number };
  'Execution Time': number;
}

/** Calls an SQL expression, such as `public.push_claim(…)`, in a transaction of its own. */
export async function costOf(sql: postgres.Sql, expression: string): Promise<Cost> {
  const [explained] = await sql.unsafe<[{ 'QUERY PLAN': [Explained] }]>(
    `explain (analyze, buffers, timing off, format json) select set_config('bench.answer', (${expression})::text, false)`,
  );
  const [{ Plan: plan, 'Execution Time': milliseconds }] = explained['QUERY PLAN'];
  const [row] = await sql<[{ answer: string }]>`select current_setting('bench.answer') as answer`;
  return {
    milliseconds,
    buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    answer: row.answer,
  };
}
