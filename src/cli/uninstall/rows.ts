import { open, rm } from 'node:fs/promises';
import type postgres from 'postgres';
import { SupapushError } from '../../shared/errors.ts';
import type { Release } from '../init/release.ts';
import { withDatabase } from '../open-database.ts';
import { publicObjectsOf } from './uninstall-sql.ts';

/** A table of Supapush with rows that would go. */
export interface TableRows {
  table: string;
  rows: number;
}

/** What users have set, and their devices: what it takes to go on elsewhere. Messages are history, rules are in the app's migrations. */
const EXPORTED: [table: string, row: string][] = [
  [
    'push_subscriptions',
    // As PushSubscription.toJSON() has it, so that any library for web push takes it.
    `jsonb_build_object(
      'id', t.id, 'user_id', t.user_id, 'channel', t.channel, 'subscription', case t.channel when 'webpush' then jsonb_build_object(
        'endpoint', t.endpoint, 'expirationTime', extract(epoch from t.expires_at) * 1000,
        'keys', jsonb_build_object('p256dh', t.p256dh, 'auth', t.auth)) end,
      'vapid_key', t.vapid_key, 'fcm_token', t.fcm_token, 'device_type', t.device_type, 'device_name', t.device_name,
      'user_agent', t.user_agent, 'created_at', t.created_at)`,
  ],
  ['push_preferences', 'to_jsonb(t)'],
  ['push_device_preferences', 'to_jsonb(t)'],
  ['push_topic_members', 'to_jsonb(t)'],
  ['push_alerts', 'to_jsonb(t)'],
];

/** Runs `work` with one moment of a database, to read only. Throws `usage` where Supapush is not in it. */
export async function withSnapshot<T>(
  databaseUrl: string,
  work: (sql: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  return await withDatabase(databaseUrl, async (sql) => {
    const outcome = await sql.begin('isolation level repeatable read, read only', async (transaction) => {
      const [found] = await transaction<
        { there: boolean }[]
      >`select to_regclass('push.settings') is not null as there`;
      if (!found?.there) throw new SupapushError('usage', 'There is no Supapush in this database.');
      return { value: await work(transaction) };
    });
    return outcome.value;
  });
}

/** How many rows each table has that would go; those without any are left out. */
export async function countRows(
  sql: postgres.TransactionSql,
  { migrations }: Pick<Release, 'migrations'>,
): Promise<TableRows[]> {
  const { relations } = publicObjectsOf(migrations);
  const tables = await sql<{ count: string }[]>`
    select format('select %L as "table", count(*)::text as rows from %I.%I', n.nspname || '.' || c.relname, n.nspname, c.relname) as count
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and (n.nspname = 'push' or n.nspname = 'public' and c.relname = any (${relations}))`;
  const rows = await sql.unsafe<{ table: string; rows: string }[]>(
    tables.map(({ count }) => count).join(' union all '),
  );
  return rows
    .map(({ table, rows }) => ({ table, rows: Number(rows) }))
    .filter(({ rows }) => rows > 0)
    .sort((one, other) => other.rows - one.rows || one.table.localeCompare(other.table));
}

/**
 * Writes the devices of users and what they have set into a file that only its owner may read, an object of JSON a line; how many
 * lines. Throws `usage` where the file is there.
 */
export async function exportRows(sql: postgres.TransactionSql, file: string): Promise<number> {
  const target = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new SupapushError('usage', `${file} is there: name a file that is not.`);
  });
  let lines = 0;
  try {
    for (const [table, row] of EXPORTED) {
      const query = `select (jsonb_build_object('table', '${table}') || ${row})::text as line from public.${table} as t`;
      await sql.unsafe<{ line: string }[]>(query).cursor(1000, async (rows) => {
        await target.write(rows.map(({ line }) => `${line}\n`).join(''));
        lines += rows.length;
      });
    }
    await target.sync();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await target.close();
  }
  return lines;
}
