import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { insertManyAlerts } from '../../support/many-alerts.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';

// 25 symbols; of each 800 alerts wait far away, and 2 where the next quote gets to.
const SYMBOLS = Array.from({ length: 25 }, (_, index) => `S${index}`);
const ALERTS = 20_000;
const CROSSED = 50;
const QUOTES = 40_000;
const NOW = new Date('2040-06-04T12:00:00Z');

/** What a call has read of alerts and the history of quotes, by rows (of tables and indexes) and pages. */
interface Reading {
  sequentialScans: number;
  rows: number;
  pages: number;
}

type Work<T> = (sql: postgres.TransactionSql) => Promise<T>;

/** Counted within the transaction, so that it is exact and nobody else's; it is rolled back. */
async function reading<T>(sql: postgres.Sql, work: Work<T>): Promise<Reading & { result: T }> {
  const total = async (t: postgres.TransactionSql) => {
    const [row] = await t<[Reading]>`
      with relation as (
        select r.oid, false as is_index from unnest('{public.push_alerts, push.quote_history}'::regclass[]) as r (oid)
        union all
        select i.indexrelid, true from pg_index as i
        where i.indrelid in ('public.push_alerts'::regclass, 'push.quote_history'::regclass)
      )
      select
        sum(case when not r.is_index then pg_stat_get_xact_numscans(r.oid) else 0 end)::int as "sequentialScans",
        sum(pg_stat_get_xact_tuples_returned(r.oid))::int as rows,
        sum(pg_stat_get_xact_blocks_fetched(r.oid))::int as pages
      from relation as r`;
    return row;
  };
  const undo = new Error('undone');
  let outcome: (Reading & { result: T }) | undefined;
  await sql
    .begin(async (t) => {
      const before = await total(t);
      const result = await work(t);
      const after = await total(t);
      outcome = {
        sequentialScans: after.sequentialScans - before.sequentialScans,
        rows: after.rows - before.rows,
        pages: after.pages - before.pages,
        result,
      };
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  return outcome as Reading & { result: T };
}

async function fill(database: TestDatabase, count: number, quotes: number): Promise<void> {
  const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => undefined });
  const { id } = await createUser(database.sql);
  const each = count / SYMBOLS.length;
  await superuser`
    insert into push.quote_history (symbol, quoted_at, value)
    select ${SYMBOLS}::text[][1 + n % 25], ${NOW}::timestamptz - make_interval(mins => n / 25), 100
    from generate_series(0, ${quotes - 1}::int) as n on conflict do nothing`;
  await superuser.end();
  void id;
  void each;
}
